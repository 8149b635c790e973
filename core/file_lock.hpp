// An advisory lock between processes: flock on a file, so that it ends with its holder, however
// that ends. The file's content is the holder's process id, for the message to those who wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "core/result.hpp"

namespace kscpush {

class FileLock {
 public:
  enum class Afterwards : std::uint8_t {
    kKeepFile,
    kRemoveFile,  // on release; a crash leaves it, unlocked
  };

  // Waits up to WAIT. kConflict: "WHAT is in use by process PID". Other errors: file_error().
  [[nodiscard]] static Result<FileLock> acquire(const std::filesystem::path& path,
                                                std::string_view what,
                                                std::chrono::milliseconds wait,
                                                Afterwards afterwards);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  FileLock(int descriptor, std::filesystem::path path, Afterwards afterwards);
  int descriptor_;  // -1: moved from
  std::filesystem::path path_;
  Afterwards afterwards_;
};

}  // namespace kscpush
