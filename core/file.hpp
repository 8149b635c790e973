// Files as kscpush reads, creates and edits them: whole, bounded, durable.
//
// Nothing here is shared, so every function may run on any thread. Errors name the file, what was
// tried and the system's reason, and hint at the remedy.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "core/result.hpp"

namespace kscpush {

// The error of a system call on a file: "cannot WHAT PATH: reason", with a hint where there is one
// to give. kNotFound: no such file or folder. kDenied: permissions, read-only file system.
// kConflict: exists already. Else kFailed.
[[nodiscard]] Error file_error(std::string_view what, const std::filesystem::path& path,
                               int error_number);

// The system calls that change a disk, as a seam: a test makes any of them fail. Each returns 0, or
// the errno value.
class DiskCalls {
 public:
  virtual ~DiskCalls() = default;
  // Creates PATH for writing, mode 0600; fails when anything is there, be it a symbolic link.
  virtual int create(const std::filesystem::path& path, int& descriptor);
  virtual int write(int descriptor, std::string_view bytes);  // all of them
  virtual int set_owner(int descriptor, uid_t user, gid_t group);
  virtual int set_mode(int descriptor, mode_t mode);
  virtual int sync(int descriptor);
  virtual int rename(const std::filesystem::path& from, const std::filesystem::path& to);
  static DiskCalls& system();
};

// Where PATH lies: "." for a mere name.
[[nodiscard]] std::filesystem::path folder_of(const std::filesystem::path& path);

// kTooLarge beyond MAX_BYTES. Takes regular files and what reads like them (pipes, /dev/stdin).
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path,
                                            std::size_t max_bytes);

// Creates the file with exactly MODE, whatever the umask, and syncs it to disk. kConflict when
// there is one. Leaves nothing behind when it fails.
[[nodiscard]] Status write_new_file(const std::filesystem::path& path, std::string_view content,
                                    mode_t mode, DiskCalls& disk = DiskCalls::system());

// FRESH, which is whole and on disk, becomes PATH in the same folder, at once and durably. The one
// error that comes after the change is that of syncing the folder, and says so.
[[nodiscard]] Status take_place(const std::filesystem::path& fresh,
                                const std::filesystem::path& path,
                                DiskCalls& disk = DiskCalls::system());

// The names in PATH's folder are on disk, as far as its file system has the notion.
[[nodiscard]] Status sync_folder_of(const std::filesystem::path& path,
                                    DiskCalls& disk = DiskCalls::system());

struct ReplaceOptions {
  std::chrono::milliseconds lock_wait = std::chrono::seconds(5);
  DiskCalls* disk = nullptr;  // nullptr: the system's
};

// Edits the file: EXPECTED_OLD, as read before, becomes CONTENT, at once and durably. Readers see
// the one or the other; mode and owner stay; symbolic links are followed. When the two are equal
// nothing is written.
//
// A lock (".NAME.kscpush-lock" beside the file, held by flock and so free after a crash) keeps two
// kscpush apart. Errors: kConflict when another holds it for all of the wait (with its process id)
// or when the file is no longer EXPECTED_OLD; kDenied when the file is read-only, for root too, or
// its owner cannot be kept. After an error the file is as it was and nothing is left beside it, but
// for take_place()'s last one.
//
// A file with several hard links stays changed under this name only.
[[nodiscard]] Status replace_file(const std::filesystem::path& path, std::string_view content,
                                  std::string_view expected_old,
                                  const ReplaceOptions& options = {});

// What replace_file() would refuse at once: the file is read-only, or no longer EXPECTED_OLD.
[[nodiscard]] Status check_replaceable(const std::filesystem::path& path,
                                       std::string_view expected_old);

}  // namespace kscpush
