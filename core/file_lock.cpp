#include "core/file_lock.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/descriptor.hpp"
#include "core/file.hpp"

namespace kscpush {
namespace {

constexpr std::chrono::milliseconds kPoll{20};

// The holder may have removed or replaced the file between our open and our flock; then our lock
// is on a file that nobody else will ever open.
bool still_at(const std::filesystem::path& path, int descriptor) {
  struct stat mine {};
  struct stat there {};
  return ::fstat(descriptor, &mine) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

// "process 4711", as far as the file tells.
std::string holder(int descriptor) {
  std::array<char, 16> text{};
  const ssize_t count = ::pread(descriptor, text.data(), text.size(), 0);
  const std::string_view read(text.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  const std::string_view digits = read.substr(0, read.find_first_not_of("0123456789"));
  if (digits.empty()) return "another process";
  return fmt::format("process {}", digits);
}

// For messages only: a full disk must not keep the lock from being taken.
void write_holder(int descriptor) {
  const std::string text = std::to_string(::getpid()) + '\n';
  if (::ftruncate(descriptor, 0) != 0) return;
  [[maybe_unused]] const ssize_t written = ::pwrite(descriptor, text.data(), text.size(), 0);
}

}  // namespace

FileLock::FileLock(int descriptor, std::filesystem::path path, Afterwards afterwards)
    : descriptor_(descriptor), path_(std::move(path)), afterwards_(afterwards) {}

FileLock::FileLock(FileLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)),
      afterwards_(other.afterwards_) {}

FileLock::~FileLock() {
  if (descriptor_ < 0) return;
  // While it is still locked, so that what is removed is ours.
  if (afterwards_ == Afterwards::kRemoveFile) ::unlink(path_.c_str());
  ::close(descriptor_);
}

Result<FileLock> FileLock::acquire(const std::filesystem::path& path, std::string_view what,
                                   std::chrono::milliseconds wait, Afterwards afterwards) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  for (;;) {
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return fail(file_error("create the lock file", path, errno));
    std::string held_by;
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
      if (still_at(path, file.get())) {
        write_holder(file.get());
        return FileLock(file.release(), path, afterwards);
      }
      held_by = "another process";
    } else if (errno == EWOULDBLOCK) {
      held_by = holder(file.get());
    } else {
      return fail(file_error("lock", path, errno));
    }
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= std::chrono::steady_clock::duration::zero()) {
      return fail({ErrorCode::kConflict, fmt::format("{} is in use by {}", what, held_by),
                   fmt::format("wait for it to finish, or end it, and try again (the lock is {})",
                               path.string())});
    }
    std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(left, kPoll));
  }
}

}  // namespace kscpush
