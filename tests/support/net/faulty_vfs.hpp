// A disk under SQLite that fills up, fails and loses power when a test says so.
//
// While it exists it is the default file system of SQLite in this process; it passes everything on
// to the real one and keeps account of what a power failure would leave. Nothing is really synced,
// so that hundreds of stores fit into a test's time. Faults may be set while a store runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include <sqlite3.h>

namespace kscpush::test {

class FaultyVfs {
 public:
  FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;
  ~FaultyVfs();  // after everything that uses it is closed

  // From the Nth write (sync) on (0: the next) each fails with CODE, until recover(). What is
  // written when a sync fails is lost to later ones: Linux reports it once and calls it clean.
  void fail_writes(int code, int after = 0);
  void fail_syncs(int code, int after = 0);
  void recover();
  [[nodiscard]] std::uint64_t faults() const;  // how many there were

  // Called on the thread that syncs, before the sync takes effect. To be set before SQLite is used.
  void on_sync(std::function<void()> call) { on_sync_ = std::move(call); }

  // What a power failure at this moment leaves of the files, in FOLDER: what was synced, and of
  // what was written since, any of the sectors.
  void write_image(const std::filesystem::path& folder, std::mt19937& random) const;

 private:
  friend struct FaultyFile;
  struct Fault {
    int code = SQLITE_OK;
    int after = 0;
    int count = 0;
    int next() { return ++count > after ? code : SQLITE_OK; }
  };
  struct Write {
    std::size_t at = 0;
    std::string bytes;
    bool cut = false;  // the file ends at AT
  };
  struct Content {
    std::string synced;
    std::vector<Write> since;
  };
  static void apply(const Write& write, std::string& content);

  static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out);
  static int remove(sqlite3_vfs* vfs, const char* name, int sync_folder);

  sqlite3_vfs* real_;
  sqlite3_vfs vfs_{};

  mutable std::mutex mutex_;
  Fault write_fault_;  // guarded by mutex_, as are the next three
  Fault sync_fault_;
  std::uint64_t faults_ = 0;
  std::map<std::string, Content> files_;  // by path
  std::function<void()> on_sync_;
};

}  // namespace kscpush::test
