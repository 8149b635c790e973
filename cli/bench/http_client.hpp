// Many requests to an admin API at once, on connections that stay: one request each at a time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/bench/channel.hpp"
#include "cli/bench/loop.hpp"
#include "core/secret.hpp"

namespace kscpush::cli::bench {

class HttpClient final : public LoopHandler {
 public:
  // STATUS 0: the connection was lost, BODY says why.
  using Done = std::function<void(std::uint64_t tag, int status, const std::string& body)>;

  // DONE may make the next request.
  HttpClient(Loop& loop, Target target, Secret token, std::size_t connections, Done done);
  ~HttpClient() override;

  [[nodiscard]] bool has_room() const { return !free_.empty(); }
  [[nodiscard]] bool idle() const { return free_.size() == connections_.size(); }
  // Only when there is room. An empty BODY: none.
  void request(std::string_view method, const std::string& path, const std::string& body,
               std::uint64_t tag);

  void on_event(std::uint64_t tag, std::uint32_t events) override;
  void on_tick(MonoTime now) override;

 private:
  struct Connection {
    Channel channel;
    bool connected = false;
    bool fresh = true;  // no answer yet: losing it is an error, not a server that tidies up
    std::uint16_t generation = 0;
    std::uint64_t tag = 0;
    std::string request;
    std::string answer;
  };

  void send(std::size_t n);
  void read(std::size_t n);
  void finish(std::size_t n, int status, const std::string& body);
  void lost(std::size_t n);

  Loop& loop_;
  const Target target_;
  const Secret token_;
  const Done done_;
  std::vector<Connection> connections_;
  std::vector<std::size_t> free_;
};

}  // namespace kscpush::cli::bench
