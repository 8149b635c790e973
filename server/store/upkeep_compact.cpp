#include <chrono>
#include <thread>

#include "core/file_lock.hpp"
#include "server/store/schema.hpp"
#include "server/store/upkeep.hpp"
#include "server/store/usage.hpp"

namespace kscpush::server {
namespace {

namespace fs = std::filesystem;

// A megabyte at a time; then the server gets its turn for as long as that may have taken.
constexpr std::string_view kFreeSome = "PRAGMA incremental_vacuum(256)";
constexpr std::chrono::milliseconds kServersTurn{20};
constexpr int kIncremental = 2;  // of PRAGMA auto_vacuum

std::int64_t bytes_on_disk(const fs::path& path) {
  std::int64_t sum = 0;
  for (const char* suffix : {"", "-wal"}) {
    std::error_code error;
    const auto size = fs::file_size(path.string() + suffix, error);
    if (!error) sum += static_cast<std::int64_t>(size);
  }
  return sum;
}

// Works the log off and cuts it; not possible at once while somebody reads, and then left to them.
Status cut_log(Database& database) {
  return database.script("PRAGMA wal_checkpoint(TRUNCATE)");
}

Status write_anew(Database& database, const UpkeepProgress& progress) {
  const auto used = used_bytes(database);
  if (!used) return fail(used.error());
  const fs::path folder = database.path().parent_path();
  std::error_code error;
  const auto space = fs::space(folder, error);
  // Twice: the new one goes through the log before it takes the place of the old.
  const auto needed = static_cast<std::uintmax_t>(*used) * 2;
  if (!error && space.available < needed) {
    return fail({ErrorCode::kFailed,
                 fmt::format("compacting {} takes {} MiB, and {} MiB are free",
                             database.path().string(), needed >> 20U, space.available >> 20U),
                 fmt::format("free some space: df -h {}", folder.string())});
  }
  progress(0, 1);
  if (auto done = database.script("PRAGMA auto_vacuum = INCREMENTAL; VACUUM"); !done) return done;
  return cut_log(database);
}

Status free_pages(Database& database, const UpkeepProgress& progress) {
  const auto mode = database.number("PRAGMA auto_vacuum");
  if (!mode) return fail(mode.error());
  if (*mode != kIncremental) {
    return fail({ErrorCode::kConflict,
                 fmt::format("the database {} cannot be compacted while the push server runs yet",
                             database.path().string()),
                 "stop the push server and compact once; from then on it can"});
  }
  std::size_t total = 0;
  for (;;) {
    const auto free = database.number("PRAGMA freelist_count");
    if (!free) return fail(free.error());
    const auto left = static_cast<std::size_t>(*free);
    total = std::max(total, left);
    progress(total - left, total);
    if (left == 0) break;
    if (auto freed = database.script(std::string(kFreeSome)); !freed) return freed;
    std::this_thread::sleep_for(kServersTurn);
  }
  return cut_log(database);
}

}  // namespace

Result<Compaction> compact_store(const fs::path& directory, const UpkeepProgress& progress) {
  // Before a file is opened that writing would create.
  if (auto there = open_to_read(directory); !there) return fail(there.error());
  const auto lock = FileLock::acquire(
      directory / "lock", fmt::format("the state directory {}", directory.string()),
      std::chrono::milliseconds(0), FileLock::Afterwards::kKeepFile);
  if (!lock && lock.error().code != ErrorCode::kConflict) return fail(lock.error());
  auto database = Database::open(database_in(directory), Database::Access::kReadWrite);
  if (!database) return fail(database.error());
  Compaction result{bytes_on_disk(database->path()), 0, !lock};
  const auto done = lock ? write_anew(*database, progress) : free_pages(*database, progress);
  if (!done) return fail(done.error());
  result.after = bytes_on_disk(database->path());
  return result;
}

}  // namespace kscpush::server
