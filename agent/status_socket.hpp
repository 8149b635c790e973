// The socket by which `kscpush agent status` asks an agent on the same device: whoever connects is
// told all at once, as JSON, and the connection ends. Only the agent's own user may connect.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <nlohmann/json.hpp>

#include "core/result.hpp"

namespace kscpush::agent {

inline constexpr std::string_view kStatusSocket = "agent.sock";

class StatusSocket {
 public:
  static constexpr int kMostClients = 8;  // at a time; more wait

  // PATH may be that of a socket that nobody listens on any more. kUsage: too long for a socket.
  [[nodiscard]] static Result<std::unique_ptr<StatusSocket>> listen(
      asio::io_context& loop, const std::filesystem::path& path,
      std::function<nlohmann::json()> status);
  ~StatusSocket();
  StatusSocket(const StatusSocket&) = delete;
  StatusSocket& operator=(const StatusSocket&) = delete;
  void stop();

 private:
  struct Client;
  StatusSocket(asio::io_context& loop, std::filesystem::path path,
               std::function<nlohmann::json()> status);
  void accept();
  void serve(asio::local::stream_protocol::socket socket);

  asio::io_context& loop_;
  const std::filesystem::path path_;
  const std::function<nlohmann::json()> status_;
  asio::local::stream_protocol::acceptor acceptor_;
  int clients_ = 0;
};

// kUnreachable: no agent listens there. Waits at most five seconds.
[[nodiscard]] Result<nlohmann::json> ask_status(const std::filesystem::path& path);

}  // namespace kscpush::agent
