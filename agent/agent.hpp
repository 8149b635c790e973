// The reference device: holds the connection to a push server, comes back when it is lost, answers
// what it is asked.
//
//   connect  TCP, TLS with the device's certificate, CONNECT; each step within a deadline
//   ready    subscribed; pushes are handled and answered under up/result
//   lost     the next server of the list, after a wait with full jitter
//   left     when it is told to leave_for() a time: then the first of the list again
//   held     while hold_off() says so there is no attempt
//   stop     DISCONNECT, for which there is a bounded time
//
// One thread: that of the io_context.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ssl.hpp>
#include <asio/steady_timer.hpp>
#include <spdlog/logger.h>

#include "agent/backoff.hpp"
#include "agent/endpoint.hpp"
#include "agent/presence.hpp"
#include "agent/push_runner.hpp"
#include "agent/uplink.hpp"
#include "core/clock.hpp"
#include "core/ids.hpp"
#include "core/mqtt/client_session.hpp"
#include "core/result.hpp"

namespace kscpush::agent {

struct AgentOptions {
  DeviceId id;
  std::vector<Endpoint> servers;  // tried in this order; at least one
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::filesystem::path authority;  // by which the server is known
  BackoffLimits backoff{};
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(15);  // TCP and TLS
  // For the last bytes of a connection, after which it is closed.
  std::chrono::milliseconds goodbye_timeout = std::chrono::seconds(2);
  // How long the server may take to acknowledge what is queued for it before the device leaves.
  std::chrono::milliseconds leave_timeout = std::chrono::seconds(10);
  std::uint16_t keep_alive_s = 60;
};

// How the connection stands, for who asks on the device.
struct ConnectionStatus {
  enum class State : std::uint8_t { kConnecting, kConnected, kWaiting, kStopped };
  State state = State::kWaiting;
  std::string server;          // the one that is meant
  WallTime since{};            // of the state
  std::string last_failure{};  // why the last attempt or connection ended; empty: none has
};
[[nodiscard]] std::string_view to_string(ConnectionStatus::State state);

class Agent final : public Uplink, public Presence, private mqtt::ClientActions {
 public:
  // kInvalidConfig: certificate, key or authority cannot be used. RUNNER gets the pushes.
  [[nodiscard]] static Result<std::unique_ptr<Agent>> create(asio::io_context& loop,
                                                             AgentOptions options,
                                                             PushRunner& runner, const Clock& clock,
                                                             spdlog::logger& log);
  void start();
  // Says goodbye if there is a connection; the io_context then runs out of work, within
  // goodbye_timeout whatever the server does.
  void stop();
  // Certificate, key and authority are read again, for the next connection; the one that is there
  // stays. After an error all is as it was.
  [[nodiscard]] Status use_files();
  [[nodiscard]] Status publish(mqtt::UpTopic topic, std::string payload) override;
  void use_servers(const std::vector<Endpoint>& servers) override;
  [[nodiscard]] const std::vector<Endpoint>& servers() const { return servers_; }
  void leave_for(std::chrono::milliseconds away) override;
  void stay() override;
  [[nodiscard]] const Endpoint& server() const override { return server_; }
  // Asked before each attempt how long it has to wait; 0: not at all. Asked again after a while,
  // as the clock of the device may be set, and the device sleep.
  void hold_off(std::function<std::chrono::milliseconds()> closed_for) {
    closed_for_ = std::move(closed_for);
  }
  // Called each time that the server can be spoken to.
  void when_connected(std::function<void()> call) { when_connected_ = std::move(call); }
  [[nodiscard]] const ConnectionStatus& status() const { return status_; }

 private:
  using Stream = asio::ssl::stream<asio::ip::tcp::socket>;

  Agent(asio::io_context& loop, AgentOptions options, PushRunner& runner, const Clock& clock,
        spdlog::logger& log);

  void connect_when_allowed();
  void connect();
  void connect_tcp(const asio::ip::tcp::resolver::results_type& addresses);
  void handshake();
  void connected();
  void read();
  void flush();
  void keep_time();
  void end_within(std::chrono::milliseconds time);
  void attempt_failed(const std::string& what, const std::string& why);
  void close();
  void schedule_next();
  void now_is(ConnectionStatus::State state);
  void leave_if_told();
  void leave();
  [[nodiscard]] mqtt::ClientSession::Publishing send(mqtt::UpTopic topic, std::string payload,
                                                     std::uint64_t token);
  [[nodiscard]] Sending send_answer(const PushAnswer& answer, std::uint64_t token);

  std::string& output() override { return queued_; }
  void on_ready(bool session_present) override;
  void on_push(const mqtt::IncomingPush& push) override;
  void on_published(std::uint64_t token, mqtt::ReasonCode code) override;
  void on_end(const mqtt::ClientEnded& ended) override;

  // Callbacks of an attempt that is over must do nothing: each checks that its number still counts.
  [[nodiscard]] bool current(std::uint64_t attempt) const { return attempt == attempt_; }

  asio::io_context& loop_;
  const AgentOptions options_;
  PushRunner& runner_;
  const Clock& clock_;
  spdlog::logger& log_;
  asio::ssl::context tls_;
  asio::ip::tcp::resolver resolver_;
  asio::steady_timer timer_;  // of the attempt: connect timeout, keep alive, goodbye
  asio::steady_timer retry_;  // until the next attempt; while connected, until it leaves anyway
  mqtt::ClientSession session_;
  Backoff backoff_;
  std::function<void()> when_connected_;
  std::function<std::chrono::milliseconds()> closed_for_;
  ConnectionStatus status_;
  std::shared_ptr<Stream> stream_;  // shared with the operations under way on it
  std::uint64_t attempt_ = 0;
  std::vector<Endpoint> servers_;
  std::size_t next_server_ = 0;
  Endpoint server_;  // of the attempt, or of the next
  // Set: leaves when nothing is queued for the server any more.
  std::optional<std::chrono::milliseconds> away_;
  bool left_ = false;  // on purpose: back when away_ is over
  bool held_ = false;  // by closed_for_
  std::array<char, 16UL * 1024> incoming_{};
  std::string unparsed_;  // the start of a packet
  std::string queued_;    // to be written next
  std::string writing_;   // being written
  bool stopping_ = false;
  bool ended_ = false;  // close when all is written
};

}  // namespace kscpush::agent
