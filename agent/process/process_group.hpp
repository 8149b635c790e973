// A program that runs, with all that it starts, from its start to its end. The end of the program
// is the end of the group: what it has left behind is killed, before its number can be another's.
//
// On the agent's loop. Lives until its end has been told, whoever holds it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>

#include "agent/process/spawn.hpp"

namespace kscpush::agent {

struct ProcessEnd {
  int exit_code = 0;
  int signal = 0;  // that ended it; 0: it has ended by itself
  std::chrono::milliseconds cpu{0};
  long memory_kib = 0;  // the most that it had at a time
};

class ProcessGroup : public std::enable_shared_from_this<ProcessGroup> {
 public:
  using OnOutput = std::function<void(std::string_view bytes)>;
  using OnEnd = std::function<void(const ProcessEnd& end)>;

  // ON_END is called once, by a later turn of the loop, after all output.
  [[nodiscard]] static Result<std::shared_ptr<ProcessGroup>> start(asio::io_context& loop,
                                                                   const SpawnOrder& order,
                                                                   OnOutput on_output,
                                                                   OnEnd on_end);
  // SIGTERM to the group, and when it is still there after GRACE, SIGKILL. Again: the shorter wait
  // counts.
  void stop(std::chrono::milliseconds grace);
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  ProcessGroup(asio::io_context& loop, Spawned spawned, OnOutput on_output, OnEnd on_end);
  void begin();
  void read();
  ssize_t read_piece();
  void ended();
  void drain();
  void signal(int number) const;

  const pid_t pid_;
  asio::posix::stream_descriptor handle_;
  asio::posix::stream_descriptor output_;
  asio::steady_timer kill_timer_;
  const OnOutput on_output_;
  OnEnd on_end_;
  std::vector<char> buffer_;
  bool over_ = false;
};

}  // namespace kscpush::agent
