#include "agent/status_socket.hpp"

#include <array>
#include <cerrno>

#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/descriptor.hpp"
#include "core/file.hpp"

namespace kscpush::agent {
namespace {

constexpr std::chrono::seconds kPatience{5};
constexpr std::size_t kMostBytes = std::size_t{4} << 20U;

Status check_length(const std::filesystem::path& path) {
  const std::size_t most = sizeof(sockaddr_un::sun_path) - 1;
  if (path.string().size() <= most) return {};
  return fail({ErrorCode::kUsage,
               fmt::format("{} is too long for a socket: at most {} bytes", path.string(), most),
               "choose a state directory with a shorter path"});
}

}  // namespace

struct StatusSocket::Client {
  Client(asio::io_context& loop, asio::local::stream_protocol::socket taken, std::string told)
      : socket(std::move(taken)), timer(loop), text(std::move(told)) {}
  asio::local::stream_protocol::socket socket;
  asio::steady_timer timer;
  const std::string text;
};

StatusSocket::StatusSocket(asio::io_context& loop, std::filesystem::path path,
                           std::function<nlohmann::json()> status)
    : loop_(loop), path_(std::move(path)), status_(std::move(status)), acceptor_(loop) {}

Result<std::unique_ptr<StatusSocket>> StatusSocket::listen(asio::io_context& loop,
                                                           const std::filesystem::path& path,
                                                           std::function<nlohmann::json()> status) {
  if (auto fits = check_length(path); !fits) return fail(fits.error());
  std::unique_ptr<StatusSocket> socket(new StatusSocket(loop, path, std::move(status)));
  ::unlink(path.c_str());  // of a run that was killed; the directory is locked
  asio::error_code error;
  const asio::local::stream_protocol::endpoint here(path.string());
  socket->acceptor_.open(here.protocol(), error);
  if (!error) socket->acceptor_.bind(here, error);
  // Nobody can connect before it listens.
  if (!error && ::chmod(path.c_str(), 0600) != 0) error = {errno, asio::system_category()};
  if (!error) socket->acceptor_.listen(kMostClients, error);
  if (error) return fail(file_error("listen on", path, error.value()));
  socket->accept();
  return socket;
}

StatusSocket::~StatusSocket() {
  stop();
}

void StatusSocket::stop() {
  if (!acceptor_.is_open()) return;
  asio::error_code ignored;
  acceptor_.close(ignored);
  ::unlink(path_.c_str());
}

void StatusSocket::accept() {
  acceptor_.async_accept(
      [this](const asio::error_code& error, asio::local::stream_protocol::socket socket) {
        if (error == asio::error::operation_aborted || !acceptor_.is_open()) return;
        if (!error) serve(std::move(socket));
        if (clients_ < kMostClients) accept();
      });
}

void StatusSocket::serve(asio::local::stream_protocol::socket socket) {
  const std::string text =
      status_().dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
  const auto client = std::make_shared<Client>(loop_, std::move(socket), text);
  ++clients_;
  client->timer.expires_after(kPatience);
  client->timer.async_wait([client](const asio::error_code& error) {
    asio::error_code ignored;
    if (!error) client->socket.close(ignored);
  });
  asio::async_write(client->socket, asio::buffer(client->text),
                    [this, client](const asio::error_code&, std::size_t) {
                      client->timer.cancel();
                      if (clients_-- == kMostClients && acceptor_.is_open()) accept();
                    });
}

Result<nlohmann::json> ask_status(const std::filesystem::path& path) {
  if (auto fits = check_length(path); !fits) return fail(fits.error());
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{kPatience.count(), 0};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
  if (!socket ||
      ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    Error error = file_error("ask the agent at", path, errno);
    if (error.code != ErrorCode::kDenied) {
      error = {ErrorCode::kUnreachable, error.message,
               "does an agent with this state directory run here? systemctl status kscpush-agent"};
    }
    return fail(std::move(error));
  }
  std::string text;
  std::array<char, 16'384> piece{};
  for (;;) {
    const ssize_t count = ::read(socket.get(), piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(ErrorCode::kNoAnswer, "the agent at {} is silent", path.string());
    if (count == 0) break;
    text.append(piece.data(), static_cast<std::size_t>(count));
    if (text.size() > kMostBytes) return fail(ErrorCode::kTooLarge, "the agent says too much");
  }
  auto status = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (status.is_object()) return status;
  return fail(ErrorCode::kFailed, "the answer of the agent at {} was cut short", path.string());
}

}  // namespace kscpush::agent
