// When and where devices were seen last, ahead of the disk.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/clock.hpp"
#include "server/store/device_record.hpp"

namespace kscpush::server {

// Thread safe. Bounded: of more devices than LIMIT between two writes the surplus is not noted.
class LastSeen {
 public:
  struct Entry {
    std::string id;
    WallTime seen{};
    std::string address;  // empty: not known
  };
  explicit LastSeen(std::size_t limit) : limit_(limit) {}

  // ADDRESS may be empty; then the one noted before stands.
  void note(const DeviceId& id, WallTime seen, std::string_view address);
  // Brings what was read from the disk up to date.
  void update(DeviceRecord& device) const;
  [[nodiscard]] std::size_t size() const;
  // Up to COUNT entries to write. They stay noted until written() is told so.
  [[nodiscard]] std::vector<Entry> some(std::size_t count) const;
  // Forgets the entries, except those that have been seen again since.
  void written(const std::vector<Entry>& entries);

 private:
  struct Sight {
    WallTime seen{};
    std::string address;
  };
  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Sight> entries_;  // guarded by mutex_
};

}  // namespace kscpush::server
