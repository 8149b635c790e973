// Many devices in one thread: they connect, subscribe, answer, and come back when they are cut.
//
//   idle -> connecting (TCP, TLS) -> CONNECT sent -> SUBSCRIBE sent -> ready
//   any of them -> waiting, when the connection is lost -> connecting
//
// A device holds a descriptor, OpenSSL's object and some 80 bytes; nothing is buffered. A device
// that is lost comes back by itself, with full-jitter backoff. Connections that are being made are
// bounded in number and in rate; an attempt that takes longer than its deadline counts as lost.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <queue>
#include <random>

#include "cli/bench/loop.hpp"
#include "cli/bench/tls_client.hpp"
#include "core/mqtt/codec.hpp"

namespace kscpush::cli::bench {

struct FleetOptions {
  Target target;
  std::size_t devices = 1000;
  std::size_t first = 1;          // number of the first device
  std::string prefix = "bench-";  // the id of a device is this and six digits or more
  std::string topic;              // that a device subscribes to; {id} stands for its id
  mqtt::Version version = mqtt::Version::kV5;
  std::string username;  // {id} likewise; empty: none
  std::string password;
  std::uint16_t keep_alive_s = 600;
  std::size_t in_flight = 64;  // connections that are being made
  double rate = 0;             // connections begun a second; 0: as the others allow
  bool resume = false;         // offer the ticket of the last connection
  Duration attempt_timeout = std::chrono::seconds(60);
};

class Fleet final : public LoopHandler {
 public:
  // TLS null: plain. Both must outlive the fleet.
  Fleet(Loop& loop, FleetOptions options, const TlsClient* tls);
  ~Fleet() override;

  // All that are not connected begin to, in their order, with at most IN_FLIGHT under way and RATE
  // a second (0: no limit).
  void connect(std::size_t in_flight, double rate);
  // The same bounds for those that come back by themselves.
  void limit(std::size_t in_flight, double rate);
  // Resets every connection, without a word to the server.
  void cut();
  // Sends DISCONNECT to all and closes.
  void leave();

  // Calls RECEIVED with the device's index (from 0) for each PUBLISH that it gets.
  void on_push(std::function<void(std::size_t)> received) { received_ = std::move(received); }

  [[nodiscard]] std::size_t size() const { return devices_.size(); }
  [[nodiscard]] std::size_t ready() const { return ready_; }
  [[nodiscard]] bool is_ready(std::size_t n) const { return devices_[n].phase == Phase::kReady; }
  [[nodiscard]] std::string id(std::size_t n) const;
  // Milliseconds that each device took to be ready, since its first attempt after connect() or
  // since it lost its connection, in the order in which they were.
  [[nodiscard]] std::vector<float>& took() { return took_; }
  // Connections that were lost or refused, ready ones among them, by the reason.
  [[nodiscard]] const std::map<std::string, std::size_t>& losses() const { return losses_; }
  [[nodiscard]] std::size_t ready_lost() const { return ready_lost_; }  // of these the ready ones
  [[nodiscard]] std::size_t resumed() const { return resumed_; }
  void forget_figures();

  void on_event(std::uint64_t tag, std::uint32_t events) override;
  void on_tick(MonoTime now) override;

 private:
  enum class Phase : std::uint8_t { kIdle, kConnecting, kConnack, kSuback, kReady, kWaiting };
  struct Device {
    Channel channel;
    Phase phase = Phase::kIdle;
    std::uint8_t attempts = 0;          // lost in a row
    std::uint16_t generation = 0;       // of the channel, so that late events are told apart
    std::unique_ptr<std::string> rest;  // of a packet that came in parts
    TlsSession session;
    MonoTime begun{};  // to come (back): the first attempt, or the loss
  };
  struct Attempt {
    MonoTime begun;
    std::uint32_t n;
    std::uint16_t generation;
  };
  struct Retry {
    MonoTime due;
    std::uint32_t n;
    bool operator>(const Retry& other) const { return due > other.due; }
  };

  void begin_some(MonoTime now);
  void begin(std::uint32_t n, MonoTime now);
  void established(std::uint32_t n);
  void read(std::uint32_t n);
  // Handles whole packets; how many bytes, or npos when the connection must end.
  std::size_t take(std::uint32_t n, std::string_view bytes);
  [[nodiscard]] bool handle(std::uint32_t n, const mqtt::Frame& frame);
  [[nodiscard]] bool handle_connack(std::uint32_t n, const mqtt::Frame& frame);
  [[nodiscard]] bool handle_suback(std::uint32_t n, const mqtt::Frame& frame);
  [[nodiscard]] bool handle_publish(std::uint32_t n, const mqtt::Frame& frame);
  [[nodiscard]] bool send_out(std::uint32_t n);
  void lost(std::uint32_t n, const std::string& reason);
  void expire(MonoTime now);
  void ping_some(MonoTime now);
  [[nodiscard]] std::string expand(const std::string& pattern, std::size_t n) const;

  // Constant.
  Loop& loop_;
  const FleetOptions options_;
  const TlsClient* const tls_;

  std::vector<Device> devices_;
  std::deque<std::uint32_t> waiting_;  // to be begun, in this order
  std::deque<Attempt> attempts_;       // under way, oldest first; some are over
  std::priority_queue<Retry, std::vector<Retry>, std::greater<>> retries_;
  std::size_t in_flight_limit_ = 0;
  double rate_ = 0;
  double allowance_ = 0;  // connections that the rate has room for now
  MonoTime last_tick_{};
  std::size_t connecting_ = 0;
  std::size_t ready_ = 0;
  std::size_t ping_cursor_ = 0;
  double pings_due_ = 0;
  std::minstd_rand random_{1};
  std::array<char, 64UL * 1024> scratch_{};
  std::string out_;

  std::function<void(std::size_t)> received_;
  std::vector<float> took_;
  std::map<std::string, std::size_t> losses_;
  std::size_t ready_lost_ = 0;
  std::size_t resumed_ = 0;
};

}  // namespace kscpush::cli::bench
