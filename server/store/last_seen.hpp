// When and where devices were seen last, and how their connections ended, ahead of the disk.
#pragma once

#include <memory_resource>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/clock.hpp"
#include "server/store/device_record.hpp"
#include "server/store/disconnects.hpp"

namespace kscpush::server {

// Thread safe. Bounded: of more devices than LIMIT between two writes the surplus is not noted.
class LastSeen {
 public:
  struct Entry {
    std::string id;
    WallTime seen{};
    std::string address;  // empty: not known
    std::string ends;     // of connections: encode(Disconnect) of each, newest first
    std::uint32_t ended = 0;
    std::optional<WallTime> certificate_ends{};  // nothing: not known
  };
  explicit LastSeen(std::size_t limit) : limit_(limit) {}

  // ADDRESS may be empty; then the one noted before stands.
  void note(const DeviceId& id, WallTime seen, std::string_view address);
  // The end of the certificate that it has connected with.
  void note_certificate(const DeviceId& id, WallTime seen, WallTime ends);
  // A connection of it ended.
  void note_end(const DeviceId& id, const Disconnect& end);
  // Those that are noted, newest first.
  [[nodiscard]] std::vector<Disconnect> ends(const DeviceId& id) const;
  // Where it was seen last, where that is noted.
  [[nodiscard]] std::optional<std::string> address(const DeviceId& id) const;
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
    std::string ends;
    std::uint32_t ended = 0;  // how many there were since the last write
    std::optional<WallTime> certificate_ends{};
  };
  using Entries = std::pmr::unordered_map<std::string, Sight>;
  [[nodiscard]] Sight* sight_of(const DeviceId& id, WallTime seen);  // mutex_ held
  const std::size_t limit_;
  mutable std::mutex mutex_;
  // Guarded by mutex_. Apart from the heap, where each entry of a storm would leave a hole between
  // two connections that stay.
  std::pmr::unsynchronized_pool_resource pool_;
  Entries entries_{&pool_};
};

}  // namespace kscpush::server
