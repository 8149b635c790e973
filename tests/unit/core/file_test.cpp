#include "core/file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <set>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file_lock.hpp"
#include "tests/support/temp_dir.hpp"

namespace kscpush {
namespace {

namespace fs = std::filesystem;
using test::TempDir;

constexpr std::size_t kMax = 1 << 20;

void put(const fs::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string get(const fs::path& path) {
  return read_file(path, kMax).value_or("(unreadable)");
}

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777U;
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename());
  return names;
}

// A disk on which one call fails.
class FailingDisk final : public DiskCalls {
 public:
  enum class Call : std::uint8_t { kCreate, kWrite, kOwner, kMode, kSync, kSyncFolder, kRename };
  FailingDisk(Call call, int error) : call_(call), error_(error) {}

  int create(const fs::path& path, int& descriptor) override {
    return call_ == Call::kCreate ? error_ : DiskCalls::create(path, descriptor);
  }
  int write(int descriptor, std::string_view bytes) override {
    if (call_ != Call::kWrite) return DiskCalls::write(descriptor, bytes);
    // As a disk that fills up: some of it gets there.
    DiskCalls::write(descriptor, bytes.substr(0, bytes.size() / 2));
    return error_;
  }
  int set_owner(int descriptor, uid_t user, gid_t group) override {
    return call_ == Call::kOwner ? error_ : DiskCalls::set_owner(descriptor, user, group);
  }
  int set_mode(int descriptor, mode_t mode) override {
    return call_ == Call::kMode ? error_ : DiskCalls::set_mode(descriptor, mode);
  }
  int sync(int descriptor) override {
    ++syncs_;
    const bool fails =
        (call_ == Call::kSync && syncs_ == 1) || (call_ == Call::kSyncFolder && syncs_ == 2);
    return fails ? error_ : DiskCalls::sync(descriptor);
  }
  int rename(const fs::path& from, const fs::path& to) override {
    return call_ == Call::kRename ? error_ : DiskCalls::rename(from, to);
  }

 private:
  Call call_;
  int error_;
  int syncs_ = 0;
};

}  // namespace

TEST_CASE("read_file: the bytes, or why not") {
  const TempDir dir;
  const std::string content("a\0b\r\n\xff", 6);
  put(dir / "f", content);
  CHECK(read_file(dir / "f", 6).value() == content);
  CHECK(read_file(dir / "f", 5).error().code == ErrorCode::kTooLarge);
  const Error missing = read_file(dir / "none", 5).error();
  CHECK(missing.code == ErrorCode::kNotFound);
  CHECK(missing.message ==
        "cannot read " + (dir / "none").string() + ": No such file or directory");
  CHECK_FALSE(missing.hint.empty());
  CHECK(read_file(dir.path(), 5).error().code == ErrorCode::kFailed);
}

TEST_CASE("write_new_file: exact mode, and never over another file") {
  const TempDir dir;
  const mode_t old_mask = ::umask(0777);
  const bool written = write_new_file(dir / "key", "secret", 0640).has_value();
  ::umask(old_mask);
  REQUIRE(written);
  CHECK(mode_of(dir / "key") == 0640);
  CHECK(get(dir / "key") == "secret");
  const auto again = write_new_file(dir / "key", "other", 0600);
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().code == ErrorCode::kConflict);
  CHECK(get(dir / "key") == "secret");
}

TEST_CASE("write_new_file: does not follow a symbolic link to nowhere") {
  const TempDir dir;
  fs::create_symlink(dir / "elsewhere", dir / "link");
  CHECK(write_new_file(dir / "link", "x", 0600).error().code == ErrorCode::kConflict);
  CHECK(names_in(dir.path()) == std::set<std::string>{"link"});
}

TEST_CASE("write_new_file: a failure on the way leaves nothing behind") {
  using Call = FailingDisk::Call;
  for (const Call call :
       {Call::kCreate, Call::kWrite, Call::kMode, Call::kSync, Call::kSyncFolder}) {
    CAPTURE(static_cast<int>(call));
    const TempDir dir;
    FailingDisk disk(call, ENOSPC);
    const auto written = write_new_file(dir / "f", "content", 0600, disk);
    REQUIRE_FALSE(written.has_value());
    CHECK(written.error().message.find("No space left on device") != std::string::npos);
    CHECK(written.error().hint.starts_with("free some space: df -h "));
    CHECK(names_in(dir.path()).empty());
  }
}

TEST_CASE("replace_file: the new content, with the old mode, owner and nothing beside it") {
  const TempDir dir;
  put(dir / "f", "old");
  REQUIRE(::chmod((dir / "f").c_str(), 0640) == 0);
  if (::geteuid() == 0) REQUIRE(::chown((dir / "f").c_str(), 12, 34) == 0);
  struct stat before {};
  REQUIRE(::stat((dir / "f").c_str(), &before) == 0);
  REQUIRE(replace_file(dir / "f", "new", "old").has_value());
  struct stat after {};
  REQUIRE(::stat((dir / "f").c_str(), &after) == 0);
  CHECK(get(dir / "f") == "new");
  CHECK(after.st_mode == before.st_mode);
  CHECK(after.st_uid == before.st_uid);
  CHECK(after.st_gid == before.st_gid);
  CHECK(names_in(dir.path()) == std::set<std::string>{"f"});
}

TEST_CASE("replace_file: an edit that changes nothing writes nothing") {
  const TempDir dir;
  put(dir / "f", "same");
  FailingDisk disk(FailingDisk::Call::kCreate, EIO);
  CHECK(replace_file(dir / "f", "same", "same", {.disk = &disk}).has_value());
}

TEST_CASE("replace_file: symbolic links are followed and stay") {
  const TempDir dir;
  fs::create_directory(dir / "real");
  put(dir / "real" / "f", "old");
  fs::create_symlink("real/f", dir / "inner");
  fs::create_symlink("inner", dir / "outer");
  REQUIRE(replace_file(dir / "outer", "new", "old").has_value());
  CHECK(fs::is_symlink(dir / "outer"));
  CHECK(fs::is_symlink(dir / "inner"));
  CHECK(get(dir / "real" / "f") == "new");
  CHECK(names_in(dir / "real") == std::set<std::string>{"f"});
}

TEST_CASE("replace_file: what someone else changed is not overwritten") {
  const TempDir dir;
  for (const char* theirs : {"theirs", "ol", "older", ""}) {
    CAPTURE(theirs);
    put(dir / "f", theirs);
    const auto replaced = replace_file(dir / "f", "new", "old");
    REQUIRE_FALSE(replaced.has_value());
    CHECK(replaced.error().code == ErrorCode::kConflict);
    CHECK(get(dir / "f") == theirs);
    CHECK(names_in(dir.path()) == std::set<std::string>{"f"});
  }
  fs::remove(dir / "f");
  CHECK(replace_file(dir / "f", "new", "old").error().code == ErrorCode::kNotFound);
  CHECK(names_in(dir.path()).empty());
}

TEST_CASE("replace_file: an editor that saves while we write is noticed") {
  class EditorSavesMeanwhile final : public DiskCalls {
   public:
    explicit EditorSavesMeanwhile(fs::path path) : path_(std::move(path)) {}
    int sync(int descriptor) override {
      put(path_, "theirs");
      return DiskCalls::sync(descriptor);
    }

   private:
    fs::path path_;
  };
  const TempDir dir;
  put(dir / "f", "old");
  EditorSavesMeanwhile disk(dir / "f");
  const auto replaced = replace_file(dir / "f", "new", "old", {.disk = &disk});
  REQUIRE_FALSE(replaced.has_value());
  CHECK(replaced.error().code == ErrorCode::kConflict);
  CHECK(get(dir / "f") == "theirs");
  CHECK(names_in(dir.path()) == std::set<std::string>{"f"});
}

TEST_CASE("replace_file: a read-only file is refused, for root too") {
  const TempDir dir;
  put(dir / "f", "old");
  REQUIRE(::chmod((dir / "f").c_str(), 0444) == 0);
  const auto replaced = replace_file(dir / "f", "new", "old");
  REQUIRE_FALSE(replaced.has_value());
  CHECK(replaced.error().code == ErrorCode::kDenied);
  CHECK(replaced.error().hint == "allow it: chmod u+w " + (dir / "f").string());
  CHECK(get(dir / "f") == "old");
}

TEST_CASE("replace_file: without permission there is a clear error and no trace") {
  const TempDir dir;
  fs::create_directory(dir / "open");
  put(dir / "open" / "f", "old");
  fs::create_directory(dir / "closed");
  put(dir / "closed" / "f", "old");
  fs::permissions(dir.path(), fs::perms::all);
  const uid_t me = ::geteuid();
  const uid_t user = me == 0 ? 65534 : me;  // root may do anything
  for (const auto& path : {dir / "open", dir / "closed", dir / "closed" / "f"}) {
    if (me == 0) REQUIRE(::chown(path.c_str(), user, static_cast<gid_t>(-1)) == 0);
  }
  fs::permissions(dir / "closed", fs::perms::owner_read | fs::perms::owner_exec);
  if (me == 0) REQUIRE(::seteuid(user) == 0);
  const auto no_folder = replace_file(dir / "closed" / "f", "new", "old");
  const auto no_file = me == 0 ? replace_file(dir / "open" / "f", "new", "old") : no_folder;
  if (me == 0) REQUIRE(::seteuid(me) == 0);
  fs::permissions(dir / "closed", fs::perms::owner_all);
  for (const auto& refused : {no_folder, no_file}) {
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::kDenied);
    CHECK(refused.error().message.find("Permission denied") != std::string::npos);
    CHECK(refused.error().hint.starts_with("look at the permissions: ls -ld "));
  }
  for (const char* folder : {"open", "closed"}) {
    CHECK(get(dir / folder / "f") == "old");
    CHECK(names_in(dir / folder) == std::set<std::string>{"f"});
  }
}

TEST_CASE("replace_file: edits files only") {
  const TempDir dir;
  CHECK(replace_file(dir.path(), "new", "old").error().code == ErrorCode::kUsage);
  fs::create_symlink("loop", dir / "loop");
  CHECK_FALSE(replace_file(dir / "loop", "new", "old").has_value());
}

TEST_CASE("replace_file: a failure on the way leaves the file as it was and nothing beside it") {
  using Call = FailingDisk::Call;
  for (const Call call :
       {Call::kCreate, Call::kWrite, Call::kOwner, Call::kMode, Call::kSync, Call::kRename}) {
    for (const int error : {ENOSPC, EROFS, EIO, EACCES, EDQUOT, EPERM}) {
      CAPTURE(static_cast<int>(call));
      CAPTURE(error);
      const TempDir dir;
      put(dir / "f", "old");
      FailingDisk disk(call, error);
      const auto replaced = replace_file(dir / "f", "new", "old", {.disk = &disk});
      REQUIRE_FALSE(replaced.has_value());
      CHECK_FALSE(replaced.error().hint.empty());
      CHECK(get(dir / "f") == "old");
      CHECK(names_in(dir.path()) == std::set<std::string>{"f"});
    }
  }
}

TEST_CASE("replace_file: when only the folder cannot be synced the error says what is in place") {
  const TempDir dir;
  put(dir / "f", "old");
  FailingDisk disk(FailingDisk::Call::kSyncFolder, EIO);
  const auto replaced = replace_file(dir / "f", "new", "old", {.disk = &disk});
  REQUIRE_FALSE(replaced.has_value());
  CHECK(replaced.error().message.find("the new content is in place") != std::string::npos);
  CHECK(get(dir / "f") == "new");
}

TEST_CASE("replace_file: what a crash left behind is in nobody's way") {
  const TempDir dir;
  put(dir / "f", "old");
  put(dir / ".f.kscpush-new", "half a fi");
  put(dir / ".f.kscpush-lock", "4711\n");
  REQUIRE(replace_file(dir / "f", "new", "old").has_value());
  CHECK(get(dir / "f") == "new");
  CHECK(names_in(dir.path()) == std::set<std::string>{"f"});
}

TEST_CASE("replace_file: while another edits, the error names its process") {
  const TempDir dir;
  put(dir / "f", "old");
  std::array<int, 2> ready{};
  std::array<int, 2> finish{};
  REQUIRE(::pipe(ready.data()) == 0);
  REQUIRE(::pipe(finish.data()) == 0);
  const pid_t other = ::fork();
  REQUIRE(other >= 0);
  if (other == 0) {
    ::close(finish[1]);
    const auto lock = FileLock::acquire(dir / ".f.kscpush-lock", "f", std::chrono::seconds(0),
                                        FileLock::Afterwards::kRemoveFile);
    char byte = lock ? 'y' : 'n';
    if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
    ::_exit(::read(finish[0], &byte, 1) == 0 ? 0 : 1);
  }
  ::close(finish[0]);
  char locked = 'n';
  REQUIRE(::read(ready[0], &locked, 1) == 1);
  REQUIRE(locked == 'y');
  const auto replaced =
      replace_file(dir / "f", "new", "old", {.lock_wait = std::chrono::milliseconds(1)});
  REQUIRE_FALSE(replaced.has_value());
  CHECK(replaced.error().code == ErrorCode::kConflict);
  CHECK(replaced.error().message ==
        (dir / "f").string() + " is in use by process " + std::to_string(other));
  CHECK(get(dir / "f") == "old");
  ::close(finish[1]);
  CHECK(::waitpid(other, nullptr, 0) == other);
  ::close(ready[0]);
  ::close(ready[1]);
  // It ended without releasing: its lock file is there, its lock is not.
  CHECK(fs::exists(dir / ".f.kscpush-lock"));
  CHECK(replace_file(dir / "f", "new", "old", {.lock_wait = std::chrono::milliseconds(0)})
            .has_value());
}

TEST_CASE("file lock: a file that its holder removed counts for nobody") {
  const TempDir dir;
  {
    const auto first = FileLock::acquire(dir / "l", "it", std::chrono::seconds(0),
                                         FileLock::Afterwards::kRemoveFile);
    REQUIRE(first.has_value());
    CHECK_FALSE(
        FileLock::acquire(dir / "l", "it", std::chrono::seconds(0), FileLock::Afterwards::kKeepFile)
            .has_value());
  }
  CHECK_FALSE(fs::exists(dir / "l"));
  CHECK(FileLock::acquire(dir / "l", "it", std::chrono::seconds(0), FileLock::Afterwards::kKeepFile)
            .has_value());
  CHECK(fs::exists(dir / "l"));
}

}  // namespace kscpush
