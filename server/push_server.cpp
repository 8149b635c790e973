#include "server/push_server.hpp"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <shared_mutex>
#include <thread>

#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include "core/file.hpp"
#include "core/pki.hpp"
#include "server/net/listener.hpp"
#include "server/net/tls.hpp"

namespace kscpush::server {
namespace {

// Devices told per turn when the server stops, and how long that may take in all.
constexpr std::size_t kEndPerTurn = 500;
constexpr std::chrono::milliseconds kStopTick{10};
constexpr std::chrono::seconds kStopWithin{3};
constexpr std::chrono::minutes kExpireEvery{1};

// A shard with what only its thread touches.
struct Worker {
  Worker(Shard& own_shard, std::unique_ptr<TlsContext> context)
      : shard(own_shard), tls(std::move(context)), tick(own_shard.loop()) {}

  Shard& shard;
  std::unique_ptr<TlsContext> tls;
  std::vector<std::unique_ptr<Listener>> listeners;
  asio::steady_timer tick;
  std::thread thread;
};

}  // namespace

class PushServer::Impl {
 public:
  Impl(ServerConfig config, const Clock& clock, spdlog::logger& log, std::unique_ptr<Store> store)
      : config_(std::move(config)),
        clock_(clock),
        log_(log),
        store_(std::move(store)),
        context_{config_.dp, mqtt_limits(config_.dp.push_server.limits),
                 *store_,    clock,
                 log,        ConnectionBudget(config_.dp.push_server.max_connections),
                 {}},
        started_(clock.wall()) {}

  ~Impl() { stop(); }

  Status start() {
    const site::PushServer& server = config_.dp.push_server;
    std::size_t count = server.limits.shards;
    if (count == 0) count = std::max(1U, std::thread::hardware_concurrency());
    for (std::size_t i = 0; i < count; ++i) {
      context_.shards.push_back(std::make_unique<Shard>(i, context_));
    }
    if (auto opened = open_listeners(); !opened) return opened;
    for (auto& worker : workers_) run(*worker);
    ready_ = true;
    log_.info("push server of '{}' on {}:{}, {} shards, up to {} connections", config_.dp.name,
              server.listen, server.port.value(), count, server.max_connections);
    return {};
  }

  void stop() {
    {
      const std::unique_lock lock(gate_);
      if (!ready_.exchange(false)) return;
    }
    log_.info("stopping: {} devices connected", connected());
    for (auto& worker : workers_) {
      asio::post(worker->shard.loop(), [this, w = worker.get()] {
        for (auto& listener : w->listeners) listener->close();
        end_connections(*w, clock_.now() + kStopWithin);
      });
    }
    for (auto& worker : workers_) worker->thread.join();
    // What the loops and the writer still hold is answered now; the listeners' last handlers run
    // in it too, so they go afterwards. The shards stay: their counters may still be asked for.
    for (auto& shard : context_.shards) shard->close();
    store_->drain();
    workers_.clear();
    log_.info("stopped");
  }

  [[nodiscard]] Shard& home(const DeviceId& id) {
    return *context_.shards[home_shard(id.str(), context_.shards.size())];
  }

  [[nodiscard]] std::uint64_t connected() const {
    return std::accumulate(context_.shards.begin(), context_.shards.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const std::unique_ptr<Shard>& shard) {
                             return sum + shard->counters().connected.get();
                           });
  }

  // Calls TASK, which hands work to the loops or the store, unless the server is stopping: what is
  // handed over before stop() began will be answered.
  template <class Task>
  bool unless_stopping(Task&& task) {
    const std::shared_lock lock(gate_);
    if (!ready_) return false;
    std::forward<Task>(task)();
    return true;
  }

  // Runs on the home shard, as long as there is one to run it.
  template <class Task>
  bool post(const DeviceId& id, Task task) {
    return unless_stopping([&] { asio::post(home(id).loop(), std::move(task)); });
  }

  ServerConfig config_;
  const Clock& clock_;
  spdlog::logger& log_;
  std::unique_ptr<Store> store_;
  ShardContext context_;
  const WallTime started_;
  std::shared_mutex gate_;          // stop() takes it alone
  std::atomic<bool> ready_{false};  // changed under gate_
  std::vector<std::unique_ptr<Worker>> workers_;

 private:
  Status open_listeners() {
    const site::PushServer& server = config_.dp.push_server;
    if (auto free = check_port_free(server.listen, server.port); !free) return free;
    if (auto free = check_plain_port_free(); !free) return free;
    const TicketKeys ticket_keys = TicketKeys::generate();
    for (auto& shard : context_.shards) {
      auto tls = TlsContext::create(
          {config_.paths.certificate, config_.paths.key, config_.paths.client_ca}, ticket_keys);
      if (!tls) return fail(tls.error());
      workers_.push_back(std::make_unique<Worker>(*shard, std::move(*tls)));
      Worker& worker = *workers_.back();
      if (auto listening = listen(worker, server.listen, server.port, true); !listening) {
        return listening;
      }
      if (!server.plain_listener) continue;
      const auto& plain = *server.plain_listener;
      if (auto listening = listen(worker, plain.host, plain.port, false); !listening) {
        return listening;
      }
    }
    return {};
  }

  [[nodiscard]] Status check_plain_port_free() const {
    const auto& plain = config_.dp.push_server.plain_listener;
    if (!plain) return {};
    const auto free = check_port_free(plain->host, plain->port);
    if (free) return {};
    Error error = free.error();
    error.hint = "push_server.plain_listener must be a free port of a loopback address";
    return fail(std::move(error));
  }

  Status listen(Worker& worker, const std::string& host, Port port, bool secure) {
    Shard& shard = worker.shard;
    SSL_CTX* tls = secure ? worker.tls->get() : nullptr;
    auto listener =
        Listener::open(shard.loop(), host, port,
                       {[&shard] { return shard.may_accept(); },
                        [&shard, tls](Socket socket) {
                          shard.add(LinkPtr(tls == nullptr ? new TcpLink(std::move(socket))
                                                           : new TlsLink(std::move(socket), tls)));
                        },
                        [&shard, this](const std::string& reason) {
                          shard.counts().accept_failures.add();
                          log_.warn("a connection cannot be accepted: {}", reason);
                        }});
    if (!listener) return fail(listener.error());
    worker.listeners.push_back(std::move(*listener));
    return {};
  }

  void run(Worker& worker) {
    worker.shard.on_room([&worker] {
      for (auto& listener : worker.listeners) listener->resume();
    });
    for (auto& listener : worker.listeners) listener->start();
    keep_time(worker);
    worker.thread = std::thread([&worker] { worker.shard.loop().run(); });
  }

  void keep_time(Worker& worker) {
    worker.tick.expires_after(TimerWheel::kTick);
    worker.tick.async_wait([this, &worker](const asio::error_code& error) {
      if (error) return;
      worker.shard.advance_time();
      if (&worker == workers_.front().get() && clock_.now() >= next_expire_) {
        next_expire_ = clock_.now() + kExpireEvery;
        store_->expire(clock_.wall());
      }
      keep_time(worker);
    });
  }

  // Paced, so that the last words of each connection are flushed before the next are written.
  void end_connections(Worker& worker, MonoTime deadline) {
    const std::size_t left = worker.shard.end_some(kEndPerTurn, mqtt::EndReason::kServerShutdown);
    const bool flushed = left == 0 && worker.shard.all_told();
    if (flushed || clock_.now() >= deadline) {
      worker.shard.loop().stop();
      return;
    }
    worker.tick.expires_after(kStopTick);
    worker.tick.async_wait([this, &worker, deadline](const asio::error_code& error) {
      if (!error) end_connections(worker, deadline);
    });
  }

  MonoTime next_expire_{};  // first shard's thread
};

PushServer::PushServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PushServer::~PushServer() = default;

Result<std::unique_ptr<PushServer>> PushServer::start(ServerConfig config, const Clock& clock,
                                                      spdlog::logger& log) {
  const site::DistributionPoint& dp = config.dp;
  if (!dp.push_server.enabled) {
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("the push server of distribution point '{}' is off", dp.name),
                 fmt::format("switch it on with: kscpush dp enable {} --port {}", dp.name,
                             dp.push_server.port.value())});
  }
  StoreLimits limits;
  limits.pending_per_device = dp.push_server.limits.pending_per_device;
  auto store = Store::open(config.paths.state_directory, clock, limits);
  if (!store) return fail(store.error());
  auto impl = std::make_unique<Impl>(std::move(config), clock, log, std::move(*store));
  if (auto started = impl->start(); !started) return fail(started.error());
  return std::unique_ptr<PushServer>(new PushServer(std::move(impl)));
}

void PushServer::stop() {
  impl_->stop();
}
Store& PushServer::store() {
  return *impl_->store_;
}
const ServerConfig& PushServer::config() const {
  return impl_->config_;
}
const Clock& PushServer::clock() const {
  return impl_->clock_;
}
WallTime PushServer::started() const {
  return impl_->started_;
}
bool PushServer::ready() const {
  return impl_->ready_;
}
std::uint64_t PushServer::connected() const {
  return impl_->connected();
}

std::vector<const Counters*> PushServer::counters() const {
  std::vector<const Counters*> all;
  for (const auto& shard : impl_->context_.shards) all.push_back(&shard->counters());
  return all;
}

namespace {

Error stopping() {
  return Error{ErrorCode::kUnreachable, "the push server is stopping", "try again when it is back"};
}

Result<DeviceRecord> registered(Store& store, const DeviceId& id) {
  auto found = store.find_device(id);
  if (!found) return fail(found.error());
  if (found->has_value()) return **found;
  return fail({ErrorCode::kNotFound, fmt::format("no device '{}'", id.str()),
               fmt::format("'kscpush device list' lists the devices; add it with: kscpush device "
                           "add {}",
                           id.str())});
}

}  // namespace

void PushServer::ping(const DeviceId& id, Duration timeout, ProbeDone done) {
  if (timeout <= Duration::zero() || timeout > kLongestProbe) {
    done(fail(ErrorCode::kUsage, "the timeout must be above 0 and at most 60 seconds"));
    return;
  }
  if (auto known = registered(store(), id); !known) {
    done(fail(known.error()));
    return;
  }
  // The callback is kept here until the task runs: the task may be refused.
  auto shared = std::make_shared<ProbeDone>(std::move(done));
  const bool posted = impl_->post(
      id, [this, id, timeout, shared] { impl_->home(id).probe(id, timeout, std::move(*shared)); });
  if (!posted) (*shared)(fail(stopping()));
}

void PushServer::push(const DeviceId& id, const PushRequest& request,
                      std::function<void(Result<PushRecord>)> done) {
  const PushKindRow* const row = find_push_kind(request.kind);
  if (row == nullptr) {
    done(fail({ErrorCode::kUsage,
               fmt::format("unknown kind of push '{}'", request.kind.substr(0, 40)),
               "known are: sync, ping"}));
    return;
  }
  const auto ttl = request.ttl.value_or(row->default_ttl);
  if (ttl < std::chrono::seconds(0) || ttl > kMaxTtl) {
    done(fail(ErrorCode::kUsage, "the time to live must be from 0 to {} seconds",
              std::chrono::seconds(kMaxTtl).count()));
    return;
  }
  const std::uint32_t most = config().dp.push_server.limits.message_bytes;
  if (request.params.size() > most) {
    done(fail(ErrorCode::kTooLarge, "the parameters have {} bytes, at most {} are allowed",
              request.params.size(), most));
    return;
  }
  if (auto known = registered(store(), id); !known) {
    done(fail(known.error()));
    return;
  }
  const WallTime now = clock().wall();
  PushRecord record{
      .id = Ulid::generate(now), .device = id, .kind = request.kind, .params = request.params};
  // A wake is content-free: a second one adds nothing to the first.
  if (row->push_class == PushClass::kWake) record.collapse_key = request.kind;
  record.expires = now + (ttl.count() == 0 ? kAnswerDeadline : ttl);
  auto store_it = [this, record = std::move(record), done] {
    auto stored = [this, done](Result<PushRecord> push) {
      if (push) {
        impl_->post(push->device,
                    [this, offered = *push] { impl_->home(offered.device).offer_push(offered); });
      }
      done(std::move(push));
    };
    const bool begun = impl_->unless_stopping([&] { store().add_push(record, std::move(stored)); });
    if (!begun) done(fail(stopping()));
  };
  if (ttl.count() > 0) {
    store_it();
    return;
  }
  // Online only: whether the device is there is the home shard's to say.
  view(id, [id, done, store_it](const std::optional<DeviceView>& seen) {
    if (seen && seen->subscribed) {
      store_it();
    } else {
      done(fail({ErrorCode::kOffline, fmt::format("device '{}' is not connected", id.str()),
                 "this kind of push needs the device now; give a time to live to let it wait"}));
    }
  });
}

void PushServer::add_devices(std::vector<NewDevice> devices, Store::Done done) {
  const bool begun = impl_->unless_stopping([&] { store().add_devices(std::move(devices), done); });
  if (!begun) done(fail(stopping()));
}

void PushServer::change_device(const DeviceId& id, DeviceChange change,
                               std::function<void(Result<DeviceRecord>)> done) {
  auto changed = [this, id, done](Result<DeviceRecord> device) {
    if (device) impl_->post(id, [this, id] { impl_->home(id).recheck(id); });
    done(std::move(device));
  };
  const bool begun = impl_->unless_stopping(
      [&] { store().change_device(id, std::move(change), std::move(changed)); });
  if (!begun) done(fail(stopping()));
}

void PushServer::remove_device(const DeviceId& id, Store::Done done) {
  auto removed = [this, id, done](Status status) {
    if (status) impl_->post(id, [this, id] { impl_->home(id).recheck(id); });
    done(std::move(status));
  };
  const bool begun = impl_->unless_stopping([&] { store().remove_device(id, std::move(removed)); });
  if (!begun) done(fail(stopping()));
}

void PushServer::view(const DeviceId& id, std::function<void(std::optional<DeviceView>)> done) {
  auto shared = std::make_shared<std::function<void(std::optional<DeviceView>)>>(std::move(done));
  const bool posted = impl_->post(id, [this, id, shared] { (*shared)(impl_->home(id).view(id)); });
  if (!posted) (*shared)(std::nullopt);
}

void PushServer::views(std::vector<DeviceId> ids,
                       std::function<void(std::vector<std::optional<DeviceView>>)> done) {
  struct Gather {
    std::vector<DeviceId> ids;
    std::vector<std::optional<DeviceView>> found;
    std::atomic<std::size_t> shards_left{0};
    std::function<void(std::vector<std::optional<DeviceView>>)> done;
  };
  auto gather = std::make_shared<Gather>();
  gather->found.resize(ids.size());
  gather->ids = std::move(ids);
  gather->done = std::move(done);
  const std::size_t count = impl_->context_.shards.size();
  // Each shard fills the places of its own devices; the last one to finish tells.
  gather->shards_left = count;
  const bool posted = impl_->unless_stopping([&] {
    for (std::size_t s = 0; s < count; ++s) {
      Shard& shard = *impl_->context_.shards[s];
      asio::post(shard.loop(), [gather, s, count, &shard] {
        for (std::size_t i = 0; i < gather->ids.size(); ++i) {
          const DeviceId& id = gather->ids[i];
          if (home_shard(id.str(), count) == s) gather->found[i] = shard.view(id);
        }
        if (gather->shards_left.fetch_sub(1) == 1) gather->done(std::move(gather->found));
      });
    }
  });
  if (!posted) gather->done(std::move(gather->found));
}

}  // namespace kscpush::server
