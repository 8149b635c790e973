#include "server/probe.hpp"

#include <vector>

namespace kscpush::server {

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

std::uint64_t ProbeTable::token_of(const Ulid& id) {
  return std::hash<std::string>{}(id.str()) | kTokenBit;
}

Probe& ProbeTable::add(std::unique_ptr<Probe> probe, MonoTime now) {
  probe->sent_ = now;
  Probe& added = *probe;
  probes_[token_of(added.id_)] = std::move(probe);
  return added;
}

void ProbeTable::acked(std::uint64_t token, MonoTime now) {
  const auto found = probes_.find(token);
  if (found == probes_.end()) return;
  found->second->report_.puback = now - found->second->sent_;
  finish_if_complete(token);
}

bool ProbeTable::answered(const Ulid& id, std::string_view device, MonoTime now) {
  const auto found = probes_.find(token_of(id));
  if (found == probes_.end() || found->second->id_ != id || found->second->device_ != device) {
    return false;
  }
  found->second->report_.answer = now - found->second->sent_;
  finish_if_complete(found->first);
  return true;
}

void ProbeTable::finish_if_complete(std::uint64_t token) {
  const auto found = probes_.find(token);
  const Probe& probe = *found->second;
  const bool acknowledged = !probe.wants_puback_ || probe.report_.puback;
  const bool answered = probe.report_.agent.empty() || probe.report_.answer;
  if (!acknowledged || !answered) return;
  const auto node = probes_.extract(found);
  node.mapped()->done_(node.mapped()->report_);
}

void ProbeTable::fail(const Probe& probe, Error error) {
  const auto node = probes_.extract(token_of(probe.id_));
  if (!node.empty()) node.mapped()->done_(kscpush::fail(std::move(error)));
}

void ProbeTable::fail_all_of(std::string_view device, const Error& error) {
  std::vector<const Probe*> of_device;
  for (const auto& [token, probe] : probes_) {
    if (probe->device_ == device) of_device.push_back(probe.get());
  }
  for (const Probe* probe : of_device) fail(*probe, error);
}

void ProbeTable::fail_all(const Error& error) {
  while (!probes_.empty()) fail(*probes_.begin()->second, error);
}

}  // namespace kscpush::server
