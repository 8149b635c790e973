#include "core/key_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/descriptor.hpp"
#include "core/file.hpp"
#include "core/pki.hpp"

namespace kscpush {
namespace {

constexpr std::size_t kMaxPem = 64UL * 1024;

std::filesystem::path beside(const std::filesystem::path& path) {
  return path.string() + ".new";
}

Status take_place(const std::filesystem::path& path) {
  if (const int error = DiskCalls::system().rename(beside(path), path); error != 0) {
    return fail(file_error("replace", path, error));
  }
  const Descriptor folder(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) {
    return fail(file_error("sync the folder of", path, errno));
  }
  return {};
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

// Whoever could read the old file reads the new one: a server that runs as another user, say.
Status keep_owner(const std::filesystem::path& path) {
  struct stat old {};
  if (::stat(path.c_str(), &old) != 0 || old.st_uid == ::geteuid()) return {};
  if (::chown(beside(path).c_str(), old.st_uid, old.st_gid) == 0) return {};
  return fail(file_error("keep the owner of", path, errno));
}

}  // namespace

Status prepare(const KeyFiles& files, const Secret& key) {
  std::error_code error;
  std::filesystem::create_directories(files.key.parent_path(), error);
  if (error) return fail(file_error("create the folder", files.key.parent_path(), error.value()));
  if (auto settled = settle(files); !settled) return settled;
  auto written = write_new_file(beside(files.key), key.str(), 0600);
  if (!written) return written;
  written = keep_owner(files.key);
  if (!written) drop(beside(files.key));
  return written;
}

Status complete(const KeyFiles& files, const std::string& certificate) {
  auto written = write_new_file(beside(files.certificate), certificate, 0644);
  if (written) written = keep_owner(files.certificate);
  if (!written) {
    drop(beside(files.key));
    drop(beside(files.certificate));
    return written;
  }
  // From here on settle() goes forward.
  if (auto placed = take_place(files.certificate); !placed) return placed;
  return take_place(files.key);
}

Status replace(const KeyFiles& files, const std::string& certificate, const Secret& key) {
  if (auto prepared = prepare(files, key); !prepared) return prepared;
  return complete(files, certificate);
}

Status settle(const KeyFiles& files) {
  std::error_code error;
  if (!std::filesystem::exists(beside(files.key), error)) {
    drop(beside(files.certificate));
    return {};
  }
  if (fit(files.certificate, beside(files.key))) return take_place(files.key);
  drop(beside(files.key));
  drop(beside(files.certificate));
  return {};
}

}  // namespace kscpush
