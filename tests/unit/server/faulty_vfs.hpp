// A disk under SQLite that fills up, fails and loses power when a test says so.
//
// While it exists it is the default file system of SQLite in this process; it passes everything on
// to the real one. Faults may be set while a store runs.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <string>

#include <sqlite3.h>

namespace kscpush::server {

class FaultyVfs {
 public:
  FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;
  ~FaultyVfs();  // after everything that uses it is closed

  // From the Nth write on (0: the next) each fails with CODE, until recover().
  void fail_writes(int code, int after = 0);
  void fail_syncs(int code, int after = 0);
  void recover();

  // Called on the thread that syncs, before the sync takes effect. To be set before SQLite is used.
  void on_sync(std::function<void()> call) { on_sync_ = std::move(call); }

  // What a power failure at this moment leaves of the files, in FOLDER: what was synced, and of
  // what was written since, any of the blocks.
  void write_image(const std::filesystem::path& folder, std::mt19937& random) const;

 private:
  friend struct FaultyFile;
  struct Fault {
    int code = SQLITE_OK;
    int after = 0;
    int count = 0;
    int next() { return ++count > after ? code : SQLITE_OK; }
  };

  static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out);
  static int remove(sqlite3_vfs* vfs, const char* name, int sync_folder);

  sqlite3_vfs* real_;
  sqlite3_vfs vfs_{};

  mutable std::mutex mutex_;
  Fault write_fault_;                          // guarded by mutex_
  Fault sync_fault_;                           // guarded by mutex_
  std::map<std::string, std::string> synced_;  // path to content; guarded by mutex_
  std::function<void()> on_sync_;
};

}  // namespace kscpush::server
