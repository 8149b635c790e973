#include "server/store/last_seen.hpp"

#include <algorithm>

namespace kscpush::server {

LastSeen::Sight* LastSeen::sight_of(const DeviceId& id, WallTime seen) {
  const auto found = entries_.find(id.str());
  if (found != entries_.end()) return &found->second;
  if (entries_.size() == limit_) return nullptr;
  return &entries_.emplace(id.str(), Sight{.seen = seen, .address = "", .ends = ""}).first->second;
}

void LastSeen::note(const DeviceId& id, WallTime seen, std::string_view address) {
  const std::scoped_lock lock(mutex_);
  Sight* const sight = sight_of(id, seen);
  if (sight == nullptr) return;
  if (!address.empty() && seen >= sight->seen) sight->address = address;
  sight->seen = std::max(sight->seen, seen);
}

void LastSeen::note_certificate(const DeviceId& id, WallTime seen, WallTime ends) {
  const std::scoped_lock lock(mutex_);
  if (Sight* const sight = sight_of(id, seen)) sight->certificate_ends = ends;
}

void LastSeen::note_end(const DeviceId& id, const Disconnect& end) {
  const std::scoped_lock lock(mutex_);
  Sight* const sight = sight_of(id, end.at);
  if (sight == nullptr) return;
  sight->seen = std::max(sight->seen, end.at);
  sight->ends.insert(0, encode(end));
  if (sight->ends.size() > kKeptDisconnects * kDisconnectBytes) {
    sight->ends.resize(kKeptDisconnects * kDisconnectBytes);
  }
  ++sight->ended;
}

std::vector<Disconnect> LastSeen::ends(const DeviceId& id) const {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(id.str());
  if (found == entries_.end()) return {};
  return decode_disconnects(found->second.ends);
}

std::optional<std::string> LastSeen::address(const DeviceId& id) const {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(id.str());
  if (found == entries_.end() || found->second.address.empty()) return std::nullopt;
  return found->second.address;
}

void LastSeen::update(DeviceRecord& device) const {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(device.id.str());
  if (found == entries_.end()) return;
  const Sight& sight = found->second;
  if (sight.certificate_ends) device.certificate_ends = sight.certificate_ends;
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
    entries.push_back(
        {id, sight.seen, sight.address, sight.ends, sight.ended, sight.certificate_ends});
  }
  return entries;
}

void LastSeen::written(const std::vector<Entry>& entries) {
  const std::scoped_lock lock(mutex_);
  for (const Entry& entry : entries) {
    const auto found = entries_.find(entry.id);
    if (found == entries_.end()) continue;
    Sight& sight = found->second;
    // The newer ends are in front of those that have been written.
    sight.ended -= entry.ended;
    sight.ends.resize(std::min<std::size_t>(sight.ends.size(), sight.ended * kDisconnectBytes));
    if (sight.ended == 0 && sight.seen == entry.seen && sight.address == entry.address &&
        sight.certificate_ends == entry.certificate_ends) {
      entries_.erase(found);
    }
  }
  if (!entries_.empty()) return;
  entries_ = Entries(&pool_);  // without its table
  pool_.release();
}

}  // namespace kscpush::server
