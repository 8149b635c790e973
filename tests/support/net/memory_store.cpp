#include "tests/support/net/memory_store.hpp"

#include <algorithm>
#include <utility>

namespace kscpush::test {

using server::DeviceRecord;
using server::PushRecord;
using server::PushStep;

namespace {

constexpr std::size_t index_of(PushState state) {
  return static_cast<std::size_t>(state);
}

Error no_room() {
  return {ErrorCode::kFailed, "the disk is full", ""};
}

}  // namespace

void MemoryStore::post(std::function<void()> change) {
  queue_.push_back(std::move(change));
  if (mode_ == Commit::kAtOnce) commit();
}

void MemoryStore::commit(std::size_t count) {
  for (; count > 0 && !queue_.empty(); --count) {
    const auto change = std::move(queue_.front());
    queue_.pop_front();
    change();
  }
}

void MemoryStore::close() {
  commit();
  if (std::exchange(missed_, false)) perhaps_sent_ = last_seq_;
}

void MemoryStore::add_device(const DeviceId& id, const std::string& group) {
  devices_.emplace(id.str(), DeviceRecord{.id = id, .group = group, .added = clock_.wall()});
}

void MemoryStore::set_revoked(const DeviceId& id, bool revoked) {
  devices_.at(id.str()).revoked = revoked;
}

Result<std::optional<server::Arrival>> MemoryStore::arriving(const DeviceId& id) const {
  const auto device = find_device(id);
  if (!device) return fail(device.error());
  if (!*device) return std::nullopt;
  const DeviceRecord& found = **device;
  return server::Arrival{.group = found.group,
                         .platform = found.platform,
                         .address = found.address,
                         .revoked = found.revoked,
                         .resync = found.resync.has_value(),
                         .pushes_wait = waiting_.contains(id.str())};
}

Result<std::optional<DeviceRecord>> MemoryStore::find_device(const DeviceId& id) const {
  if (broken_) return fail(ErrorCode::kFailed, "the disk is broken");
  const auto found = devices_.find(id.str());
  if (found == devices_.end()) return std::nullopt;
  return found->second;
}

void MemoryStore::touch_device(const DeviceId& id, WallTime seen, std::string_view address) {
  const auto found = devices_.find(id.str());
  if (found == devices_.end()) return;
  auto& last = found->second.last_seen;
  if (!address.empty() && (!last || seen >= *last)) found->second.address = address;
  last = last ? std::max(*last, seen) : seen;
}

void MemoryStore::note_certificate(const DeviceId& id, WallTime /*seen*/, WallTime ends) {
  const auto found = devices_.find(id.str());
  if (found != devices_.end()) found->second.certificate_ends = ends;
}

void MemoryStore::note_disconnect(const DeviceId& id, const server::Disconnect& end) {
  touch_device(id, end.at, "");
  disconnects_.emplace_back(id.str(), end);
}

void MemoryStore::report(const DeviceId& id, DeviceReport report, bool in_sync, WallTime now,
                         Done done) {
  post([this, id, report = std::move(report), in_sync, now, done = std::move(done)] {
    if (full_) {
      if (done) done(fail(no_room()));
      return;
    }
    const auto found = devices_.find(id.str());
    if (found == devices_.end()) {
      if (done) done(fail(ErrorCode::kNotFound, "no device"));
      return;
    }
    DeviceRecord& device = found->second;
    if (report.policy) {
      const auto& [revision, result] = *report.policy;
      const bool same =
          device.policy && device.policy->revision == revision && device.policy->result == result;
      if (!same) device.policy = server::ReportedPolicy{revision, result, now};
    }
    if (in_sync) device.resync.reset();
    if (report.local) device.local_settings = encode_settings(*report.local);
    if (done) done({});
  });
}

void MemoryStore::add_push(PushRecord push, Stored done) {
  post([this, push = std::move(push), done = std::move(done)]() mutable {
    auto stored = full_ ? Result<PushRecord>(fail(no_room())) : add_now(std::move(push));
    if (done) done(std::move(stored));
  });
}

Result<PushRecord> MemoryStore::add_now(PushRecord push) {
  if (push.params.size() > limits_.params_bytes) return fail(ErrorCode::kTooLarge, "params");
  const auto device = devices_.find(push.device.str());
  if (device == devices_.end()) return fail(ErrorCode::kNotFound, "no device");
  if (device->second.revoked) return fail(ErrorCode::kDenied, "revoked");
  const WallTime now = clock_.wall();
  std::vector<std::int64_t> replaced;
  std::vector<std::int64_t> sent;  // though the record does not say so yet
  std::size_t others = 0;
  for (const std::int64_t seq : waiting(push)) {
    const PushRecord& other = pushes_.at(seq);
    if (other.expires <= now) continue;
    const bool same_key = !push.collapse_key.empty() && other.collapse_key == push.collapse_key;
    if (!same_key || other.state >= PushState::kSent) {
      ++others;
    } else if (sent_ahead_.contains(seq)) {
      ++others;
      sent.push_back(seq);
    } else {
      replaced.push_back(seq);
    }
  }
  if (others >= limits_.pending_per_device) return fail(ErrorCode::kOverloaded, "too many wait");
  if (seq_of_.contains(push.id.str())) return fail(ErrorCode::kConflict, "exists");
  for (const std::int64_t seq : sent) static_cast<void>(step_now(sent_ahead_.at(seq)));
  for (const std::int64_t seq : replaced) {
    move_to(pushes_.at(seq), {seq, PushState::kSuperseded, now, 0,
                              fmt::format("replaced by {}", push.id.str()), ""});
  }
  const WallTime accepted = push.reached[index_of(PushState::kAccepted)].value_or(now);
  push.reached = {};
  push.reached[index_of(PushState::kAccepted)] = accepted;
  push.reached[index_of(PushState::kStored)] = now;
  push.state = PushState::kStored;
  push.attempts = 0;
  push.reason.clear();
  push.result.clear();
  push.seq = ++last_seq_;
  seq_of_.emplace(push.id.str(), push.seq);
  waiting(push).insert(push.seq);
  pushes_.emplace(push.seq, push);
  return push;
}

void MemoryStore::step(PushStep step, std::shared_ptr<server::StepSink> sink) {
  post([this, step = std::move(step), sink = std::move(sink)] {
    const auto status = full_ ? Status(fail(no_room())) : step_now(step);
    missed_ |= full_;
    if (!full_) sent_ahead_.erase(step.seq);
    if (sink != nullptr) sink->written(PushStep(step), status);
  });
}

Status MemoryStore::step_now(const PushStep& step) {
  const auto found = pushes_.find(step.seq);
  if (found == pushes_.end()) return fail(ErrorCode::kNotFound, "no push");
  if (step.sent) {
    static_cast<void>(step_now({step.seq, PushState::kSent, *step.sent, step.attempts}));
  }
  PushRecord& push = found->second;
  end_if_due(push, step.at);
  if (may_follow(push.state, step.state)) {
    move_to(push, step);
    return {};
  }
  if (is_final(step.state)) return {};
  auto& reached = push.reached[index_of(step.state)];
  const bool again = step.state == PushState::kSent && push.state == PushState::kSent;
  if (!reached || again) reached = step.at;
  if (step.state == PushState::kSent && !is_final(push.state)) {
    push.attempts = std::max(push.attempts, step.attempts);
  }
  return {};
}

void MemoryStore::cancel(const Ulid& id, std::string reason, Cancelled done) {
  post([this, id, reason = std::move(reason), done = std::move(done)] {
    done(cancel_now(id, reason));
  });
}

Result<PushRecord> MemoryStore::cancel_now(const Ulid& id, const std::string& reason) {
  const auto found = seq_of_.find(id.str());
  if (found == seq_of_.end()) return fail(ErrorCode::kNotFound, "no push");
  PushRecord& push = pushes_.at(found->second);
  end_if_due(push, clock_.wall());
  if (push.state >= PushState::kSent) return fail(ErrorCode::kConflict, "too late");
  move_to(push, {push.seq, PushState::kCancelled, clock_.wall(), 0, reason, ""});
  return push;
}

void MemoryStore::note(PushRecord& push, const PushStep& step) {
  push.state = step.state;
  push.reached[index_of(step.state)] = step.at;
  push.attempts = std::max(push.attempts, step.attempts);
  push.reason = step.reason;
  push.result = step.result;
}

void MemoryStore::move_to(PushRecord& push, const PushStep& step) {
  note(push, step);
  if (step.state >= PushState::kAcked) waiting(push).erase(push.seq);
}

// The end of its time, when that is over at NOW.
std::optional<PushStep> MemoryStore::end_of(const PushRecord& push, WallTime now) const {
  if (is_final(push.state)) return std::nullopt;
  const WallTime end = server::end_of_time(push.state, push.expires);
  if (end > now) return std::nullopt;
  return PushStep{push.seq, PushState::kExpired, end, 0, std::string(why_expired(push.state)), ""};
}

void MemoryStore::end_if_due(PushRecord& push, WallTime now) {
  if (const auto end = end_of(push, now)) move_to(push, *end);
}

void MemoryStore::expire(WallTime now) {
  post([this, now] { expire_now(now); });
}

void MemoryStore::expire_now(WallTime now) {
  std::erase_if(pushes_, [&](const auto& entry) {
    const PushRecord& push = entry.second;
    const bool old =
        is_final(push.state) && *push.reached[index_of(push.state)] + limits_.keep_history <= now;
    if (old) seq_of_.erase(std::string(push.id.str()));
    return old;
  });
  for (auto& [seq, push] : pushes_) end_if_due(push, now);
}

Result<std::optional<PushRecord>> MemoryStore::find_push(const Ulid& id) const {
  if (broken_) return fail(ErrorCode::kFailed, "the disk is broken");
  const auto found = seq_of_.find(id.str());
  if (found == seq_of_.end()) return std::nullopt;
  PushRecord push = pushes_.at(found->second);
  if (const auto end = end_of(push, clock_.wall())) note(push, *end);
  return push;
}

Result<std::vector<PushRecord>> MemoryStore::pending(const DeviceId& device, WallTime now,
                                                     std::int64_t after, std::size_t limit,
                                                     std::optional<server::PushLane> lane) const {
  if (broken_) return fail(ErrorCode::kFailed, "the disk is broken");
  std::vector<PushRecord> result;
  const auto found = waiting_.find(device.str());
  if (found == waiting_.end()) return result;
  for (auto seq = found->second.upper_bound(after); seq != found->second.end(); ++seq) {
    const PushRecord& push = pushes_.at(*seq);
    if (push.expires <= now) continue;
    if (lane && server::lane_of(push.kind) != *lane) continue;
    if (result.size() == limit) break;
    result.push_back(push);
  }
  return result;
}

}  // namespace kscpush::test
