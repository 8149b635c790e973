#include "core/file.hpp"

#include <cerrno>
#include <cstdio>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/descriptor.hpp"
#include "core/file_lock.hpp"
#include "core/file_read.hpp"

namespace kscpush {
namespace {

namespace fs = std::filesystem;

ErrorCode code_of(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kDenied;
    case EEXIST:
      return ErrorCode::kConflict;
    default:
      return ErrorCode::kFailed;
  }
}

std::string hint_of(const fs::path& path, int error_number) {
  const fs::path folder = folder_of(path);
  switch (error_number) {
    case ENOSPC:
      return fmt::format("free some space: df -h {}", folder.string());
    case EDQUOT:
      return "the user's disk quota is used up: quota";
    case EROFS:
      return fmt::format("the file system is mounted read-only: findmnt -T {}", folder.string());
    case EACCES:
    case EPERM:
      return fmt::format("look at the permissions: ls -ld {} {}", folder.string(), path.string());
    case ENOENT:
    case ENOTDIR:
      return fmt::format("look at what is there: ls -l {}", folder.string());
    case EEXIST:
      return "remove it first, or choose another name";
    case EIO:
      return "the disk reports an error: dmesg | tail";
    case EBUSY:
      return "it is mounted as a single file; mount its folder instead";
    case EMFILE:
    case ENFILE:
      return "too many files are open: ulimit -n";
    default:
      return {};
  }
}

// A file that goes away again unless it is kept.
class NewFile {
 public:
  explicit NewFile(fs::path path) : path_(std::move(path)) {}
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile() {
    if (created_) ::unlink(path_.c_str());
  }

  struct Attributes {
    mode_t mode = 0600;
    bool set_owner = false;
    uid_t user = 0;
    gid_t group = 0;
  };

  Status write(std::string_view content, const Attributes& attributes, DiskCalls& disk) {
    int number = -1;
    if (const int error = disk.create(path_, number)) {
      return fail(file_error("create", path_, error));
    }
    created_ = true;
    const Descriptor file(number);
    if (const int error = disk.write(number, content)) {
      return fail(file_error("write", path_, error));
    }
    if (attributes.set_owner) {
      if (const int error = disk.set_owner(number, attributes.user, attributes.group)) {
        Error failed = file_error("keep the owner of the edited file in", path_, error);
        failed.hint = "run the command as the owner of the file, or as root";
        return fail(std::move(failed));
      }
    }
    // After the owner: a change of owner clears bits of the mode.
    if (const int error = disk.set_mode(number, attributes.mode)) {
      return fail(file_error("set the mode of", path_, error));
    }
    if (const int error = disk.sync(number)) return fail(file_error("sync", path_, error));
    return {};
  }

  void keep() { created_ = false; }

 private:
  fs::path path_;
  bool created_ = false;
};

// The file that is to be edited, behind its symbolic links.
struct Target {
  fs::path path;
  struct stat status {};
};

Result<Target> find_target(const fs::path& path) {
  std::error_code error;
  Target target{fs::canonical(path, error), {}};
  if (error) return fail(file_error("find", path, error.value()));
  if (::stat(target.path.c_str(), &target.status) != 0) {
    return fail(file_error("look at", target.path, errno));
  }
  if (!S_ISREG(target.status.st_mode)) {
    return fail(ErrorCode::kUsage, "cannot edit {}: not a regular file", target.path.string());
  }
  // Asked of the mode first: root may write anything, but whoever took the write bits away meant
  // it.
  if ((target.status.st_mode & 0222U) == 0) {
    return fail({ErrorCode::kDenied,
                 fmt::format("cannot edit {}: the file is read-only", target.path.string()),
                 fmt::format("allow it: chmod u+w {}", target.path.string())});
  }
  if (::faccessat(AT_FDCWD, target.path.c_str(), W_OK, AT_EACCESS) != 0) {
    return fail(file_error("edit", target.path, errno));
  }
  return target;
}

Status check_unchanged(const fs::path& path, std::string_view expected) {
  const auto now = read_file(path, expected.size());
  if (now && *now == expected) return {};
  if (!now && now.error().code != ErrorCode::kTooLarge) return fail(now.error());
  return fail({ErrorCode::kConflict,
               fmt::format("{} was changed by someone else since it was read", path.string()),
               "nothing was written; run the command again to work on the new content"});
}

}  // namespace

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

Error file_error(std::string_view what, const fs::path& path, int error_number) {
  return {code_of(error_number),
          fmt::format("cannot {} {}: {}", what, path.string(),
                      std::generic_category().message(error_number)),
          hint_of(path, error_number)};
}

int DiskCalls::create(const fs::path& path, int& descriptor) {
  descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  return descriptor < 0 ? errno : 0;
}

int DiskCalls::write(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) return errno;
    if (count == 0) return EIO;
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return 0;
}

int DiskCalls::set_owner(int descriptor, uid_t user, gid_t group) {
  return ::fchown(descriptor, user, group) == 0 ? 0 : errno;
}

int DiskCalls::set_mode(int descriptor, mode_t mode) {
  return ::fchmod(descriptor, mode) == 0 ? 0 : errno;
}

int DiskCalls::sync(int descriptor) {
  return ::fsync(descriptor) == 0 ? 0 : errno;
}

int DiskCalls::rename(const fs::path& from, const fs::path& to) {
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

DiskCalls& DiskCalls::system() {
  static DiskCalls calls;
  return calls;
}

Result<std::string> read_file(const fs::path& path, std::size_t max_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fail(file_error("read", path, errno));
  return read_all(file, path, max_bytes);
}

Status write_new_file(const fs::path& path, std::string_view content, mode_t mode,
                      DiskCalls& disk) {
  NewFile file(path);
  if (auto written = file.write(content, {.mode = mode}, disk); !written) return written;
  auto synced = sync_folder_of(path, disk);
  if (synced) file.keep();
  return synced;
}

Status take_place(const fs::path& fresh, const fs::path& path, DiskCalls& disk) {
  if (const int error = disk.rename(fresh, path)) return fail(file_error("replace", path, error));
  auto synced = sync_folder_of(path, disk);
  if (synced) return {};
  Error failed = synced.error();
  failed.message += "; the new content is in place but may not survive a power failure";
  return fail(std::move(failed));
}

Status sync_folder_of(const fs::path& path, DiskCalls& disk) {
  const Descriptor folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return fail(file_error("open the folder of", path, errno));
  const int error = disk.sync(folder.get());
  if (error == 0 || error == EINVAL) return {};  // a file system without the notion
  return fail(file_error("sync the folder of", path, error));
}

Status check_replaceable(const fs::path& path, std::string_view expected_old) {
  const auto target = find_target(path);
  if (!target) return fail(target.error());
  return check_unchanged(target->path, expected_old);
}

Status replace_file(const fs::path& path, std::string_view content, std::string_view expected_old,
                    const ReplaceOptions& options) {
  if (content == expected_old) return {};
  DiskCalls& disk = options.disk == nullptr ? DiskCalls::system() : *options.disk;
  const auto target = find_target(path);
  if (!target) return fail(target.error());
  const fs::path folder = folder_of(target->path);
  const std::string name = target->path.filename().string();
  const auto lock =
      FileLock::acquire(folder / ("." + name + ".kscpush-lock"), target->path.string(),
                        options.lock_wait, FileLock::Afterwards::kRemoveFile);
  if (!lock) return fail(lock.error());
  if (auto unchanged = check_unchanged(target->path, expected_old); !unchanged) return unchanged;
  // One name for all: what a crash left there is ours to remove, as we hold the lock.
  const fs::path temporary = folder / ("." + name + ".kscpush-new");
  ::unlink(temporary.c_str());
  NewFile file(temporary);
  const struct stat& old = target->status;
  auto written =
      file.write(content, {old.st_mode & 07777U, /*set_owner=*/true, old.st_uid, old.st_gid}, disk);
  if (!written) return written;
  // Again, as an editor does not know the lock.
  if (auto unchanged = check_unchanged(target->path, expected_old); !unchanged) return unchanged;
  auto placed = take_place(temporary, target->path, disk);
  if (placed) file.keep();
  return placed;
}

}  // namespace kscpush
