#include "core/file_read.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/descriptor.hpp"
#include "core/file.hpp"

namespace kscpush {

Result<std::string> read_all(const Descriptor& file, const std::filesystem::path& path,
                             std::size_t max_bytes) {
  std::string content;
  std::size_t size = 0;
  for (;;) {
    constexpr std::size_t kChunk = std::size_t{64} * 1024;
    content.resize(size + kChunk);
    const ssize_t count = ::read(file.get(), content.data() + size, kChunk);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(file_error("read", path, errno));
    size += static_cast<std::size_t>(count);
    if (size > max_bytes) {
      return fail(ErrorCode::kTooLarge, "cannot read {}: larger than {} bytes", path.string(),
                  max_bytes);
    }
    if (count == 0) break;
  }
  content.resize(size);
  return content;
}

Result<std::string> read_regular_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file) return fail(file_error("read", path, errno));
  // Of what was opened: at the path there may be another by now.
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return fail(file_error("look at", path, errno));
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kUsage, "{} is not a regular file", path.string());
  }
  return read_all(file, path, max_bytes);
}

}  // namespace kscpush
