#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

#include "core/descriptor.hpp"
#include "core/file.hpp"
#include "server/store/pushes.hpp"
#include "server/store/schema.hpp"
#include "server/store/upkeep.hpp"

namespace kscpush::server {
namespace {

namespace fs = std::filesystem;

// The file under a name of its own until it is whole.
class Unfinished {
 public:
  explicit Unfinished(const fs::path& target)
      : path_(target.string() + fmt::format(".{}.unfinished", ::getpid())) {}
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  ~Unfinished() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

  // Refuses to take the place of anything.
  Status become(const fs::path& target) {
    if (auto synced = sync(); !synced) return synced;
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0) {
      return fail(file_error("create", target, errno));
    }
    path_.clear();
    return sync_folder_of(target);
  }

 private:
  Status sync() const {
    const Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return fail(file_error("open", path_, errno));
    if (::fsync(file.get()) != 0) return fail(file_error("sync", path_, errno));
    return {};
  }
  fs::path path_;
};

// One plain file: without a log, that is, which the copy would otherwise ask for.
Status copy(Database& from, const fs::path& to, const UpkeepProgress& progress) {
  auto target = Database::open(to, Database::Access::kReadWrite);
  if (!target) return fail(target.error());
  // What a crash leaves of it is thrown away, and what is kept is synced as a whole.
  if (auto fast = target->script("PRAGMA synchronous = OFF"); !fast) return fast;
  if (auto copied = from.copy_to(*target, progress); !copied) return copied;
  // By the time it is restored all of them may have been sent. Older versions have no place for
  // that.
  const auto marks = target->number("SELECT count(*) FROM sqlite_master WHERE name = 'push_mark'");
  if (!marks) return fail(marks.error());
  if (*marks > 0) {
    if (auto marked = pushes::mark_perhaps_sent(*target); !marked) return marked;
  }
  return target->script("PRAGMA journal_mode = DELETE");
}

Result<StoreCheck> verify(const fs::path& path, WallTime now) {
  auto copied = Database::open(path, Database::Access::kReadOnly);
  if (!copied) return fail(copied.error());
  return check_database(*copied, /*quick=*/false, now, [](std::size_t, std::size_t) {});
}

}  // namespace

Result<Backup> back_up_store(const fs::path& directory, const fs::path& target, WallTime now,
                             const UpkeepProgress& progress) {
  auto database = open_to_read(directory);
  if (!database) return fail(database.error());
  std::error_code error;
  if (fs::exists(fs::symlink_status(target, error))) {
    return fail(file_error("create", target, EEXIST));
  }
  // In one transaction, so that the copy is of one moment and nothing makes it begin anew.
  if (auto begun = database->run("BEGIN"); !begun) return fail(begun.error());
  const auto devices = database->number("SELECT count(*) FROM devices");
  if (!devices) return fail(devices.error());
  const auto pushes = database->number("SELECT count(*) FROM pushes");
  if (!pushes) return fail(pushes.error());
  Unfinished file(target);
  if (auto copied = copy(*database, file.path(), progress); !copied) return fail(copied.error());
  const auto verified = verify(file.path(), now);
  if (!verified) return fail(verified.error());
  if (!verified->problems.empty() || verified->devices != *devices || verified->pushes != *pushes) {
    return fail(
        {ErrorCode::kFailed,
         fmt::format("the copy does not hold: {}",
                     verified->problems.empty() ? "rows are missing" : verified->problems.front()),
         "check the store itself: kscpush store check"});
  }
  if (auto kept = file.become(target); !kept) return fail(kept.error());
  return Backup{verified->bytes, *devices, *pushes};
}

}  // namespace kscpush::server
