// The operator's side of tunnels: each connection gets a tunnel of its own from the admin API, so
// that none waits for another.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/signal_set.hpp>
#include <asio/ssl/context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>

#include "agent/tunnels/join.hpp"
#include "agent/tunnels/relay.hpp"
#include "cli/context.hpp"
#include "cli/support/api_client.hpp"
#include "cli/support/progress.hpp"

namespace kscpush::cli {

struct TunnelTarget {
  std::string device;
  agent::Endpoint target;  // as the device knows it
  nlohmann::json limits = nlohmann::json::object();
};

// A server of the site, and what a client needs of its files.
struct TunnelApi {
  ApiClient api;
  std::filesystem::path authority;
};

class Forwarding {
 public:
  static constexpr std::size_t kMost = 4000;  // connections at the same time; more wait

  Forwarding(TunnelApi api, TunnelTarget target, Context& context);
  ~Forwarding();

  // Standard input and output as one connection; until it has ended.
  [[nodiscard]] Status run_stdio();
  // Connections to 127.0.0.1:PORT, 0 for a free one; until SIGINT or SIGTERM.
  [[nodiscard]] Status run_local(std::uint16_t port);

 private:
  using Ended = std::function<void(const Status&)>;

  [[nodiscard]] Result<nlohmann::json> ask() const;
  // Until ENDED, on the loop.
  void carry(std::unique_ptr<agent::Stream> near, Ended ended);
  void join(const nlohmann::json& opened, std::unique_ptr<agent::Stream> near, Ended ended);
  void over(const std::string& id, const agent::RelayEnd& end, const Ended& ended);
  void accept();
  void accepted(asio::ip::tcp::socket socket);
  void show_progress(Progress& progress);
  void await_signal(asio::signal_set& signals);
  void stop();

  const TunnelApi api_;
  const TunnelTarget target_;
  Context& context_;
  asio::io_context loop_{1};
  asio::thread_pool requests_{8};  // of the admin API, which wait for the device
  std::shared_ptr<asio::ssl::context> tls_;
  asio::ip::tcp::acceptor acceptor_{loop_};
  asio::steady_timer progress_{loop_};
  std::map<std::string, std::shared_ptr<agent::Relay>> open_;  // by id
  std::size_t under_way_ = 0;                                  // those open or about to be
  std::uint64_t connections_ = 0;                              // that were open
  std::uint64_t to_device_ = 0;                                // bytes, of those that have ended
  std::uint64_t from_device_ = 0;
  bool accepting_ = false;
  bool stopped_ = false;
};

}  // namespace kscpush::cli
