// The disk that the store is on, and the clock.
#include <algorithm>
#include <array>
#include <chrono>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "cli/doctor/checks.hpp"
#include "cli/doctor/deadline.hpp"
#include "core/descriptor.hpp"
#include "core/file.hpp"

namespace kscpush::cli {
namespace {

using Level = Finding::Level;

constexpr int kProbes = 15;
constexpr std::chrono::milliseconds kSlowSync{20};

// What the folder was found to be; error numbers are errno's.
struct DiskFacts {
  int error = 0;
  std::uint64_t free_bytes = 0;
  bool read_only = false;
  int sync_error = 0;
  std::chrono::microseconds sync{0};  // the median of some
};

// A file without a name, which is gone with its descriptor, however this process ends.
Descriptor unnamed_file(const std::filesystem::path& folder) {
  constexpr mode_t kMode = 0600;
  Descriptor file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kMode));
  if (file || errno != EOPNOTSUPP) return file;
  std::string name = (folder / ".kscpush-doctor-XXXXXX").string();
  file = Descriptor(::mkostemp(name.data(), O_CLOEXEC));
  if (file) ::unlink(name.c_str());
  return file;
}

void measure_sync(const std::filesystem::path& folder, DiskFacts& facts) {
  const Descriptor file = unnamed_file(folder);
  if (!file) {
    facts.sync_error = errno;
    return;
  }
  constexpr std::size_t kBlock = 4096;
  const std::array<char, kBlock> block{};
  std::array<std::chrono::microseconds, kProbes> times{};
  for (auto& time : times) {
    const auto begin = std::chrono::steady_clock::now();
    const bool done = ::write(file.get(), block.data(), block.size()) == ssize_t{kBlock} &&
                      ::fdatasync(file.get()) == 0;
    if (!done) {
      facts.sync_error = errno;
      return;
    }
    time = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                                 begin);
  }
  std::ranges::sort(times);
  facts.sync = times[kProbes / 2];
}

DiskFacts measure(const std::filesystem::path& folder) {
  DiskFacts facts;
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) {
    facts.error = errno;
    return facts;
  }
  facts.free_bytes = std::uint64_t{status.f_bavail} * status.f_frsize;
  facts.read_only = (status.f_flag & ST_RDONLY) != 0;
  if (!facts.read_only) measure_sync(folder, facts);
  return facts;
}

// The state directory, or where it will be made.
std::filesystem::path existing_folder(std::filesystem::path path) {
  std::error_code error;
  while (!path.empty() && path.has_parent_path() && path != path.parent_path() &&
         !std::filesystem::is_directory(path, error)) {
    path = path.parent_path();
  }
  return path.empty() ? "." : path;
}

Finding judge_space(const site::DistributionPoint& dp, const site::ServerPaths& paths,
                    std::uint64_t free_bytes) {
  std::error_code error;
  const auto present = std::filesystem::file_size(paths.state_directory / "store.db", error);
  const std::uint64_t used = error ? 0 : present;
  const std::uint64_t wanted = std::uint64_t{dp.push_server.limits.database_mib} << 20U;
  constexpr std::uint64_t kLeast = std::uint64_t{64} << 20U;
  const std::string shown = fmt::format("{} MiB are free", free_bytes >> 20U);
  if (free_bytes < kLeast) {
    return {Level::kError, "disk space",
            shown + ": a full disk stops new pushes; nothing that was accepted is lost",
            fmt::format("free some below {}", paths.state_directory.string())};
  }
  if (used + free_bytes < wanted) {
    return {Level::kWarning, "disk space",
            fmt::format("{}, and the database may grow to limits.database_mib = {}", shown,
                        dp.push_server.limits.database_mib),
            fmt::format("free some, or set push_server.limits.database_mib below {}",
                        (used + free_bytes) >> 20U)};
  }
  return {Level::kOk, "disk space", shown};
}

Finding judge_sync(const std::filesystem::path& folder, const DiskFacts& facts) {
  if (facts.read_only) {
    return {Level::kError, "disk", fmt::format("{} is on a read-only file system", folder.string()),
            "mount it for writing, or set push_server.state_directory"};
  }
  if (facts.sync_error == EACCES || facts.sync_error == EPERM) {
    return {Level::kWarning, "disk",
            fmt::format("{} cannot be written by this user, so that the disk's speed is not known",
                        folder.string()),
            "run this as the user who runs the push server"};
  }
  if (facts.sync_error != 0) {
    const Error error = file_error("write to", folder, facts.sync_error);
    return {Level::kError, "disk", error.message, error.hint};
  }
  const double ms = std::chrono::duration<double, std::milli>(facts.sync).count();
  if (facts.sync >= kSlowSync) {
    return {Level::kWarning, "disk",
            fmt::format("a write takes {:.1f} ms to be on disk; every push waits for one", ms),
            "put push_server.state_directory on a faster disk, one with a write cache that "
            "survives a loss of power"};
  }
  return {Level::kOk, "disk", fmt::format("a write is on disk after {:.2f} ms", ms)};
}

}  // namespace

Findings check_disk(const site::DistributionPoint& dp, const site::ServerPaths& paths) {
  const auto folder = existing_folder(paths.state_directory);
  const auto facts = within_deadline([folder] { return measure(folder); });
  if (!facts) {
    return {
        {Level::kError, "disk",
         fmt::format("{} has not answered within {} s", folder.string(), kCheckDeadline.count()),
         "look at the disk and at the kernel's log: dmesg"}};
  }
  if (facts->error != 0) {
    const Error error = file_error("look at", folder, facts->error);
    return {{Level::kError, "disk", error.message, error.hint}};
  }
  return {judge_space(dp, paths, facts->free_bytes), judge_sync(folder, *facts)};
}

Findings check_clock(const site::ServerPaths& paths, WallTime now) {
  Findings findings;
  constexpr std::chrono::seconds kTolerance{10};
  const auto file_time = [](const std::filesystem::path& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0
               ? WallTime(std::chrono::seconds(status.st_mtim.tv_sec))
               : WallTime{};
  };
  for (const auto& path : {paths.state_directory / "store.db", paths.certificate}) {
    if (file_time(path) <= now + kTolerance) continue;
    findings.push_back({Level::kError, "clock",
                        fmt::format("{} was written at {}, and it is {} by this machine's clock: "
                                    "it has been set back, or was wrong",
                                    path.string(), to_rfc3339(file_time(path)), to_rfc3339(now)),
                        "set the clock: timedatectl set-ntp true"});
  }
  timex state{};
  const int synchronized = ::adjtimex(&state);
  if (synchronized == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
    findings.push_back({Level::kWarning, "clock",
                        "nothing keeps it in step; certificates and times to live depend on it",
                        "timedatectl set-ntp true"});
  } else if (findings.empty()) {
    findings.push_back({Level::kOk, "clock", fmt::format("{}, kept in step", to_rfc3339(now))});
  }
  return findings;
}

}  // namespace kscpush::cli
