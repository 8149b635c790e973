// The runs of declared tasks: those that run, and the last that have ended. They go on when the
// connection is lost. They do not outlive the agent: when it stops they are stopped, and what it
// leaves behind when it is killed is killed at its next start, by a record of the process groups in
// the state directory.
//
// On the agent's loop.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/process/orphans.hpp"
#include "agent/process/process_group.hpp"
#include "agent/services.hpp"
#include "agent/tasks/output_tail.hpp"

namespace kscpush::agent {

struct TaskRun {
  static constexpr std::size_t kKeptOutput = std::size_t{64} * 1024;
  static constexpr std::size_t kMostWatchers = 16;
  enum class Cut : std::uint8_t { kNone, kTimeout, kStopped, kAgentStopped };

  TaskRun(std::string id_, const TaskDeclaration& task_, asio::io_context& loop)
      : id(std::move(id_)), task(task_), output(kKeptOutput), timer(loop) {}

  const std::string id;  // of the push that has started it
  const TaskDeclaration& task;
  WallTime started{};
  MonoTime began{};
  Cut cut = Cut::kNone;  // why the agent has ended it, if it has
  OutputTail output;
  std::optional<ProcessEnd> end{};  // nothing: it runs
  std::chrono::milliseconds duration{0};
  std::shared_ptr<ProcessGroup> group{};  // while it runs
  asio::steady_timer timer;               // until its time is over

  // WATCHER is called once, when there is more output or it has ended; not any more after unwatch()
  // of what watch() gave.
  std::uint64_t watch(std::function<void()> watcher);
  void unwatch(std::uint64_t watcher) { watchers_.erase(watcher); }
  [[nodiscard]] std::size_t watchers() const { return watchers_.size(); }
  void tell_watchers();  // each may add itself again

 private:
  std::map<std::uint64_t, std::function<void()>> watchers_{};
  std::uint64_t last_watcher_ = 0;
};

class TaskRuns {
 public:
  static constexpr std::size_t kMostRunning = 64;
  static constexpr std::size_t kMostEnded = 20;

  // Kills what an earlier run of the agent has left. SERVICES outlive it.
  explicit TaskRuns(Services& services);

  [[nodiscard]] const TaskDeclaration* find_task(std::string_view name) const;
  // nullptr: unknown, or forgotten since its end.
  [[nodiscard]] TaskRun* find(std::string_view id);
  [[nodiscard]] std::vector<TaskRun*> all();  // ended ones first, in order of their ends
  [[nodiscard]] std::size_t running(const TaskDeclaration& task) const;

  // kUsage: parameters that do not fit. kOverloaded: as often as it may already. Else why the
  // program cannot be run. ON_END is called when it has ended, by a later turn of the loop.
  using OnEnd = std::function<void(const TaskRun& run)>;
  [[nodiscard]] Result<TaskRun*> start(const TaskDeclaration& task, const std::string& id,
                                       const std::map<std::string, std::string>& parameters,
                                       OnEnd on_end);
  // SIGTERM, and after the task's grace SIGKILL, to its process group.
  void stop(TaskRun& run, TaskRun::Cut why);
  void stop_all();  // within two seconds

 private:
  void ended(TaskRun& run, const ProcessEnd& end, const OnEnd& on_end);
  void kill_orphans();
  void write_record();

  Services& services_;
  std::map<std::string, std::unique_ptr<TaskRun>, std::less<>> running_;
  std::deque<std::unique_ptr<TaskRun>> ended_;
  std::map<std::string, GroupRecord> record_;
};

}  // namespace kscpush::agent
