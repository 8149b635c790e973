// The part of a shard that sends stored pushes and takes what devices say of them.
#include <utility>

#include <asio/post.hpp>

#include "core/report.hpp"
#include "server/shard.hpp"

namespace kscpush::server {
namespace {

constexpr int kMaxAttempts = 5;
constexpr std::size_t kFetch = 16;  // rows of one look into the store: a window's worth

bool is_stored(std::uint64_t token) {
  return (token & ProbeTable::kTokenBit) == 0;
}

std::string unacknowledged(int attempts) {
  return fmt::format("sent {} times without an acknowledgement", attempts);
}

}  // namespace

void Shard::offer_push(const PushRecord& push) {
  Device* const device = find(push.device.str());
  const bool ready =
      device != nullptr && device->connection != nullptr && device->connection->subscribed();
  if (!ready || push.seq <= device->last_seq) return;
  if (!device->backlog) {
    send(*device, push);
  } else if (device->connection->in_flight() == 0) {
    pump(*device);  // no acknowledgement will come to do it
  }
}

// What the connection was given before has its step in the store's queue, ahead of this; what the
// store has not decided yet is held back, and what comes after it too.
void Shard::cancel_push(const Ulid& id, std::string reason, ShardStore::Cancelled done) {
  const auto push = context_.store.find_push(id);
  if (!push) return done(fail(push.error()));
  if (!push->has_value()) {
    return done(fail({ErrorCode::kNotFound, fmt::format("no push '{}'", id.str()),
                      "pushes are forgotten some time after their end"}));
  }
  const std::int64_t seq = (*push)->seq;
  ++cancelling_[seq];
  context_.store.cancel(
      id, std::move(reason),
      [this, seq, device = (*push)->device, done = std::move(done)](Result<PushRecord> cancelled) {
        asio::post(loop_, [this, seq, device] { cancel_decided(seq, device); });
        done(std::move(cancelled));
      });
}

void Shard::cancel_decided(std::int64_t seq, const DeviceId& id) {
  const auto found = cancelling_.find(seq);
  if (--found->second == 0) cancelling_.erase(found);
  Device* const device = find(id.str());
  if (device == nullptr || device->connection == nullptr || !device->backlog) return;
  pump(*device);
}

void Shard::subscribed(Device& device) {
  pump(device);
}

void Shard::has_room(Device& device) {
  if (device.backlog) pump(device);
}

void Shard::pump(Device& device) {
  device.backlog = false;
  while (!device.backlog) {
    const auto rows =
        context_.store.pending(*DeviceId::parse(device.id()), wall(), device.last_seq, kFetch);
    if (!rows) {
      context_.log.error("{}: its pending pushes cannot be read: {}", device.id(),
                         rows.error().message);
      device.backlog = true;
      return;
    }
    for (const PushRecord& push : *rows) {
      if (!send(device, push)) return;
    }
    if (rows->size() < kFetch) return;
  }
}

// False when no further push of this device can be sent now.
bool Shard::send(Device& device, const PushRecord& push) {
  using Delivery = mqtt::Session::Delivery;
  if (!cancelling_.empty() && cancelling_.contains(push.seq)) {
    device.backlog = true;
    return false;
  }
  const int attempts = push.attempts + 1;
  const auto step = [&](PushState state, std::string reason) {
    device.last_seq = push.seq;
    context_.store.step(
        {push.seq, state, wall(), state == PushState::kSent ? attempts : 0, std::move(reason), ""});
    return true;
  };
  if (attempts > kMaxAttempts) {
    return step(PushState::kUndeliverable, unacknowledged(push.attempts));
  }
  auto params = nlohmann::json::parse(push.params, nullptr, /*allow_exceptions=*/false);
  if (!params.is_object()) return step(PushState::kUndeliverable, "its parameters are damaged");
  const auto ttl = std::chrono::ceil<std::chrono::seconds>(push.expires - wall());
  auto payload = std::make_shared<const std::string>(
      encode(PushMessage{push.id, push.kind, attempts, ttl, std::move(params)}));
  switch (device.connection->deliver({static_cast<std::uint64_t>(push.seq), std::move(payload),
                                      push.expires, push.id.str(), attempts})) {
    case Delivery::kSent:
      counters_.pushes_sent.add();
      return step(PushState::kSent, "");
    case Delivery::kTooLarge:
      return step(PushState::kUndeliverable, "larger than the device's maximum packet size");
    case Delivery::kExpired:
      return step(PushState::kExpired, "");
    case Delivery::kNotSubscribed:
    case Delivery::kWindowFull:
      device.backlog = true;
      return false;
  }
  return false;
}

void Shard::acked(Device& device, std::uint64_t token, mqtt::ReasonCode code) {
  if (!is_stored(token)) {
    probes_.acked(token, now());
  } else {
    counters_.pushes_acked.add();
    const auto seq = static_cast<std::int64_t>(token);
    if (mqtt::is_error(code)) {
      context_.store.step({seq, PushState::kRejected, wall(), 0,
                           fmt::format("the device refused it: {}", mqtt::to_string(code)), ""});
    } else {
      context_.store.step({seq, PushState::kAcked, wall(), 0, "", ""});
    }
  }
  if (device.backlog) pump(device);
}

void Shard::resent(std::uint64_t token, int attempts) {
  if (!is_stored(token)) return;
  counters_.pushes_sent.add();
  context_.store.step(
      {static_cast<std::int64_t>(token), PushState::kSent, wall(), attempts, "", ""});
}

void Shard::dropped(Device& device, std::uint64_t token, mqtt::DropReason reason) {
  if (!is_stored(token)) return;  // its own deadline ends the probe
  const auto seq = static_cast<std::int64_t>(token);
  const bool expired = reason == mqtt::DropReason::kExpired;
  context_.store.step({seq, expired ? PushState::kExpired : PushState::kUndeliverable, wall(), 0,
                       expired ? "" : "larger than the device's maximum packet size", ""});
  if (device.backlog) pump(device);
}

void Shard::message(Device& device, mqtt::UpTopic topic, std::string_view payload) {
  if (topic == mqtt::UpTopic::kState) return report(device, payload);
  if (topic != mqtt::UpTopic::kResult) return;
  const auto decoded = decode_answer(payload);
  if (!decoded) {
    counters_.stray_messages.add();
    context_.log.warn("{}: an answer that is none: {}", device.id(), decoded.error().message);
    return;
  }
  answer(device, *decoded);
}

void Shard::report(Device& device, std::string_view payload) {
  auto decoded = decode_report(payload);
  if (!decoded) {
    counters_.stray_messages.add();
    context_.log.warn("{}: {}", device.id(), decoded.error().message);
    return;
  }
  context_.store.report(*DeviceId::parse(device.id()), std::move(*decoded), wall());
}

void Shard::answer(Device& device, const PushAnswer& answer) {
  counters_.answers.add();
  if (probes_.answered(answer.id, device.id(), now())) return;
  const auto found = context_.store.find_push(answer.id);
  // A device answers for its own pushes alone; a late answer to a probe ends here too.
  if (!found || !found->has_value() || (*found)->device.str() != device.id()) {
    counters_.stray_messages.add();
    return;
  }
  const bool failed = answer.status == PushState::kFailed;
  context_.store.step({(*found)->seq, answer.status, wall(), 0,
                       failed ? "the device reported a failure" : "",
                       answer.result.is_null() ? "" : answer.result.dump()});
}

// What was sent as often as it may and never acknowledged is not sent again: it may be what ends
// the connections.
void Shard::give_up(mqtt::SessionState& state) {
  std::erase_if(state.in_flight, [this](const mqtt::SessionState::InFlight& entry) {
    if (entry.push.attempts < kMaxAttempts) return false;
    if (is_stored(entry.push.token)) {
      context_.store.step({static_cast<std::int64_t>(entry.push.token), PushState::kUndeliverable,
                           wall(), 0, unacknowledged(entry.push.attempts), ""});
    }
    return true;
  });
}

}  // namespace kscpush::server
