// Two connections as one stream, in both directions: half-close is kept, what one side does not
// take stops the reading of the other, and a silence, a lifetime and a number of bytes have bounds.
//
// One thread: the side's. The owner holds it by shared_ptr.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/flow.hpp"
#include "server/side/side_server.hpp"

namespace kscpush::server {

struct SpliceLimits {
  Duration idle{};               // without a byte
  Duration lifetime{};           // in all
  std::uint64_t most_bytes = 0;  // of both directions together
};

class Splice final : public Timer, public std::enable_shared_from_this<Splice> {
 public:
  // Why it ended; the connections are closed by then. Called once, not from start().
  using Ended = std::function<void(const std::string& reason)>;

  Splice(SideServer& side, SideServer::Taken caller, SideServer::Taken device,
         const SpliceLimits& limits, Ended ended);
  void start();
  // Both sides see a broken connection, not an end. Calls ENDED, unless it has ended.
  void end(const std::string& reason);

  [[nodiscard]] std::uint64_t to_device() const { return to_device_.bytes(); }
  [[nodiscard]] std::uint64_t from_device() const { return from_device_.bytes(); }
  [[nodiscard]] const PeerProof* device_proof() const { return device_.link->peer_proof(); }

  // Timer
  void on_timer(MonoTime now) override;

 private:
  // One of the connections: the source of one flow, the sink of the other.
  struct Side final : LinkOwner {
    Side(Splice& its, LinkPtr connection, std::string what)
        : splice(its), link(std::move(connection)), name(std::move(what)) {}
    void on_readable() override { splice.ready(*this, /*readable=*/true); }
    void on_writable() override { splice.ready(*this, /*readable=*/false); }

    Splice& splice;
    LinkPtr link;
    const std::string name;
  };

  void ready(Side& side, bool readable);
  void run(Flow& flow, Side& source, Side& sink);
  void run_later(Flow& flow, Side& source, Side& sink);
  void lost(const Side& side);
  void keep_time();

  SideServer& side_;
  const SpliceLimits limits_;
  Side caller_;
  Side device_;
  Flow to_device_;
  Flow from_device_;
  const Ended ended_;
  const MonoTime ends_;  // its lifetime
  MonoTime moved_;       // a byte
  // What a flow waits for on the other side than usual: TLS may want either.
  bool source_writes_ = false;
  bool sink_reads_ = false;
  bool over_ = false;
};

}  // namespace kscpush::server
