#include "cli/bench/http_client.hpp"

#include <array>
#include <charconv>

namespace kscpush::cli::bench {
namespace {

constexpr std::size_t kLargestAnswer = std::size_t{1} << 20U;

// The header's name as the admin API writes it.
std::size_t content_length(std::string_view head) {
  constexpr std::string_view kName = "Content-Length: ";
  const std::size_t at = head.find(kName);
  std::size_t length = 0;
  if (at != std::string_view::npos) {
    std::from_chars(head.data() + at + kName.size(), head.data() + head.size(), length);
  }
  return length;
}

int status_of(std::string_view head) {
  int status = 0;
  if (head.size() > 12) std::from_chars(head.data() + 9, head.data() + 12, status);
  return status;
}

}  // namespace

HttpClient::HttpClient(Loop& loop, Target target, Secret token, std::size_t connections, Done done)
    : loop_(loop),
      target_(std::move(target)),
      token_(std::move(token)),
      done_(std::move(done)),
      connections_(connections) {
  for (std::size_t n = connections; n > 0; --n) free_.push_back(n - 1);
  loop_.add(*this);
}

HttpClient::~HttpClient() {
  loop_.remove(*this);
}

void HttpClient::request(std::string_view method, const std::string& path, const std::string& body,
                         std::uint64_t tag) {
  const std::size_t n = free_.back();
  free_.pop_back();
  Connection& connection = connections_[n];
  connection.tag = tag;
  connection.answer.clear();
  connection.request = fmt::format(
      "{} {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n"
      "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
      method, path, target_.name, token_.str(), body.size(), body);
  send(n);
}

void HttpClient::send(std::size_t n) {
  Connection& connection = connections_[n];
  if (!connection.channel.is_open()) {
    connection.channel = Channel::open(target_, 0);
    connection.connected = false;
    connection.fresh = true;
    ++connection.generation;
    if (!connection.channel.is_open()) return finish(n, 0, Channel::error());
    const std::uint64_t tag = std::uint64_t{connection.generation} << 32U | n;
    if (!loop_.watch(connection.channel.descriptor(), *this, tag)) {
      return finish(n, 0, "epoll refuses the connection");
    }
    return;  // sent once it is connected
  }
  if (!connection.connected) return;
  if (connection.channel.write(connection.request) != Channel::Io::kDone) lost(n);
}

void HttpClient::on_event(std::uint64_t tag, std::uint32_t /*events*/) {
  const std::size_t n = tag & 0xFFFF'FFFFU;
  Connection& connection = connections_[n];
  if (connection.generation != static_cast<std::uint16_t>(tag >> 32U)) return;
  if (!connection.channel.is_open()) return;
  if (!connection.connected) {
    if (connection.channel.handshake() == Channel::Io::kLost) return lost(n);
    connection.connected = true;
    return send(n);
  }
  read(n);
}

void HttpClient::on_tick(MonoTime /*now*/) {}

void HttpClient::read(std::size_t n) {
  Connection& connection = connections_[n];
  std::array<char, 16 * 1024> space;
  for (;;) {
    std::size_t got = 0;
    const Channel::Io io = connection.channel.read(space, got);
    if (io == Channel::Io::kWait) return;
    if (io == Channel::Io::kLost) return lost(n);
    connection.answer.append(space.data(), got);
    if (connection.answer.size() > kLargestAnswer) return lost(n);
    const std::size_t end = connection.answer.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    const std::string_view head(connection.answer.data(), end);
    if (connection.answer.size() < end + 4 + content_length(head)) continue;
    connection.fresh = false;
    const int status = status_of(head);
    return finish(n, status, std::string(connection.answer, end + 4));
  }
}

void HttpClient::lost(std::size_t n) {
  Connection& connection = connections_[n];
  const std::string reason = Channel::error();
  const bool busy = !connection.request.empty();
  const bool again = busy && !connection.fresh && connection.answer.empty();
  connection.channel.close(/*reset=*/true);
  if (again) return send(n);  // the server closed it just as it was to be used
  if (busy) finish(n, 0, reason);
}

void HttpClient::finish(std::size_t n, int status, const std::string& body) {
  Connection& connection = connections_[n];
  connection.request.clear();
  free_.push_back(n);
  done_(connection.tag, status, body);
}

}  // namespace kscpush::cli::bench
