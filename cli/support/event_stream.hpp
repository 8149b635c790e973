// Server-sent events, read from pieces of a stream (HTML Living Standard, section 9.2.6).
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace kscpush::cli {

struct ServerEvent {
  std::string id;
  std::string type;
  std::string data;
};

class EventStream {
 public:
  using Take = std::function<void(const ServerEvent&)>;
  explicit EventStream(Take take) : take_(std::move(take)) {}

  void feed(std::string_view bytes);
  // The connection is another one: what was begun is void, the id stays.
  void restart();
  // Of the last event; what a new connection asks to go on behind.
  [[nodiscard]] const std::string& last_id() const { return last_id_; }

 private:
  void line(std::string_view text);
  void dispatch();

  Take take_;
  std::string rest_;  // the start of a line
  ServerEvent event_;
  std::string last_id_;
};

}  // namespace kscpush::cli
