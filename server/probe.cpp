#include "server/probe.hpp"

#include <algorithm>

namespace kscpush::server {

ProbeOrder::ProbeOrder(WallTime now, Duration wait, std::string_view kind, std::string_view params)
    : id(Ulid::generate(now)), timeout(wait), is_ping(kind == "ping") {
  const auto ttl = std::chrono::ceil<std::chrono::seconds>(timeout);
  expires = now + ttl;
  payload = encode_push(id, kind, 1, ttl, params);
}

void Probe::on_timer(MonoTime /*now*/) {
  std::string message = fmt::format("device '{}' is connected but did not answer in time", device_);
  if (report_.puback) {
    message = fmt::format(
        "device '{}' acknowledged after {:.1f} ms, but its agent did not answer in time", device_,
        std::chrono::duration<double, std::milli>(*report_.puback).count());
  }
  table_.fail(*this, Error{ErrorCode::kNoAnswer, std::move(message),
                           "a larger --timeout waits longer; a connection that is dead is noticed "
                           "after 1.5 times its keep alive"});
}

bool Probe::complete() const {
  return (!awaited_.puback || report_.puback) && (!awaited_.answer || report_.answer);
}

std::uint64_t ProbeTable::token_of(const Ulid& id) {
  return std::hash<std::string_view>{}(id.str()) | kTokenBit;
}

Probe& ProbeTable::add(std::unique_ptr<Probe> probe, MonoTime now) {
  probe->sent_ = now;
  Probe& added = *probe;
  probes_.emplace(added.device_, std::move(probe));
  return added;
}

template <class Test>
ProbeTable::Probes::iterator ProbeTable::find(std::string_view device, Test test) {
  const auto [first, last] = probes_.equal_range(device);
  const auto found =
      std::find_if(first, last, [&](const auto& item) { return test(*item.second); });
  return found == last ? probes_.end() : found;
}

void ProbeTable::acked(std::string_view device, std::uint64_t token, MonoTime now) {
  const auto found = find(device, [&](const Probe& probe) { return token_of(probe.id_) == token; });
  if (found == probes_.end()) return;
  found->second->report_.puback = now - found->second->sent_;
  finish_if_complete(found);
}

bool ProbeTable::answered(std::string_view device, const PushAnswer& answer, MonoTime now) {
  const auto found = find(device, [&](const Probe& probe) { return probe.id_ == answer.id; });
  if (found == probes_.end()) return false;
  if (answer.status == PushState::kStarted) return true;
  found->second->report_.said = answer;
  found->second->report_.answer = now - found->second->sent_;
  finish_if_complete(found);
  return true;
}

void ProbeTable::finish_if_complete(Probes::iterator found) {
  if (!found->second->complete()) return;
  const auto node = probes_.extract(found);
  node.mapped()->done_(node.mapped()->report_);
}

void ProbeTable::fail(const Probe& probe, Error error) {
  const auto found =
      find(probe.device_, [&](const Probe& candidate) { return &candidate == &probe; });
  if (found == probes_.end()) return;
  const auto node = probes_.extract(found);
  node.mapped()->done_(kscpush::fail(std::move(error)));
}

void ProbeTable::fail_all_of(std::string_view device, const std::function<Error()>& why) {
  // A callback may ask again: only those of now.
  std::size_t left = probes_.count(device);
  if (left == 0) return;
  const Error error = why();
  for (; left > 0; --left) {
    const auto found = probes_.find(device);
    if (found == probes_.end()) return;
    fail(*found->second, error);
  }
}

void ProbeTable::fail_all(const Error& error) {
  while (!probes_.empty()) fail(*probes_.begin()->second, error);
}

}  // namespace kscpush::server
