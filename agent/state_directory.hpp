// What the agent keeps between its runs: small files in a directory of its own.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/file_lock.hpp"
#include "core/result.hpp"

namespace kscpush::agent {

class StateDirectory {
 public:
  // Creates it (mode 0700) when there is none. kConflict: another agent uses it, with its pid.
  [[nodiscard]] static Result<StateDirectory> open(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
    return path_ / name;
  }
  // The file becomes CONTENT (mode 0600), at once and durably, whatever was there.
  [[nodiscard]] Status write(std::string_view name, std::string_view content) const;
  // Nothing: no such file.
  [[nodiscard]] Result<std::optional<std::string>> read(std::string_view name,
                                                        std::size_t max_bytes) const;

 private:
  StateDirectory(std::filesystem::path path, FileLock lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::filesystem::path path_;
  FileLock lock_;
};

}  // namespace kscpush::agent
