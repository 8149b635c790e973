// Connections for reading, for callers on several threads.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "core/result.hpp"
#include "server/store/database.hpp"

namespace kscpush::server {

// Thread safe. Each use holds one connection; while there are no more threads than connections
// nobody waits.
class Readers {
 public:
  [[nodiscard]] static Result<Readers> open(const std::filesystem::path& path, std::size_t count);

  // Calls READ with a connection and returns what it returns. READ must not use the readers again.
  template <class Read>
  auto use(Read&& read) const {
    Slot& slot = pick();
    const std::unique_lock lock(slot.mutex, std::adopt_lock);
    return std::forward<Read>(read)(slot.database);
  }

  // Of all connections: Database::forget_pages().
  void forget_pages() const;

 private:
  struct Slot {
    explicit Slot(Database opened) : database(std::move(opened)) {}
    std::mutex mutex;
    Database database;  // guarded by mutex
  };
  [[nodiscard]] Slot& pick() const;  // locked

  std::vector<std::unique_ptr<Slot>> slots_;
};

}  // namespace kscpush::server
