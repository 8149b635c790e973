#include "core/key_files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "core/file.hpp"
#include "core/pki.hpp"

namespace kscpush {
namespace {

constexpr std::size_t kMaxPem = 64UL * 1024;

std::filesystem::path beside(const std::filesystem::path& path) {
  return path.string() + ".new";
}

// Where the files are, behind symbolic links.
KeyFiles behind_links(const KeyFiles& files) {
  std::error_code error;
  KeyFiles found{std::filesystem::weakly_canonical(files.certificate, error),
                 std::filesystem::weakly_canonical(files.key, error)};
  return error ? files : found;
}

void drop(const std::filesystem::path& path) {
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
}

// Whether they are there and fit together.
bool fit(const std::filesystem::path& certificate, const std::filesystem::path& key) {
  const auto certificate_pem = read_file(certificate, kMaxPem);
  auto key_pem = read_file(key, kMaxPem);
  return certificate_pem && key_pem &&
         pki::check_key_fits(*certificate_pem, Secret(std::move(*key_pem))).has_value();
}

// The last step, which a process that reads the files may have done meanwhile.
Status take_key(const KeyFiles& files) {
  auto placed = take_place(beside(files.key), files.key);
  if (!placed && fit(files.certificate, files.key)) return {};
  return placed;
}

// Whoever could read the old file reads the new one: a server that runs as another user, say, or
// in the group that it is for.
Status keep_access(const std::filesystem::path& path) {
  struct stat old {};
  struct stat fresh {};
  if (::stat(path.c_str(), &old) != 0) return {};
  const std::string name = beside(path).string();
  if (::stat(name.c_str(), &fresh) != 0) return fail(file_error("look at", name, errno));
  const bool same = old.st_uid == fresh.st_uid && old.st_gid == fresh.st_gid;
  if (!same && ::chown(name.c_str(), old.st_uid, old.st_gid) != 0) {
    return fail(file_error("keep the owner and group of", path, errno));
  }
  // After the owner: a change of owner clears bits of the mode.
  if (::chmod(name.c_str(), old.st_mode & 07777U) == 0) return {};
  return fail(file_error("keep the mode of", path, errno));
}

}  // namespace

Status prepare(const KeyFiles& names, const Secret& key) {
  const KeyFiles files = behind_links(names);
  std::error_code error;
  std::filesystem::create_directories(files.key.parent_path(), error);
  if (error) return fail(file_error("create the folder", files.key.parent_path(), error.value()));
  if (auto settled = settle(files); !settled) return settled;
  auto written = write_new_file(beside(files.key), key.str(), 0600);
  if (!written) return written;
  written = keep_access(files.key);
  if (!written) drop(beside(files.key));
  return written;
}

Status complete(const KeyFiles& names, const std::string& certificate) {
  const KeyFiles files = behind_links(names);
  auto written = write_new_file(beside(files.certificate), certificate, 0644);
  if (written) written = keep_access(files.certificate);
  if (!written) {
    drop(beside(files.key));
    drop(beside(files.certificate));
    return written;
  }
  // From here on settle() goes forward.
  auto placed = take_place(beside(files.certificate), files.certificate);
  if (!placed) return placed;
  return take_key(files);
}

Status replace(const KeyFiles& files, const std::string& certificate, const Secret& key) {
  if (auto prepared = prepare(files, key); !prepared) return prepared;
  return complete(files, certificate);
}

Status catch_up(const KeyFiles& names) {
  const KeyFiles files = behind_links(names);
  return fit(files.certificate, beside(files.key)) ? take_key(files) : Status();
}

Status settle(const KeyFiles& names) {
  const KeyFiles files = behind_links(names);
  if (auto done = catch_up(files); !done) return done;
  drop(beside(files.key));
  drop(beside(files.certificate));
  return {};
}

}  // namespace kscpush
