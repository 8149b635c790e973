// Tunnels: an operator's connection to a TCP port that a device can reach, through this server.
//
//   opening   the record is on disk, the device is asked (tunnel.open); it connects to its target,
//             then to us with its token and its certificate, and says yes
//   waiting   for the operator's side, until the token is over
//   open      the two connections are one stream (Splice)
//   ended     the record says why, and how much went each way
//
// Tokens are for one use each and are never written down; here they are hashes.
//
// Everything is owned by the side's thread; open, list, find, close and what else says so may be
// called on any thread, and answer on the side's.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/push.hpp"
#include "core/secret.hpp"
#include "server/net/tls_trust.hpp"
#include "server/store/store.hpp"
#include "server/tunnel/splice.hpp"

namespace kscpush::server {

struct TunnelOrder {
  static constexpr std::chrono::seconds kIdle{15 * 60};
  static constexpr std::chrono::seconds kLifetime{std::chrono::hours(8)};
  static constexpr std::chrono::seconds kLongestLife{std::chrono::hours(24)};
  static constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 40U;  // 1 TiB
  static constexpr std::size_t kLongestHost = 253;

  DeviceId device;
  std::string host;  // as the device knows it
  Port port;
  std::string opened_by{};
  std::chrono::seconds idle = kIdle;
  std::chrono::seconds lifetime = kLifetime;
  std::uint64_t most_bytes = kMostBytes;
};

enum class TunnelState : std::uint8_t { kOpening, kWaiting, kOpen, kEnded };
[[nodiscard]] std::string_view to_string(TunnelState state);

struct TunnelView {
  TunnelRecord record;
  TunnelState state = TunnelState::kEnded;
  std::uint64_t to_device = 0;
  std::uint64_t from_device = 0;
};

// Of one that is over.
[[nodiscard]] TunnelView ended_view(const TunnelRecord& record);

struct OpenedTunnel {
  TunnelRecord record;
  Secret token;  // of the operator's side
  WallTime expires{};
};

// Written by the side's thread, read by any.
struct TunnelCounters {
  Counter open;     // gauge
  Counter pending;  // gauge: opening or waiting
  Counter opened;
  Counter failed;  // asked for, and never open
  Counter bytes;   // both ways, of tunnels that have ended
  Counter tokens_refused;
};

class Tunnels final : public SideService {
 public:
  static constexpr std::size_t kMost = 4096;          // not ended
  static constexpr std::size_t kMostOfDevice = 2048;  // the same
  static constexpr std::chrono::seconds kTokenLasts{60};
  static constexpr std::chrono::seconds kRecheckEvery{10};

  // Sends a tunnel.open with these PARAMS; the device's own answer, or why there is none. Any
  // thread.
  using Asked = std::function<void(Result<PushAnswer>)>;
  using Ask = std::function<void(const DeviceId& device, std::string params, Asked asked)>;

  Tunnels(SideServer& side, Store& store, const Clock& clock, spdlog::logger& log, Ask ask);

  // kOffline, kNoAnswer, kDenied (the device does not allow that target), kUnreachable (the device
  // cannot reach it), kOverloaded; kFailed for what else the device says.
  using Opened = std::function<void(Result<OpenedTunnel>)>;
  void open(TunnelOrder order, Opened done);
  // Those that have not ended, oldest first.
  void list(std::function<void(std::vector<TunnelView>)> done);
  // kNotFound.
  using Found = std::function<void(Result<TunnelView>)>;
  void find(const Ulid& id, Found done);
  // As it is then, on disk; one that had ended stays as it was. kNotFound.
  void close(const Ulid& id, std::string reason, Found done);
  // Ends those of the device when MAY says why they may not be.
  void recheck(const DeviceId& id, std::function<Status(const DeviceId&)> may);
  // From now on, and looked at again every kRecheckEvery.
  void use(std::shared_ptr<const TlsTrust> trust);
  [[nodiscard]] const TunnelCounters& counters() const { return counters_; }

  // On the side's thread: ends all of them, and takes no more.
  void stop();

  // SideService
  void serve(const SideRequest& request) override;
  void tick(MonoTime now) override;

 private:
  struct Tunnel {
    TunnelRecord record;
    TunnelOrder order;
    TunnelState state = TunnelState::kOpening;
    MonoTime deadline{};             // until it is open
    SideServer::Taken device_end{};  // until then
    std::shared_ptr<Splice> splice{};
    std::string device_token{};  // hashes; empty: used
    std::string caller_token{};
  };

  // One that is over, which is not on disk yet.
  struct Ending {
    TunnelRecord record;
    std::vector<std::function<void()>> then{};  // when it is
  };

  [[nodiscard]] Status check(const TunnelOrder& order) const;
  void begin(TunnelOrder order, const Opened& done);
  void ask_device(const Ulid& id, const std::string& device_token, Secret caller_token,
                  const Opened& done);
  void answered(const Ulid& id, Result<PushAnswer> answer, Secret caller_token, const Opened& done);
  void serve_device(Tunnel& tunnel, const SideRequest& request);
  void serve_caller(Tunnel& tunnel, const SideRequest& request);
  void refuse(const SideRequest& request, Error error);
  void end(Tunnel& tunnel, const std::string& reason);
  void ended(Tunnel& tunnel, const std::string& reason);
  void written(const std::string& id);
  void when_written(const Ulid& id, std::function<void()> call);
  [[nodiscard]] Tunnel* find(const Ulid& id);
  [[nodiscard]] static TunnelView view(const Tunnel& tunnel);
  void recheck_proofs();

  SideServer& side_;
  Store& store_;
  const Clock& clock_;
  spdlog::logger& log_;
  const Ask ask_;
  TunnelCounters counters_;
  std::map<std::string, Tunnel, std::less<>> tunnels_;   // by id, hence by age
  std::unordered_map<std::string, std::string> tokens_;  // hash to id
  std::unordered_map<std::string, std::size_t> of_device_;
  std::map<std::string, Ending, std::less<>> ending_;  // by id
  std::shared_ptr<const TlsTrust> trust_;
  MonoTime next_recheck_{};
  bool stopped_ = false;
};

}  // namespace kscpush::server
