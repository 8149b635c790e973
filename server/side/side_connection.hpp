// A connection of the side's: it waits for the peer's line, for its service, and for the peer to
// take the answer. Owned by the SideServer, on its thread.
#pragma once

#include "server/net/linger.hpp"
#include "server/side/side_server.hpp"

namespace kscpush::server {

class SideConnection final : public LinkOwner, public Timer {
 public:
  SideConnection(SideServer& server, std::uint64_t number, LinkPtr link);

  void start();
  void answer(std::string line);
  [[nodiscard]] SideServer::Taken give_link();
  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] const Link& link() const { return *link_; }

  // LinkOwner, Timer
  void on_readable() override;
  void on_writable() override;
  void on_timer(MonoTime now) override;

 private:
  enum class Stage : std::uint8_t { kReading, kServing, kAnswering, kLingering };
  enum class Next : std::uint8_t { kReadMore, kWait, kGone };

  Next read_once();
  Next take(std::string_view bytes);
  Next pass_over(std::size_t bytes);
  void flush();
  void wait_for(IoResult::Kind kind);

  SideServer& server_;
  const std::uint64_t number_;
  LinkPtr link_;
  Stage stage_ = Stage::kReading;
  std::string in_;  // the start of the line; later what came behind it
  std::string out_;
  PassedOver passed_over_;  // while it lingers
};

}  // namespace kscpush::server
