#include "server/worker.hpp"

#include <asio/post.hpp>

namespace kscpush::server {
namespace {

// Devices told per turn when they all have to go.
constexpr std::size_t kEndPerTurn = 500;
constexpr std::chrono::milliseconds kEndTick{10};

}  // namespace

bool same_addresses(const site::PushServer& a, const site::PushServer& b) {
  const auto plain = [](const site::PushServer& server) {
    return server.plain_listener ? fmt::format("{}:{}", server.plain_listener->host,
                                               server.plain_listener->port.value())
                                 : std::string();
  };
  return a.enabled == b.enabled && a.listen == b.listen && a.port == b.port && plain(a) == plain(b);
}

Status check_ports_free(const site::PushServer& server) {
  if (auto free = check_port_free(server.listen, server.port); !free) return free;
  const auto& plain = server.plain_listener;
  if (!plain) return {};
  const auto free = check_port_free(plain->host, plain->port);
  if (free) return {};
  Error error = free.error();
  error.hint = "push_server.plain_listener must be a free port of a loopback address";
  return fail(std::move(error));
}

Result<Serving> Worker::prepare(const ServerConfig& config, const TicketKeys& ticket_keys,
                                std::shared_ptr<const ShardSettings> settings, bool relisten) {
  const site::PushServer& server = config.dp.push_server;
  Serving serving{std::move(settings), nullptr, std::nullopt};
  auto tls = TlsContext::create(
      {config.paths.certificate, config.paths.key, config.paths.client_ca}, ticket_keys);
  if (!tls) return fail(tls.error());
  serving.tls = std::move(*tls);
  if (!relisten) return serving;
  serving.listeners.emplace();
  if (!server.enabled) return serving;
  if (auto opened = open_listener(server.listen, server.port, true, serving); !opened) {
    return fail(opened.error());
  }
  if (!server.plain_listener) return serving;
  const auto& plain = *server.plain_listener;
  if (auto opened = open_listener(plain.host, plain.port, false, serving); !opened) {
    return fail(opened.error());
  }
  return serving;
}

Status Worker::open_listener(const std::string& host, Port port, bool secure, Serving& serving) {
  auto listener =
      Listener::open(shard_.loop(), host, port,
                     {[this] { return shard_.may_accept(); },
                      [this, secure](Socket socket) {
                        // The context of the moment: a changed one serves those who come after the
                        // change.
                        shard_.add(LinkPtr(secure ? new TlsLink(std::move(socket), tls_->get())
                                                  : new TcpLink(std::move(socket))));
                      },
                      [this](const std::string& reason) {
                        shard_.counts().accept_failures.add();
                        shard_.context().log.warn("a connection cannot be accepted: {}", reason);
                      }});
  if (!listener) return fail(listener.error());
  serving.listeners->push_back(std::move(*listener));
  return {};
}

void Worker::take_up(Serving serving) {
  tls_ = std::move(serving.tls);
  if (serving.listeners) {
    close_listeners();
    listeners_ = std::move(*serving.listeners);
    for (auto& listener : listeners_) listener->start();
  }
}

void Worker::start(Serving serving, std::function<void()> on_tick) {
  on_tick_ = std::move(on_tick);
  shard_.on_room([this] {
    for (auto& listener : listeners_) listener->resume();
  });
  take_up(std::move(serving));
  keep_time();
  thread_ = std::thread([this] { shard_.loop().run(); });
}

void Worker::change(Serving serving) {
  auto settings = serving.settings;
  take_up(std::move(serving));
  shard_.use(std::move(settings));
}

// What they wait for ends in their own handlers, which run before the posted end of them.
void Worker::close_listeners() {
  for (auto& listener : listeners_) {
    listener->close();
    asio::post(shard_.loop(), [closed = std::move(listener)] {});
  }
  listeners_.clear();
}

void Worker::keep_time() {
  tick_.expires_after(TimerWheel::kTick);
  tick_.async_wait([this](const asio::error_code& error) {
    if (error) return;
    shard_.advance_time();
    on_tick_();
    keep_time();
  });
}

// Paced, so that the last words of each connection are flushed before the next are written.
void Worker::end_connections(mqtt::EndReason reason, MonoTime deadline,
                             std::function<void()> done) {
  const std::size_t left = shard_.end_some(kEndPerTurn, reason);
  if ((left == 0 && shard_.all_told()) || shard_.now() >= deadline) {
    done();
    return;
  }
  if (!pace_) pace_.emplace(shard_.loop());
  pace_->expires_after(kEndTick);
  pace_->async_wait(
      [this, reason, deadline, done = std::move(done)](const asio::error_code& error) mutable {
        if (!error) end_connections(reason, deadline, std::move(done));
      });
}

}  // namespace kscpush::server
