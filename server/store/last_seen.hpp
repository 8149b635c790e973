// When devices were seen last, ahead of the disk.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/clock.hpp"
#include "core/ids.hpp"

namespace kscpush::server {

// Thread safe. Bounded: of more devices than LIMIT between two writes the surplus is not noted.
class LastSeen {
 public:
  using Entry = std::pair<std::string, WallTime>;  // by device id
  explicit LastSeen(std::size_t limit) : limit_(limit) {}

  void note(const DeviceId& id, WallTime seen);
  // The later of what is noted and WRITTEN.
  [[nodiscard]] std::optional<WallTime> latest(const DeviceId& id,
                                               std::optional<WallTime> written) const;
  // Up to COUNT entries to write. They stay noted until written() is told so.
  [[nodiscard]] std::vector<Entry> some(std::size_t count) const;
  // Forgets the entries, except those that have been seen again since.
  void written(const std::vector<Entry>& entries);

 private:
  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, WallTime> entries_;  // guarded by mutex_
};

}  // namespace kscpush::server
