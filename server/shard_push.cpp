// The part of a shard that sends stored pushes and takes what devices say of them.
#include <algorithm>
#include <array>
#include <utility>

#include "server/shard.hpp"

namespace kscpush::server {
namespace {

// Before each attempt, since the one before it: what a device may need to come to itself, and in
// all enough for it to be restarted.
constexpr std::array kPauses{std::chrono::seconds(0), std::chrono::seconds(1),
                             std::chrono::seconds(5), std::chrono::seconds(30),
                             std::chrono::seconds(120)};
constexpr int kMaxAttempts = static_cast<int>(kPauses.size());
// So that their packets are flushed and others are served in between.
constexpr std::size_t kOffersPerTurn = 64;
constexpr std::size_t kFetch = 16;  // rows of one look into the store: a window's worth

std::size_t index(PushLane lane) {
  return static_cast<std::size_t>(lane);
}

bool is_stored(std::uint64_t token) {
  return (token & ProbeTable::kTokenBit) == 0;
}

std::string unacknowledged(int attempts) {
  return fmt::format("sent {} times without an acknowledgement", attempts);
}

// How long the attempt after so many must wait, and no longer than the push lives: then there is
// nothing to wait for. When the clock was set back nobody knows: the whole pause, but not when it
// has been WAITED for.
Duration pause_left(int attempts, WallTime sent, WallTime expires, WallTime now,
                    bool waited = false) {
  if (attempts >= kMaxAttempts || (waited && sent > now)) return {};
  const auto pause =
      std::chrono::milliseconds(kPauses.at(static_cast<std::size_t>(std::max(attempts, 0))));
  const auto left = std::min({sent + pause - now, expires - now, pause});
  return std::max(left, std::chrono::milliseconds(0));
}

}  // namespace

// Many wait for those that came before. A few need not: where the store may have older pushes for
// the device, it is asked for all of them, in their order.
void Shard::offer_pushes(std::vector<PushRecord> pushes, bool online_only) {
  const bool is_first = offers_.empty();
  if (!is_first && pushes.size() <= kOffersPerTurn) return offer_some(pushes, online_only, true);
  offers_.push_back({std::move(pushes), online_only});
  if (is_first) go_on_offering();
}

void Shard::go_on_offering() {
  Offers& first = offers_.front();
  const auto left = std::span<const PushRecord>(first.pushes).subspan(first.next);
  const auto some = left.first(std::min(kOffersPerTurn, left.size()));
  offer_some(some, first.online_only, false);
  first.next += some.size();
  if (some.size() == left.size()) offers_.pop_front();
  if (!offers_.empty()) loop_.post([this] { go_on_offering(); });
}

// OVERTAKES: there may be older ones for the device that it has not been offered yet.
void Shard::offer(Device* device, const PushRecord& push, bool online_only, bool overtakes) {
  const bool ready =
      device != nullptr && device->connection != nullptr && device->connection->subscribed();
  if (!ready && online_only) {
    steps_.put({push.seq, PushState::kUndeliverable, wall(), 0,
                "the device is not connected, or has not subscribed", ""});
  }
  const std::size_t lane = index(lane_of(push.kind));
  // The store was looked at when it connected, and is again when it subscribes.
  if (device != nullptr && !ready) device->backlog[lane] = true;
  if (!ready || push.seq <= device->last_seq[lane]) return;
  if (overtakes) device->backlog[lane] = true;
  if (!device->backlog[lane]) {
    send(*device, push);
  } else if (device->connection->in_flight() == 0) {
    pump(*device);  // no acknowledgement will come to do it
  }
}

// In a sweep each device comes for the first time in a while, out of the memory and not out of a
// cache. Asked for beforehand they come side by side. An offer takes no device out of the table.
void Shard::offer_some(std::span<const PushRecord> pushes, bool online_only, bool overtakes) {
  offered_.clear();
  for (const PushRecord& push : pushes) {
    Device* const device = offered_.emplace_back(find(push.device.str()));
    if (device != nullptr && device->connection != nullptr) device->connection->fetch();
  }
  for (std::size_t i = 0; i < pushes.size(); ++i) {
    offer(offered_[i], pushes[i], online_only, overtakes);
  }
}

// What the connection was given before has its step in the store's queue, ahead of this; what the
// store has not decided yet is held back, and what comes after it too.
void Shard::cancel_push(const Ulid& id, std::string reason, ShardStore::Cancelled done) {
  const auto push = context_.store.find_push(id);
  if (!push) return done(fail(push.error()));
  if (!push->has_value()) return done(fail(unknown_push(id)));
  const std::int64_t seq = (*push)->seq;
  steps_.write(seq);
  ++cancelling_[seq];
  context_.store.cancel(
      id, std::move(reason),
      [this, seq, device = (*push)->device, done = std::move(done)](Result<PushRecord> cancelled) {
        loop_.post([this, seq, device] { cancel_decided(seq, device); });
        done(std::move(cancelled));
      });
}

void Shard::cancel_decided(std::int64_t seq, const DeviceId& id) {
  const auto found = cancelling_.find(seq);
  if (--found->second == 0) cancelling_.erase(found);
  Device* const device = find(id.str());
  if (device == nullptr || device->connection == nullptr) return;
  pump(*device);
}

void Shard::subscribed(Device& device) {
  pump(device);
  send_owed_policy(device);
}

void Shard::has_room(Device& device) {
  pump(device);
  send_owed_policy(device);
}

// WAITED: for the pause of the first push there is.
void Shard::pump(Device& device, bool waited) {
  for (const PushLane lane : {PushLane::kAnswered, PushLane::kOthers}) {
    if (device.backlog[index(lane)] && may_send(device, lane)) pump_lane(device, lane, waited);
  }
}

// What is held back goes first. Of those that are answered one is in flight at a time: the device
// gets to the next when it has taken the one before.
bool Shard::may_send(const Device& device, PushLane lane) {
  if (device.connection->held()) return false;
  if (lane != PushLane::kAnswered) return true;
  const std::int64_t newest = device.last_seq[index(lane)];
  return newest == 0 || !device.connection->in_flight(static_cast<std::uint64_t>(newest));
}

void Shard::pump_lane(Device& device, PushLane lane, bool waited) {
  bool& backlog = device.backlog[index(lane)];
  backlog = false;
  while (!backlog) {
    const auto rows = context_.store.pending(*DeviceId::parse(device.id()), wall(),
                                             device.last_seq[index(lane)], kFetch, lane);
    if (!rows) {
      context_.log.error("{}: its pending pushes cannot be read: {}", device.id(),
                         rows.error().message);
      backlog = true;
      return;
    }
    for (const PushRecord& push : *rows) {
      if (!send(device, push, std::exchange(waited, false))) return;
    }
    if (rows->size() < kFetch) return;
  }
}

// False when no further push of this device can be sent now.
bool Shard::send(Device& device, const PushRecord& push, bool waited) {
  using Delivery = mqtt::Session::Delivery;
  const WallTime at = wall();
  const PushLane lane = lane_of(push.kind);
  bool& backlog = device.backlog[index(lane)];
  std::int64_t& last_seq = device.last_seq[index(lane)];
  const auto not_now = [&backlog] {
    backlog = true;
    return false;
  };
  if (!may_send(device, lane)) return not_now();
  if (!cancelling_.empty() && cancelling_.contains(push.seq)) return not_now();
  const auto ahead = steps_.progress(push.seq);
  if (ahead.over) {
    last_seq = push.seq;
    return true;
  }
  int before = std::max(push.attempts, ahead.attempts);
  if (before == 0 && push.seq <= context_.store.perhaps_sent()) before = 1;
  const auto sent = push.reached[static_cast<std::size_t>(PushState::kSent)].value_or(WallTime{});
  const auto settle = [&](PushState state, std::string reason) {
    last_seq = push.seq;
    steps_.put({push.seq, state, at, 0, std::move(reason), ""});
    return true;
  };
  if (before >= kMaxAttempts) return settle(PushState::kUndeliverable, unacknowledged(before));
  const Duration pause = pause_left(before, std::max(sent, ahead.sent), push.expires, at, waited);
  if (pause > Duration::zero()) {
    if (!device.set() || device.deadline() > now() + pause) wheel_.set(device, now() + pause);
    return not_now();
  }
  if (push.params != "{}" && !nlohmann::json::accept(push.params)) {
    return settle(PushState::kUndeliverable, "its parameters are damaged");
  }
  const auto ttl = std::chrono::ceil<std::chrono::seconds>(push.expires - at);
  switch (device.connection->deliver({static_cast<std::uint64_t>(push.seq),
                                      encode_push(push.id, push.kind, before + 1, ttl, push.params),
                                      push.expires, push.id, before + 1},
                                     at)) {
    case Delivery::kSent:
      counters_.pushes_sent.add();
      last_seq = push.seq;
      steps_.hold({push.seq, PushState::kSent, at, before + 1}, !push.collapse_key.empty());
      return true;
    case Delivery::kTooLarge:
      return settle(PushState::kUndeliverable, "larger than the device's maximum packet size");
    case Delivery::kExpired:
      return settle(PushState::kExpired, std::string(why_expired(push.state)));
    case Delivery::kNotSubscribed:
    case Delivery::kWindowFull:
    case Delivery::kNoRoom:
      return not_now();
  }
  return not_now();
}

void Shard::acked(Device& device, std::uint64_t token, mqtt::ReasonCode code) {
  if (!is_stored(token)) {
    if (!policy_settled(device, token)) probes_.acked(device.id(), token, now());
  } else {
    counters_.pushes_acked.add();
    const auto seq = static_cast<std::int64_t>(token);
    if (mqtt::is_error(code)) {
      steps_.put({seq, PushState::kRejected, wall(), 0,
                  fmt::format("the device refused it: {}", mqtt::to_string(code)), ""});
    } else {
      steps_.put({seq, PushState::kAcked, wall(), 0, "", ""});
    }
  }
  pump(device);
  send_owed_policy(device);
}

void Shard::resent(std::uint64_t token, int attempts) {
  if (!is_stored(token)) return;
  counters_.pushes_sent.add();
  steps_.put({static_cast<std::int64_t>(token), PushState::kSent, wall(), attempts, "", ""});
}

void Shard::dropped(Device& device, std::uint64_t token, mqtt::DropReason reason) {
  // Its own deadline ends a probe.
  if (policy_settled(device, token) || !is_stored(token)) return;
  const auto seq = static_cast<std::int64_t>(token);
  const bool expired = reason == mqtt::DropReason::kExpired;
  steps_.put({seq, expired ? PushState::kExpired : PushState::kUndeliverable, wall(), 0,
              expired ? std::string(why_expired(PushState::kSent))
                      : "larger than the device's maximum packet size",
              ""});
  pump(device);
}

void Shard::message(Device& device, mqtt::UpTopic topic, std::string_view payload) {
  if (topic == mqtt::UpTopic::kState) return report(device, payload);
  if (topic == mqtt::UpTopic::kSync) return sync(device, payload);
  if (topic != mqtt::UpTopic::kResult) return;
  const auto decoded = decode_answer(payload);
  if (!decoded) {
    counters_.stray_messages.add();
    warnings_.warn("{}: an answer that is none: {}", device.id(), decoded.error().message);
    return;
  }
  answer(device, *decoded);
}

void Shard::answer(Device& device, const PushAnswer& answer) {
  counters_.answers.add();
  if (probes_.answered(device.id(), answer, now())) return;
  const auto found = context_.store.find_push(answer.id);
  // A device answers for its own pushes alone; a late answer to a probe ends here too.
  if (!found || !found->has_value() || (*found)->device.str() != device.id()) {
    counters_.stray_messages.add();
    return;
  }
  const bool failed = answer.status == PushState::kFailed;
  steps_.put({(*found)->seq, answer.status, wall(), 0,
              failed ? "the device reported a failure" : "",
              answer.result.is_null() ? "" : answer.result.dump()});
}

// What was sent as often as it may and never acknowledged is not sent again: it may be what ends
// the connections.
void Shard::give_up(mqtt::SessionState& state) {
  std::erase_if(state.in_flight, [this](const mqtt::SessionState::InFlight& entry) {
    if (entry.push.attempts < kMaxAttempts) return false;
    if (is_stored(entry.push.token)) {
      steps_.put({static_cast<std::int64_t>(entry.push.token), PushState::kUndeliverable, wall(), 0,
                  unacknowledged(entry.push.attempts), ""});
    }
    return true;
  });
}

// What is in flight keeps its order, so that the longest of the pauses is that of all.
void Shard::hold_back(Device& device, mqtt::SessionState& state) {
  Duration longest{};
  for (const auto& [packet_id, push] : state.in_flight) {
    if (!is_stored(push.token)) continue;
    longest = std::max(longest, pause_left(push.attempts, push.sent, push.expires, wall()));
  }
  state.held = longest > Duration::zero();
  if (state.held) wheel_.set(device, now() + longest);
}

void Shard::pause_over(Device& device) {
  device.connection->release();
  pump(device, /*waited=*/true);
}

void Shard::write_steps() {
  steps_.write();
  steps_.retry(UnwrittenSteps::kMost);
}

}  // namespace kscpush::server
