#include "agent/state_directory.hpp"

#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

#include "core/file.hpp"

namespace kscpush::agent {
namespace fs = std::filesystem;

Result<StateDirectory> StateDirectory::open(const fs::path& path) {
  std::error_code error;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  if (!error && ::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    error = {errno, std::generic_category()};
  }
  if (error) {
    Error failed = file_error("create the state directory", path, error.value());
    failed.hint = "'state_directory' in the agent's file, or --state-directory, names another";
    return fail(std::move(failed));
  }
  auto lock = FileLock::acquire(path / "lock", path.string(), std::chrono::seconds(2),
                                FileLock::Afterwards::kKeepFile);
  if (!lock) return fail(lock.error());
  return StateDirectory(path, std::move(*lock));
}

Status StateDirectory::write(std::string_view name, std::string_view content) const {
  const fs::path target = path_ / name;
  const fs::path fresh = path_ / fmt::format(".{}.new", name);
  ::unlink(fresh.c_str());  // of a run that was killed; the directory is locked
  if (auto written = write_new_file(fresh, content, 0600); !written) return written;
  auto placed = take_place(fresh, target);
  if (!placed) ::unlink(fresh.c_str());
  return placed;
}

Result<std::optional<std::string>> StateDirectory::read(std::string_view name,
                                                        std::size_t max_bytes) const {
  auto text = read_file(path_ / name, max_bytes);
  if (text) return std::move(*text);
  if (text.error().code == ErrorCode::kNotFound) return std::nullopt;
  return fail(text.error());
}

}  // namespace kscpush::agent
