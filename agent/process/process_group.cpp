#include "agent/process/process_group.hpp"

#include <cerrno>
#include <csignal>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kscpush::agent {
namespace {

constexpr std::size_t kPiece = std::size_t{16} * 1024;
// What a pipe can still hold when nobody writes to it any more, and then some.
constexpr ssize_t kMostLeft = ssize_t{1} << 20U;

std::chrono::milliseconds to_ms(const timeval& time) {
  return std::chrono::milliseconds(time.tv_sec * 1000 + time.tv_usec / 1000);
}

}  // namespace

ProcessGroup::ProcessGroup(asio::io_context& loop, Spawned spawned, OnOutput on_output,
                           OnEnd on_end)
    : pid_(spawned.pid),
      handle_(loop, spawned.handle.release()),
      output_(loop, spawned.output.release()),
      kill_timer_(loop),
      on_output_(std::move(on_output)),
      on_end_(std::move(on_end)),
      buffer_(kPiece) {}

Result<std::shared_ptr<ProcessGroup>> ProcessGroup::start(asio::io_context& loop,
                                                          const SpawnOrder& order,
                                                          OnOutput on_output, OnEnd on_end) {
  auto spawned = spawn(order);
  if (!spawned) return fail(spawned.error());
  const std::shared_ptr<ProcessGroup> group(
      new ProcessGroup(loop, std::move(*spawned), std::move(on_output), std::move(on_end)));
  group->begin();
  return group;
}

void ProcessGroup::begin() {
  asio::error_code ignored;
  output_.native_non_blocking(true, ignored);
  handle_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const asio::error_code& error) {
                       if (!error) self->ended();
                     });
  read();
}

// Waits, and reads by itself: what an asynchronous read had taken already when the program ended
// would come behind what drain() takes.
void ProcessGroup::read() {
  output_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const asio::error_code& error) {
                       if (!error && !self->over_ && self->read_piece() != 0) self->read();
                     });
}

// Bytes taken, -1 when there are none now, 0 at the end, which may come long before the program's.
ssize_t ProcessGroup::read_piece() {
  for (;;) {
    const ssize_t count = ::read(output_.native_handle(), buffer_.data(), buffer_.size());
    if (count > 0) on_output_({buffer_.data(), static_cast<std::size_t>(count)});
    if (count < 0 && errno == EINTR) continue;
    return count < 0 && errno != EAGAIN ? 0 : count;
  }
}

void ProcessGroup::signal(int number) const {
  if (!over_) ::kill(-pid_, number);
}

void ProcessGroup::stop(std::chrono::milliseconds grace) {
  if (over_) return;
  signal(SIGTERM);
  const auto deadline = std::chrono::steady_clock::now() + grace;
  const bool waits = kill_timer_.expiry() > asio::steady_timer::time_point();
  if (waits && kill_timer_.expiry() <= deadline) return;
  kill_timer_.expires_at(deadline);
  kill_timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
    if (!error) self->signal(SIGKILL);
  });
}

void ProcessGroup::ended() {
  siginfo_t info{};
  // Not taken away yet: as long as it is a zombie its number, and the group's, is nobody else's.
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) == 0) signal(SIGKILL);
  over_ = true;
  kill_timer_.cancel();
  int status = 0;
  rusage usage{};
  while (::wait4(pid_, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  drain();
  asio::error_code ignored;
  output_.close(ignored);
  handle_.close(ignored);
  ProcessEnd end;
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  end.cpu = to_ms(usage.ru_utime) + to_ms(usage.ru_stime);
  end.memory_kib = usage.ru_maxrss;
  const OnEnd tell = std::exchange(on_end_, nullptr);
  tell(end);
}

void ProcessGroup::drain() {
  ssize_t taken = 0;
  while (taken < kMostLeft) {
    const ssize_t count = read_piece();
    if (count <= 0) return;
    taken += count;
  }
}

}  // namespace kscpush::agent
