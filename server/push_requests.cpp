// The part of the push server that takes pushes and says what becomes of them.
#include "server/push_server_impl.hpp"

namespace kscpush::server {
namespace {

Status check_scope(const site::DistributionPoint& dp, const DeviceRecord& device) {
  // Where a device comes from is not known before it has been here.
  const bool may_be_anywhere = device.address.empty() && !dp.network_locations.empty();
  if (may_be_anywhere || site::in_scope(dp, {device.group, device.platform, device.address})) {
    return {};
  }
  return fail({ErrorCode::kDenied,
               fmt::format("device '{}' of group '{}' is not in the scope of distribution point "
                           "'{}', which would not let it in",
                           device.id.str(), device.group, dp.name),
               fmt::format("'kscpush dp assign {}' says where it belongs", device.id.str())});
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

// What the request makes, if it makes sense.
Result<PushRecord> make_record(const DeviceId& id, const PushRequest& request,
                               std::uint32_t most_bytes, WallTime now) {
  const PushKindRow* const row = find_push_kind(request.kind);
  if (row == nullptr) {
    return fail(Error{ErrorCode::kUsage,
                      fmt::format("unknown kind of push '{}'", request.kind.substr(0, 40)),
                      "known are: sync, ping", "kind"});
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
  return PushRecord{.id = Ulid::generate(now),
                    .device = id,
                    .kind = request.kind,
                    .params = request.params,
                    .collapse_key = std::move(*key),
                    .expires = now + (ttl.count() == 0 ? kAnswerDeadline : ttl)};
}

bool needs_device_now(const PushRequest& request) {
  return request.ttl.value_or(find_push_kind(request.kind)->default_ttl).count() == 0;
}

}  // namespace

void PushServer::push(const DeviceId& id, const PushRequest& request, const Pushed& done) {
  const auto config = this->config();
  const auto device = impl_->registered(id);
  if (!device) return done(fail(device.error()));
  auto record =
      make_record(id, request, config->dp.push_server.limits.message_bytes, clock().wall());
  if (!record) return done(fail(record.error()));
  auto store_it = [this, record = std::move(*record), key = request.key, done] {
    auto stored = [this, done](Result<OncePush> push) {
      if (push && !push->replayed) {
        impl_->post(push->push.device, [this, offered = push->push] {
          impl_->home(offered.device).offer_push(offered);
        });
      }
      done(std::move(push));
    };
    const bool begun = impl_->unless_stopping([&] {
      if (key) return store().add_push_once(record, *key, std::move(stored));
      store().add_push(record, [stored = std::move(stored)](Result<PushRecord> push) {
        if (!push) return stored(fail(push.error()));
        stored(OncePush{std::move(*push)});
      });
    });
    if (!begun) done(fail(stopping_error()));
  };
  if (request.key) {
    // What was done before is answered as before, whatever holds now.
    const auto known = store().find_key(*request.key);
    if (!known) return done(fail(known.error()));
    if (known->has_value()) return store_it();
  }
  if (auto inside = check_scope(config->dp, *device); !inside) return done(fail(inside.error()));
  if (!needs_device_now(request)) return store_it();
  // Whether the device is there is the home shard's to say.
  view(id, [id, done, store_it](const std::optional<DeviceView>& seen) {
    if (seen && seen->subscribed) {
      store_it();
    } else {
      done(fail({ErrorCode::kOffline, fmt::format("device '{}' is not connected", id.str()),
                 "this kind of push needs the device now; give a time to live to let it wait"}));
    }
  });
}

void PushServer::cancel_push(const Ulid& id, std::string reason, ShardStore::Cancelled done) {
  const auto push = store().find_push(id);
  if (!push) return done(fail(push.error()));
  if (!push->has_value()) {
    return done(fail({ErrorCode::kNotFound, fmt::format("no push '{}'", id.str()),
                      "pushes are forgotten some time after their end"}));
  }
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
