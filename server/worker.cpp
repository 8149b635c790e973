#include "server/worker.hpp"

#include "server/net/tls_link.hpp"

namespace kscpush::server {
namespace {

// Devices told per turn when they all have to go.
constexpr std::size_t kEndPerTurn = 500;
constexpr std::chrono::milliseconds kEndTick{10};
constexpr Duration kDrainTick = std::chrono::milliseconds(100);

constexpr std::size_t kSecure = 0;  // of Addresses

}  // namespace

Addresses addresses_of(const site::PushServer& server) {
  if (!server.enabled) return {};
  return {site::ListenAddress{server.listen, server.port}, server.plain_listener};
}

Status check_ports_free(const Addresses& wanted, const Addresses& present,
                        const systemd::PassedSockets* passed) {
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i] || wanted[i] == present[i]) continue;
    if (passed != nullptr && passed->find(*wanted[i])) continue;
    const auto free = check_port_free(wanted[i]->host, wanted[i]->port);
    if (free) continue;
    Error error = free.error();
    if (i != kSecure) {
      error.hint = "push_server.plain_listener must be a free port of a loopback address";
    }
    return fail(std::move(error));
  }
  return {};
}

Result<Serving> Worker::prepare(const ServerConfig& config, const TlsShared& tls,
                                std::shared_ptr<const ShardSettings> settings,
                                const Addresses& present) {
  auto context =
      TlsContext::create({config.paths.certificate, config.paths.key, config.paths.client_ca}, tls);
  if (!context) return fail(context.error());
  Serving serving{std::move(settings), std::move(*context), tls.trust,
                  addresses_of(config.dp.push_server)};
  for (std::size_t i = 0; i < serving.addresses.size(); ++i) {
    const auto& address = serving.addresses[i];
    if (!address || address == present[i]) continue;
    auto listener = listen(*address, i == kSecure, config.passed.get());
    if (!listener) return fail(listener.error());
    serving.listeners[i] = std::move(*listener);
  }
  return serving;
}

Result<std::unique_ptr<Listener>> Worker::listen(const site::ListenAddress& address, bool secure,
                                                 const systemd::PassedSockets* passed) {
  ListenerActions actions{
      [this] { return shard_.may_accept(); },
      [this, secure](Descriptor socket) {
        // The context of the moment: a changed one serves those who come after the change.
        shard_.add(LinkPtr(secure ? new TlsLink(std::move(socket), shard_.loop(), tls_->get())
                                  : new TcpLink(std::move(socket), shard_.loop())));
      },
      [this](const std::string& reason) {
        shard_.counts().accept_failures.add();
        shard_.warnings().warn("a connection cannot be accepted: {}", reason);
      }};
  if (passed != nullptr) {
    if (auto socket = passed->find(address)) {
      return Listener::adopt(shard_.loop(), std::move(*socket), std::move(actions));
    }
  }
  return Listener::open(shard_.loop(), address.host, address.port, std::move(actions));
}

void Worker::take_up(Serving serving) {
  shard_.use(std::move(serving.trust));
  tls_ = std::move(serving.tls);
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    if (serving.addresses[i] == addresses_[i]) continue;
    close_listener(i);
    listeners_[i] = std::move(serving.listeners[i]);
    if (listeners_[i]) listeners_[i]->start();
  }
  addresses_ = std::move(serving.addresses);
}

void Worker::start(Serving serving, std::function<void()> on_tick) {
  on_tick_ = std::move(on_tick);
  shard_.on_room([this] {
    for (auto& listener : listeners_) {
      if (listener) listener->resume();
    }
  });
  take_up(std::move(serving));
  keep_time();
  thread_ = std::thread([this] { shard_.loop().run(); });
  ::pthread_setname_np(thread_.native_handle(), "shard");  // as top -H and 'bench --pid' show it
}

void Worker::change(Serving serving) {
  auto settings = serving.settings;
  take_up(std::move(serving));
  shard_.use(std::move(settings));
}

void Worker::close_listeners() {
  for (std::size_t i = 0; i < listeners_.size(); ++i) close_listener(i);
}

// What it waits for ends in its own handlers, which run before the posted end of it.
void Worker::close_listener(std::size_t index) {
  if (!listeners_[index]) return;
  listeners_[index]->close();
  shard_.loop().post([closed = std::move(listeners_[index])] {});
}

void Worker::keep_time() {
  tick_.set(TimerWheel::kTick, [this] {
    shard_.advance_time();
    on_tick_();
    keep_time();
  });
}

// Evenly, so that the others do not get all devices at once.
void Worker::drain(MonoTime deadline) {
  const std::size_t active = shard_.send_some_elsewhere(0);
  const auto left = std::max<Duration>(deadline - shard_.now(), kDrainTick);
  const auto ticks = static_cast<std::size_t>(left / kDrainTick);
  if (shard_.send_some_elsewhere((active + ticks - 1) / ticks) == 0) return;
  pace_.set(kDrainTick, [this, deadline] { drain(deadline); });
}

void Worker::keep_connections() {
  pace_.cancel();
}

// Paced, so that the last words of each connection are flushed before the next are written.
void Worker::end_connections(mqtt::EndReason reason, MonoTime deadline,
                             std::function<void()> done) {
  const std::size_t left = shard_.end_some(kEndPerTurn, reason);
  if ((left == 0 && shard_.all_told()) || shard_.now() >= deadline) {
    done();
    return;
  }
  pace_.set(kEndTick, [this, reason, deadline, done = std::move(done)] {
    end_connections(reason, deadline, done);
  });
}

}  // namespace kscpush::server
