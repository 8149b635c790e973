#include "agent/tunnels/join.hpp"

#include <array>
#include <utility>

#include <asio/connect.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include "core/error_json.hpp"
#include "core/port_protocols.hpp"

namespace kscpush::agent {
namespace {

constexpr std::size_t kLongestVerdict = 4096;  // bytes

Error unreachable(const Endpoint& target, const std::string& why) {
  return {ErrorCode::kUnreachable, fmt::format("cannot connect to {}: {}", to_string(target), why),
          ""};
}

Error too_late(const Endpoint& target) {
  return {ErrorCode::kNoAnswer, fmt::format("{} does not answer in time", to_string(target)), ""};
}

Error cancelled() {
  return {ErrorCode::kFailed, "it is stopping", ""};
}

class Connecting : public std::enable_shared_from_this<Connecting> {
 public:
  Connecting(asio::io_context& loop, Endpoint target, Connected done)
      : target_(std::move(target)),
        resolver_(loop),
        socket_(loop),
        timer_(loop),
        done_(std::move(done)) {}

  void start() {
    timer_.expires_after(kJoinWithin);
    timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error) self->finish(fail(too_late(self->target_)));
    });
    resolver_.async_resolve(
        target_.host, std::to_string(target_.port.value()),
        [self = shared_from_this()](const asio::error_code& error, const auto& addresses) {
          if (error) return self->finish(fail(unreachable(self->target_, error.message())));
          self->connect(addresses);
        });
  }

  void cancel() { finish(fail(cancelled())); }

 private:
  void connect(const asio::ip::tcp::resolver::results_type& addresses) {
    if (done_ == nullptr) return;
    asio::async_connect(socket_, addresses,
                        [self = shared_from_this()](const asio::error_code& error, const auto&) {
                          self->connected(error);
                        });
  }

  void connected(asio::error_code error) {
    if (done_ == nullptr) return;
    if (error) return finish(fail(unreachable(target_, error.message())));
    socket_.set_option(asio::ip::tcp::no_delay(true), error);
    finish(Descriptor(socket_.release(error)));
  }

  void finish(Result<Descriptor> result) {
    if (done_ == nullptr) return;
    timer_.cancel();
    resolver_.cancel();
    asio::error_code ignored;
    socket_.close(ignored);
    std::exchange(done_, nullptr)(std::move(result));
  }

  const Endpoint target_;
  asio::ip::tcp::resolver resolver_;
  asio::ip::tcp::socket socket_;
  asio::steady_timer timer_;
  Connected done_;
};

class Joining : public std::enable_shared_from_this<Joining> {
 public:
  Joining(asio::io_context& loop, Endpoint server, std::shared_ptr<asio::ssl::context> tls,
          std::string token, Joined done)
      : loop_(loop),
        server_(std::move(server)),
        tls_(std::move(tls)),
        token_(std::move(token) + "\n"),
        timer_(loop),
        done_(std::move(done)) {}

  void start() {
    cancel_connect_ =
        connect_tcp(loop_, server_, [self = shared_from_this()](Result<Descriptor> socket) {
          if (!socket) return self->finish(socket.error());
          self->begin(std::move(*socket));
        });
  }

  void cancel() {
    cancel_connect_();
    finish(cancelled());
  }

 private:
  void begin(Descriptor socket) {
    stream_ = std::make_unique<TlsStream>(loop_, std::move(socket), tls_->native_handle(),
                                          server_.host, kTunnelProtocol);
    timer_.expires_after(kJoinWithin);
    timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error) self->finish(too_late(self->server_));
    });
    go_on();
  }

  void go_on() {
    if (done_ == nullptr) return;
    const IoResult result = step();
    if (result.kind == IoResult::Kind::kWantRead) {
      stream_->wait_readable([self = shared_from_this()] { self->go_on(); });
    } else if (result.kind == IoResult::Kind::kWantWrite) {
      stream_->wait_writable([self = shared_from_this()] { self->go_on(); });
    } else if (result.kind == IoResult::Kind::kEnd) {
      finish(unreachable(server_, "it has closed the connection"));
    } else if (result.kind != IoResult::Kind::kBytes) {
      finish(unreachable(server_, stream_->last_error()));
    }
  }

  // kBytes: the end, of whatever kind.
  IoResult step() {
    if (!secured_) {
      if (const IoResult made = stream_->handshake(); made.kind != IoResult::Kind::kBytes) {
        return made;
      }
      secured_ = true;
    }
    while (!token_.empty()) {
      const IoResult wrote = stream_->write(token_);
      if (wrote.kind != IoResult::Kind::kBytes) return wrote;
      token_.erase(0, wrote.bytes);
    }
    // One at a time: what comes behind the line is the other side's already.
    for (;;) {
      std::array<char, 1> byte{};
      const IoResult got = stream_->read(byte);
      if (got.kind != IoResult::Kind::kBytes) return got;
      if (byte[0] == '\n' || verdict_.size() == kLongestVerdict) break;
      verdict_.push_back(byte[0]);
    }
    judge();
    return {IoResult::Kind::kBytes, 0};
  }

  void judge() {
    const auto verdict = nlohmann::json::parse(verdict_, nullptr, /*allow_exceptions=*/false);
    if (!verdict.is_object()) {
      return finish(
          Error{ErrorCode::kFailed,
                fmt::format("{} does not speak as a push server does", to_string(server_)), ""});
    }
    if (verdict.value("ok", nlohmann::json()) == true) return finish(std::nullopt);
    finish(error_from_json(verdict));
  }

  void finish(const std::optional<Error>& error) {
    if (done_ == nullptr) return;
    timer_.cancel();
    const auto done = std::exchange(done_, nullptr);
    if (!error) return done(std::move(stream_));
    stream_.reset();
    done(fail(*error));
  }

  asio::io_context& loop_;
  const Endpoint server_;
  const std::shared_ptr<asio::ssl::context> tls_;
  std::string token_;  // what is left to be sent
  asio::steady_timer timer_;
  Cancel cancel_connect_;
  Joined done_;
  std::unique_ptr<TlsStream> stream_;
  std::string verdict_;
  bool secured_ = false;
};

}  // namespace

namespace {

template <class Attempt>
Cancel start(const std::shared_ptr<Attempt>& attempt) {
  attempt->start();
  return [weak = std::weak_ptr<Attempt>(attempt)] {
    if (const auto going_on = weak.lock()) going_on->cancel();
  };
}

}  // namespace

Cancel connect_tcp(asio::io_context& loop, const Endpoint& target, Connected done) {
  return start(std::make_shared<Connecting>(loop, target, std::move(done)));
}

Cancel join_tunnel(asio::io_context& loop, const Endpoint& server,
                   std::shared_ptr<asio::ssl::context> tls, std::string token, Joined done) {
  return start(
      std::make_shared<Joining>(loop, server, std::move(tls), std::move(token), std::move(done)));
}

}  // namespace kscpush::agent
