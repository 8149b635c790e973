// Files that somebody else replaces while they are read.
#include "core/file_read.hpp"

#include <atomic>
#include <fstream>
#include <future>
#include <thread>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "core/descriptor.hpp"
#include "tests/support/temp_dir.hpp"

namespace kscpush {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMost = 1000;

// At PATH there is by turns a file and a pipe, until the end.
class Swapping {
 public:
  explicit Swapping(const test::TempDir& folder)
      : file_(folder / "file"),
        pipe_(folder / "pipe"),
        next_(folder / "next"),
        path_(folder / "path") {
    std::ofstream(file_) << "content";
    REQUIRE(::mkfifo(pipe_.c_str(), 0600) == 0);
    fs::create_hard_link(file_, path_);
    thread_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        for (const fs::path& one : {pipe_, file_}) {
          fs::create_hard_link(one, next_);
          fs::rename(next_, path_);
        }
      }
    });
  }
  // Who waits for somebody to write into the pipe goes on.
  void release() const { const Descriptor end(::open(pipe_.c_str(), O_RDWR | O_CLOEXEC)); }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  const fs::path file_;
  const fs::path pipe_;
  const fs::path next_;
  const fs::path path_;
  std::jthread thread_;
};

}  // namespace

TEST_CASE("read a regular file: the whole of it, within a bound, and nothing else") {
  const test::TempDir folder;
  std::ofstream(folder / "a") << std::string(kMost, 'x');
  CHECK(read_regular_file(folder / "a", kMost).value() == std::string(kMost, 'x'));
  CHECK(read_regular_file(folder / "a", kMost - 1).error().code == ErrorCode::kTooLarge);
  CHECK(read_regular_file(folder / "b", kMost).error().code == ErrorCode::kNotFound);
  CHECK(read_regular_file(folder.path(), kMost).error().code == ErrorCode::kUsage);
  CHECK(read_regular_file("/dev/null", kMost).error().code == ErrorCode::kUsage);
}

TEST_CASE("regression: a pipe that takes a file's place while it is read holds up nobody") {
  const test::TempDir folder;
  const Swapping swapping(folder);
  std::atomic<bool> enough{false};
  auto reading = std::async(std::launch::async, [&] {
    int files = 0;
    int pipes = 0;
    while (!enough && (files < 1000 || pipes < 1000)) {
      const auto text = read_regular_file(swapping.path(), kMost);
      files += text && *text == "content" ? 1 : 0;
      pipes += !text && text.error().code == ErrorCode::kUsage ? 1 : 0;
    }
    return std::min(files, pipes);
  });
  const bool in_time = reading.wait_for(std::chrono::seconds(60)) == std::future_status::ready;
  CHECK(in_time);
  enough = true;
  while (reading.wait_for(std::chrono::milliseconds(10)) != std::future_status::ready) {
    swapping.release();
  }
  CHECK(reading.get() >= 1000);
}

}  // namespace kscpush
