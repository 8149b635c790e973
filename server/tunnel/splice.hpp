// Two connections as one stream, within bounds: core/two_way.hpp, on links of the side's.
//
// One thread: the side's. The owner holds it by shared_ptr.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/two_way.hpp"
#include "server/side/side_server.hpp"

namespace kscpush::server {

class Splice final : public Timer, public std::enable_shared_from_this<Splice> {
 public:
  // Why it ended; the connections are closed by then. Called once, not from start().
  using Ended = std::function<void(const std::string& reason)>;

  Splice(SideServer& side, SideServer::Taken caller, SideServer::Taken device,
         const TwoWayLimits& limits, Ended ended);
  void start();
  // Both sides see a broken connection, not an end. Calls ENDED, unless it has ended.
  void end(const std::string& reason);

  [[nodiscard]] std::uint64_t to_device() const { return stream_.from_near(); }
  [[nodiscard]] std::uint64_t from_device() const { return stream_.from_far(); }
  [[nodiscard]] const PeerProof* device_proof() const { return device_.link->peer_proof(); }

  // Timer
  void on_timer(MonoTime now) override;

 private:
  // One of the connections: the source of one way, the sink of the other.
  struct Side final : LinkOwner {
    Side(Splice& its, LinkPtr connection) : splice(its), link(std::move(connection)) {}
    void on_readable() override { splice.ready(*this, /*readable=*/true); }
    void on_writable() override { splice.ready(*this, /*readable=*/false); }

    Splice& splice;
    LinkPtr link;
  };

  void ready(const Side& side, bool readable);
  void run(TwoWay::Way way);
  void run_later(TwoWay::Way way);
  void close();
  void keep_time();

  SideServer& side_;
  TwoWay stream_;  // from the caller to the device and back
  Side caller_;
  Side device_;
  const Ended ended_;
  // A way waits on the other side than usual: TLS may want either.
  bool unusual_ = false;
};

}  // namespace kscpush::server
