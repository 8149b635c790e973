// The part of the push server that takes pushes and says what becomes of them.
#include <fmt/ranges.h>

#include "server/push_server_impl.hpp"

namespace kscpush::server {
namespace {

Status check_scope(const site::DistributionPoint& dp, const DeviceId& id,
                   const site::Whereabouts& device) {
  // Where a device comes from is not known before it has been here.
  const bool may_be_anywhere = device.address.empty() && !dp.network_locations.empty();
  if (may_be_anywhere || site::in_scope(dp, device)) return {};
  return fail({ErrorCode::kDenied,
               fmt::format("device '{}' of group '{}' is not in the scope of distribution point "
                           "'{}', which would not let it in",
                           id.str(), device.group, dp.name),
               fmt::format("'kscpush dp assign {}' says where it belongs", id.str())});
}

// The key that replaces what waits; or what is wrong with it.
Result<std::string> collapse_key(const PushRequest& request, const PushKindRow& row) {
  // A wake is content-free: a second one adds nothing to the first.
  const bool is_wake = row.push_class == PushClass::kWake;
  if (!request.collapse_key) return is_wake ? request.kind : std::string();
  const std::string& key = *request.collapse_key;
  if (!key.empty() && key.size() <= PushRequest::kLongestCollapseKey) return key;
  return fail_field("collapse_key", "a collapse key has 1 to {} bytes",
                    std::size_t{PushRequest::kLongestCollapseKey});
}

// What the request makes for each device, if it makes sense.
Result<NewRollout> make_order(const PushRequest& request, std::uint32_t most_bytes, WallTime now) {
  const PushKindRow* const row = find_push_kind(request.kind);
  if (row == nullptr || row->push_class == PushClass::kState) {
    return fail(
        Error{ErrorCode::kUsage,
              row == nullptr
                  ? fmt::format("unknown kind of push '{}'", request.kind.substr(0, 40))
                  : fmt::format("a push of the kind '{}' is sent by the server itself", row->kind),
              fmt::format("it can be one of: {}", fmt::join(requestable_kinds(), ", ")), "kind"});
  }
  const auto ttl = request.ttl.value_or(row->default_ttl);
  if (ttl < std::chrono::seconds(0) || ttl > kMaxTtl) {
    return fail_field("ttl", "the time to live must be from 0 to {} seconds",
                      std::chrono::seconds(kMaxTtl).count());
  }
  if (request.params.size() > most_bytes) {
    return fail(Error{ErrorCode::kTooLarge,
                      fmt::format("the parameters have {} bytes, at most {} are allowed",
                                  request.params.size(), most_bytes),
                      "", "params"});
  }
  auto key = collapse_key(request, *row);
  if (!key) return fail(key.error());
  return NewRollout{.id = Ulid::generate(now),
                    .kind = request.kind,
                    .params = request.params,
                    .collapse_key = std::move(*key),
                    .ttl = ttl};
}

PushRecord make_record(const DeviceId& id, const NewRollout& order, WallTime now) {
  return PushRecord{.id = order.id,
                    .device = id,
                    .kind = order.kind,
                    .params = order.params,
                    .collapse_key = order.collapse_key,
                    .expires = now + (order.ttl.count() == 0 ? kAnswerDeadline : order.ttl)};
}

}  // namespace

void PushServer::push(const DeviceId& id, const PushRequest& request, const Pushed& done) {
  const auto config = this->config();
  const WallTime now = clock().wall();
  const auto order = make_order(request, config->dp.push_server.limits.message_bytes, now);
  if (!order) return done(fail(order.error()));
  auto store_it = [this, record = make_record(id, *order, now), key = request.key, done] {
    auto stored = [this, done](Result<OncePush> push) {
      if (push && !push->replayed) impl_->gather(push->push);
      done(std::move(push));
    };
    const bool begun = impl_->unless_stopping([&] {
      if (key) return store().add_push_once(record, *key, std::move(stored), impl_->admit());
      const auto once = [stored = std::move(stored)](Result<PushRecord> push) {
        if (!push) return stored(fail(push.error()));
        stored(OncePush{std::move(*push)});
      };
      store().add_push(record, once, impl_->admit());
    });
    if (!begun) done(fail(stopping_error()));
  };
  if (order->ttl.count() > 0) return store_it();
  if (request.key) {
    // What was done before is answered as before, whatever holds now.
    const auto known = store().find_key(*request.key);
    if (!known) return done(fail(known.error()));
    if (known->has_value()) return store_it();
  }
  const auto device = registered(id);
  if (!device) return done(fail(device.error()));
  const site::Whereabouts where{device->group, device->platform, device->address};
  if (auto inside = check_scope(config->dp, id, where); !inside) return done(fail(inside.error()));
  // Whether the device is there is the home shard's to say.
  view(id, [id, done, store_it](const std::optional<DeviceView>& seen) {
    if (seen && seen->subscribed) {
      store_it();
    } else {
      done(fail(
          {ErrorCode::kOffline, fmt::format("device '{}' is not connected", id.str()),
           "without a time to live it needs the device now: give one (--ttl) to let it wait"}));
    }
  });
}

// --- What devices have missed

// What cannot be stored now is with the next connection: the device still needs it.
void PushServer::Impl::bring_level(const DeviceId& id) {
  const WallTime now = clock_.wall();
  const auto order =
      make_order({.kind = "sync"}, config()->dp.push_server.limits.message_bytes, now);
  unless_stopping([&] {
    store_->add_resync(make_record(id, *order, now),
                       [this](Result<std::optional<PushRecord>> made) {
                         if (made && *made) offer({std::move(**made)}, false);
                       });
  });
}

void PushServer::Impl::resyncs_changed(const std::vector<ResyncChange>& changes) {
  if (changes.empty()) return;
  context_.events.resyncs(changes);
  std::vector<ResyncChange> missed = changes;
  std::erase_if(missed, [](const ResyncChange& change) { return !change.reason; });
  spread(
      std::move(missed),
      [](const ResyncChange& change) -> const DeviceId& { return change.device; },
      [](Shard& shard, std::span<const ResyncChange> some) {
        for (const ResyncChange& change : some) shard.missed(change.device, change.at);
      });
}

// --- Many

// What was gathered is older.
void PushServer::Impl::offer(std::vector<PushRecord> pushes, bool online_only) {
  offer_gathered();
  hand_over(std::move(pushes), online_only);
}

void PushServer::Impl::hand_over(std::vector<PushRecord> pushes, bool online_only) {
  for_homes(
      std::move(pushes), [](const PushRecord& push) -> const DeviceId& { return push.device; },
      [online_only](Shard& shard, std::vector<PushRecord> all) {
        shard.loop().post([&shard, online_only, all = std::move(all)]() mutable {
          shard.offer_pushes(std::move(all), online_only);
        });
      });
}

void PushServer::Impl::gather(const PushRecord& push) {
  constexpr std::size_t kMost = 64;  // of a large commit none waits for all the others
  gathered_.push_back(push);
  if (gathered_.size() >= kMost) offer_gathered();
}

void PushServer::Impl::offer_gathered() {
  if (!gathered_.empty()) hand_over(std::exchange(gathered_, {}), false);
}

Admit PushServer::Impl::admit() const {
  return [this](const DeviceId& id, const site::Whereabouts& device) {
    return check_scope(config()->dp, id, device);
  };
}

void PushServer::push_all(const std::vector<DeviceId>& ids, const PushRequest& request,
                          std::function<void(Result<Store::PushResults>)> done) {
  const WallTime now = clock().wall();
  const auto order = make_order(request, config()->dp.push_server.limits.message_bytes, now);
  if (!order) return done(fail(order.error()));
  std::vector<PushRecord> pushes;
  pushes.reserve(ids.size());
  Ulid id = order->id;
  for (const DeviceId& device : ids) {
    pushes.push_back(make_record(device, *order, now));
    pushes.back().id = std::exchange(id, id.next());
  }
  auto stored = [this, online_only = order->ttl.count() == 0,
                 done](Result<Store::PushResults> results) {
    if (results) {
      std::vector<PushRecord> offered;
      for (const auto& push : *results) {
        if (push) offered.push_back(*push);
      }
      impl_->offer(std::move(offered), online_only);
    }
    done(std::move(results));
  };
  const bool begun = impl_->unless_stopping(
      [&] { store().add_pushes(std::move(pushes), impl_->admit(), std::move(stored)); });
  if (!begun) done(fail(stopping_error()));
}

void PushServer::roll_out(std::vector<DeviceId> ids, const PushRequest& request,
                          const RolloutOptions& options, Rollouts::Added done) {
  auto order = make_order(request, config()->dp.push_server.limits.message_bytes, clock().wall());
  if (!order) return done(fail(order.error()), false);
  order->targets = options.targets;
  order->rate = options.rate;
  order->max_failures = options.max_failures;
  order->canary = options.canary;
  const bool begun = impl_->unless_stopping(
      [&] { impl_->rollouts_.add(std::move(*order), std::move(ids), request.key, done); });
  if (!begun) done(fail(stopping_error()), false);
}

void PushServer::cancel_rollout(const Ulid& id, const std::string& reason,
                                const Rollouts::Done& done) {
  const bool begun = impl_->unless_stopping([&] { impl_->rollouts_.cancel(id, reason, done); });
  if (!begun) done(fail(stopping_error()));
}

const Rollouts& PushServer::rollouts() const {
  return impl_->rollouts_;
}

// --- What becomes of them

void PushServer::cancel_push(const Ulid& id, std::string reason, ShardStore::Cancelled done) {
  const auto push = store().find_push(id);
  if (!push) return done(fail(push.error()));
  if (!push->has_value()) return done(fail(unknown_push(id)));
  const DeviceId device = (*push)->device;
  const auto shared = std::make_shared<ShardStore::Cancelled>(std::move(done));
  const bool posted = impl_->post(device, [this, id, device, shared, why = std::move(reason)] {
    impl_->home(device).cancel_push(id, why, *shared);
  });
  if (!posted) (*shared)(fail(stopping_error()));
}

void PushServer::wait_for_push(const Ulid& id, PushState state, Duration timeout,
                               const PushWaits::Done& done) {
  impl_->waits_.wait(id, state, timeout, done);
}

std::size_t PushServer::waiting_for_pushes() const {
  return impl_->waits_.waiting();
}

EventLog& PushServer::events() {
  return impl_->context_.events;
}

}  // namespace kscpush::server
