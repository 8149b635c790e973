#include "server/store/readers.hpp"

#include <functional>
#include <thread>

namespace kscpush::server {

Result<Readers> Readers::open(const std::filesystem::path& path, std::size_t count) {
  Readers readers;
  for (std::size_t i = 0; i < count; ++i) {
    auto database = Database::open(path, Database::Access::kReadOnly);
    if (!database) return fail(database.error());
    // What is read is one row here and there, and the system's own cache has it: SQLite's, 2 MB
    // each, would fill with rows that are asked for once.
    if (auto small = database->script("PRAGMA cache_size = -256"); !small) {
      return fail(small.error());
    }
    readers.slots_.push_back(std::make_unique<Slot>(std::move(*database)));
  }
  return readers;
}

void Readers::forget_pages() const {
  for (const auto& slot : slots_) {
    const std::scoped_lock lock(slot->mutex);
    slot->database.forget_pages();
  }
}

Readers::Slot& Readers::pick() const {
  // A thread comes back to the connection whose pages it has warmed.
  const std::size_t home = std::hash<std::thread::id>()(std::this_thread::get_id());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = *slots_[(home + i) % slots_.size()];
    if (slot.mutex.try_lock()) return slot;
  }
  Slot& slot = *slots_[home % slots_.size()];
  slot.mutex.lock();
  return slot;
}

}  // namespace kscpush::server
