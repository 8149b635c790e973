#include "server/store/last_seen.hpp"

#include <algorithm>

namespace kscpush::server {

void LastSeen::note(const DeviceId& id, WallTime seen) {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(id.str());
  if (found != entries_.end()) {
    found->second = std::max(found->second, seen);
  } else if (entries_.size() < limit_) {
    entries_.emplace(id.str(), seen);
  }
}

std::optional<WallTime> LastSeen::latest(const DeviceId& id,
                                         std::optional<WallTime> written) const {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(id.str());
  if (found == entries_.end()) return written;
  return written ? std::max(*written, found->second) : found->second;
}

std::vector<LastSeen::Entry> LastSeen::some(std::size_t count) const {
  const std::scoped_lock lock(mutex_);
  std::vector<Entry> entries;
  entries.reserve(std::min(count, entries_.size()));
  for (const auto& [id, seen] : entries_) {
    if (entries.size() == count) break;
    entries.emplace_back(id, seen);
  }
  return entries;
}

void LastSeen::written(const std::vector<Entry>& entries) {
  const std::scoped_lock lock(mutex_);
  for (const auto& [id, seen] : entries) {
    const auto found = entries_.find(id);
    if (found != entries_.end() && found->second == seen) entries_.erase(found);
  }
}

}  // namespace kscpush::server
