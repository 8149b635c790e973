#include "server/store/last_seen.hpp"

#include <algorithm>

namespace kscpush::server {

void LastSeen::note(const DeviceId& id, WallTime seen, std::string_view address) {
  const std::scoped_lock lock(mutex_);
  auto found = entries_.find(id.str());
  if (found == entries_.end()) {
    if (entries_.size() == limit_) return;
    found = entries_.emplace(id.str(), Sight{seen, ""}).first;
  }
  Sight& sight = found->second;
  if (!address.empty() && seen >= sight.seen) sight.address = address;
  sight.seen = std::max(sight.seen, seen);
}

void LastSeen::update(DeviceRecord& device) const {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(device.id.str());
  if (found == entries_.end()) return;
  const Sight& sight = found->second;
  if (device.last_seen && *device.last_seen > sight.seen) return;
  device.last_seen = sight.seen;
  if (!sight.address.empty()) device.address = sight.address;
}

std::size_t LastSeen::size() const {
  const std::scoped_lock lock(mutex_);
  return entries_.size();
}

std::vector<LastSeen::Entry> LastSeen::some(std::size_t count) const {
  const std::scoped_lock lock(mutex_);
  std::vector<Entry> entries;
  entries.reserve(std::min(count, entries_.size()));
  for (const auto& [id, sight] : entries_) {
    if (entries.size() == count) break;
    entries.push_back({id, sight.seen, sight.address});
  }
  return entries;
}

void LastSeen::written(const std::vector<Entry>& entries) {
  const std::scoped_lock lock(mutex_);
  for (const Entry& entry : entries) {
    const auto found = entries_.find(entry.id);
    if (found == entries_.end()) continue;
    const Sight& sight = found->second;
    if (sight.seen == entry.seen && sight.address == entry.address) entries_.erase(found);
  }
}

}  // namespace kscpush::server
