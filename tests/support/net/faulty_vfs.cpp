#include "tests/support/net/faulty_vfs.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

namespace kscpush::test {
namespace {

constexpr std::size_t kSector = 512;

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

// SQLite gives us the memory: first this, then the real file's.
struct FaultyFile {
  sqlite3_file base;
  FaultyVfs* vfs;
  sqlite3_file* real;
  std::string* path;

  static FaultyFile& of(sqlite3_file* file) { return *reinterpret_cast<FaultyFile*>(file); }
  static const sqlite3_io_methods* methods(sqlite3_file* file) { return of(file).real->pMethods; }

  static int close(sqlite3_file* file) {
    delete of(file).path;
    return methods(file)->xClose(of(file).real);
  }
  static int read(sqlite3_file* file, void* to, int count, sqlite3_int64 at) {
    return methods(file)->xRead(of(file).real, to, count, at);
  }
  static int write(sqlite3_file* file, const void* from, int count, sqlite3_int64 at) {
    FaultyVfs& vfs = *of(file).vfs;
    const std::scoped_lock lock(vfs.mutex_);
    if (const int code = vfs.write_fault_.next()) {
      ++vfs.faults_;
      return code;
    }
    const int code = methods(file)->xWrite(of(file).real, from, count, at);
    if (code != SQLITE_OK) return code;
    vfs.files_[*of(file).path].since.push_back(
        {static_cast<std::size_t>(at),
         std::string(static_cast<const char*>(from), static_cast<std::size_t>(count))});
    return SQLITE_OK;
  }
  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    FaultyVfs& vfs = *of(file).vfs;
    const std::scoped_lock lock(vfs.mutex_);
    vfs.files_[*of(file).path].since.push_back({static_cast<std::size_t>(size), "", true});
    return methods(file)->xTruncate(of(file).real, size);
  }
  static int sync(sqlite3_file* file, int /*flags*/) {
    FaultyVfs& vfs = *of(file).vfs;
    if (vfs.on_sync_ != nullptr) vfs.on_sync_();
    const std::scoped_lock lock(vfs.mutex_);
    FaultyVfs::Content& content = vfs.files_[*of(file).path];
    const int code = vfs.sync_fault_.next();
    if (code == SQLITE_OK) {
      for (const FaultyVfs::Write& write : content.since) FaultyVfs::apply(write, content.synced);
    } else {
      ++vfs.faults_;
    }
    content.since.clear();
    return code;
  }
  static int size(sqlite3_file* file, sqlite3_int64* out) {
    return methods(file)->xFileSize(of(file).real, out);
  }
  static int lock(sqlite3_file* file, int level) {
    return methods(file)->xLock(of(file).real, level);
  }
  static int unlock(sqlite3_file* file, int level) {
    return methods(file)->xUnlock(of(file).real, level);
  }
  static int check_lock(sqlite3_file* file, int* out) {
    return methods(file)->xCheckReservedLock(of(file).real, out);
  }
  static int control(sqlite3_file* file, int operation, void* argument) {
    return methods(file)->xFileControl(of(file).real, operation, argument);
  }
  static int sector_size(sqlite3_file* file) { return methods(file)->xSectorSize(of(file).real); }
  static int characteristics(sqlite3_file* file) {
    // Of what the real one promises only that a write harms no bytes beside it: this disk keeps
    // neither atomic nor ordered writes.
    return methods(file)->xDeviceCharacteristics(of(file).real) & SQLITE_IOCAP_POWERSAFE_OVERWRITE;
  }
  static int shm_map(sqlite3_file* file, int page, int size, int extend, void volatile** out) {
    return methods(file)->xShmMap(of(file).real, page, size, extend, out);
  }
  static int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
    return methods(file)->xShmLock(of(file).real, offset, count, flags);
  }
  static void shm_barrier(sqlite3_file* file) { methods(file)->xShmBarrier(of(file).real); }
  static int shm_unmap(sqlite3_file* file, int remove) {
    return methods(file)->xShmUnmap(of(file).real, remove);
  }
};

namespace {

// Version 2: with shared memory for WAL, without memory mapping, which would bypass us.
constexpr sqlite3_io_methods kMethods{2,
                                      FaultyFile::close,
                                      FaultyFile::read,
                                      FaultyFile::write,
                                      FaultyFile::truncate,
                                      FaultyFile::sync,
                                      FaultyFile::size,
                                      FaultyFile::lock,
                                      FaultyFile::unlock,
                                      FaultyFile::check_lock,
                                      FaultyFile::control,
                                      FaultyFile::sector_size,
                                      FaultyFile::characteristics,
                                      FaultyFile::shm_map,
                                      FaultyFile::shm_lock,
                                      FaultyFile::shm_barrier,
                                      FaultyFile::shm_unmap,
                                      nullptr,
                                      nullptr};

}  // namespace

FaultyVfs::FaultyVfs() : real_(sqlite3_vfs_find(nullptr)) {
  vfs_ = *real_;
  vfs_.zName = "faulty";
  vfs_.pNext = nullptr;
  vfs_.pAppData = this;
  vfs_.szOsFile = static_cast<int>(sizeof(FaultyFile)) + real_->szOsFile;
  vfs_.xOpen = open;
  vfs_.xDelete = remove;
  sqlite3_vfs_register(&vfs_, 1);
}

FaultyVfs::~FaultyVfs() {
  sqlite3_vfs_unregister(&vfs_);
  sqlite3_vfs_register(real_, 1);
}

int FaultyVfs::open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
  auto* const self = static_cast<FaultyVfs*>(vfs->pAppData);
  auto* const real =
      reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) + sizeof(FaultyFile));
  file->pMethods = nullptr;
  const int code = self->real_->xOpen(self->real_, name, real, flags, out);
  if (code != SQLITE_OK) return code;
  auto& opened = FaultyFile::of(file);
  opened.vfs = self;
  opened.real = real;
  opened.path = new std::string(name == nullptr ? "" : name);
  {
    const std::scoped_lock lock(self->mutex_);
    // What was there before is taken to be on disk.
    const auto added = self->files_.try_emplace(*opened.path);
    if (added.second) added.first->second.synced = content_of(*opened.path);
  }
  file->pMethods = &kMethods;
  return SQLITE_OK;
}

int FaultyVfs::remove(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  auto* const self = static_cast<FaultyVfs*>(vfs->pAppData);
  {
    const std::scoped_lock lock(self->mutex_);
    self->files_.erase(name);
  }
  return self->real_->xDelete(self->real_, name, sync_folder);
}

void FaultyVfs::fail_writes(int code, int after) {
  const std::scoped_lock lock(mutex_);
  write_fault_ = {code, after};
}

void FaultyVfs::fail_syncs(int code, int after) {
  const std::scoped_lock lock(mutex_);
  sync_fault_ = {code, after};
}

void FaultyVfs::recover() {
  const std::scoped_lock lock(mutex_);
  write_fault_ = {};
  sync_fault_ = {};
}

std::uint64_t FaultyVfs::faults() const {
  const std::scoped_lock lock(mutex_);
  return faults_;
}

void FaultyVfs::apply(const Write& write, std::string& content) {
  if (write.cut) {
    content.resize(std::min(content.size(), write.at));
    return;
  }
  content.resize(std::max(content.size(), write.at + write.bytes.size()));
  content.replace(write.at, write.bytes.size(), write.bytes);
}

void FaultyVfs::write_image(const std::filesystem::path& folder, std::mt19937& random) const {
  const std::scoped_lock lock(mutex_);
  for (const auto& [path, content] : files_) {
    const std::string name = std::filesystem::path(path).filename().string();
    if (name.empty()) continue;  // a temporary one
    std::string image = content.synced;
    for (const Write& write : content.since) {
      if (write.cut) {
        if (random() % 2 == 0) apply(write, image);
        continue;
      }
      for (std::size_t at = 0; at < write.bytes.size(); at += kSector) {
        if (random() % 2 == 0) continue;
        apply({write.at + at, write.bytes.substr(at, kSector)}, image);
      }
    }
    std::ofstream(folder / name, std::ios::binary) << image;
  }
}

}  // namespace kscpush::test
