#include "agent/tasks/task_runs.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace kscpush::agent {
namespace {

using nlohmann::json;

constexpr std::string_view kRecordFile = "groups";
constexpr std::size_t kMostRecordBytes = std::size_t{1} << 20U;
// The agent itself is about to end: a task that does not hear is not waited for any longer.
constexpr std::chrono::milliseconds kLastGrace{1'500};

GroupRecord read_group(const json& line) {
  GroupRecord group;
  group.run = line.value("run", "");
  group.task = line.value("task", "");
  group.pid = line.value("pid", pid_t{-1});
  group.start = line.value("start", std::uint64_t{0});
  return group;
}

}  // namespace

std::uint64_t TaskRun::watch(std::function<void()> watcher) {
  watchers_.emplace(++last_watcher_, std::move(watcher));
  return last_watcher_;
}

void TaskRun::tell_watchers() {
  const auto watchers = std::exchange(watchers_, {});
  for (const auto& [number, watcher] : watchers) watcher();
}

TaskRuns::TaskRuns(Services& services) : services_(services) {
  kill_orphans();
  for (const TaskDeclaration& task : services_.config.tasks) {
    if (const auto account = find_account(task.command.user); !account) {
      services_.log.warn("task '{}' cannot run: {}", task.name, account.error().message);
    }
  }
}

const TaskDeclaration* TaskRuns::find_task(std::string_view name) const {
  const auto& tasks = services_.config.tasks;
  const auto found = std::ranges::find(tasks, name, &TaskDeclaration::name);
  return found == tasks.end() ? nullptr : &*found;
}

TaskRun* TaskRuns::find(std::string_view id) {
  if (const auto found = running_.find(id); found != running_.end()) return found->second.get();
  const auto found = std::ranges::find_if(ended_, [&](const auto& run) { return run->id == id; });
  return found == ended_.end() ? nullptr : found->get();
}

std::vector<TaskRun*> TaskRuns::all() {
  std::vector<TaskRun*> runs;
  for (const auto& run : ended_) runs.push_back(run.get());
  for (const auto& [id, run] : running_) runs.push_back(run.get());
  return runs;
}

std::size_t TaskRuns::running(const TaskDeclaration& task) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      running_, [&](const auto& entry) { return &entry.second->task == &task; }));
}

Result<TaskRun*> TaskRuns::start(const TaskDeclaration& task, const std::string& id,
                                 const std::map<std::string, std::string>& parameters,
                                 OnEnd on_end) {
  auto arguments = task.arguments(parameters);
  if (!arguments) return fail(arguments.error());
  if (running(task) >= task.concurrency || running_.size() >= kMostRunning) {
    return fail({ErrorCode::kOverloaded,
                 running_.size() >= kMostRunning
                     ? fmt::format("{} tasks run on the device already", running_.size())
                     : fmt::format("task '{}' runs already, as often as it may ({})", task.name,
                                   task.concurrency),
                 "wait for its end, or stop it: kscpush task stop"});
  }
  const auto order = make_order(task.command, std::move(*arguments),
                                {"KSCPUSH_TASK=" + task.name, "KSCPUSH_RUN=" + id});
  if (!order) return fail(order.error());
  auto run = std::make_unique<TaskRun>(id, task, services_.loop);
  TaskRun& started = *run;
  started.started = services_.clock.wall();
  started.began = services_.clock.now();
  auto group = ProcessGroup::start(
      services_.loop, *order,
      [&started](std::string_view bytes) {
        started.output.append(bytes);
        started.tell_watchers();
      },
      [this, &started, done = std::move(on_end)](const ProcessEnd& end) {
        ended(started, end, done);
      });
  if (!group) return fail(group.error());
  started.group = std::move(*group);
  started.timer.expires_after(std::chrono::seconds(task.timeout_s));
  started.timer.async_wait([this, &started](const asio::error_code& error) {
    if (!error) stop(started, TaskRun::Cut::kTimeout);
  });
  const pid_t pid = started.group->pid();
  record_[id] = {id, task.name, pid, start_time(pid)};
  write_record();
  services_.log.info("task {} runs as process {} (run {})", task.name, pid, id);
  running_.emplace(id, std::move(run));
  return &started;
}

void TaskRuns::stop(TaskRun& run, TaskRun::Cut why) {
  if (run.group == nullptr) return;
  if (run.cut == TaskRun::Cut::kNone) run.cut = why;
  const auto grace = std::chrono::milliseconds(std::chrono::seconds(run.task.grace_s));
  run.group->stop(why == TaskRun::Cut::kAgentStopped ? std::min(grace, kLastGrace) : grace);
}

void TaskRuns::stop_all() {
  for (const auto& [id, run] : running_) stop(*run, TaskRun::Cut::kAgentStopped);
}

void TaskRuns::ended(TaskRun& run, const ProcessEnd& end, const OnEnd& on_end) {
  run.end = end;
  run.duration =
      std::chrono::duration_cast<std::chrono::milliseconds>(services_.clock.now() - run.began);
  run.timer.cancel();
  run.group.reset();
  record_.erase(run.id);
  write_record();
  services_.log.info("task {} has ended after {} ms: {} (run {})", run.task.name,
                     run.duration.count(),
                     end.signal != 0 ? fmt::format("signal {}", end.signal)
                                     : fmt::format("exit code {}", end.exit_code),
                     run.id);
  on_end(run);
  run.tell_watchers();
  auto node = running_.extract(run.id);
  ended_.push_back(std::move(node.mapped()));
  if (ended_.size() > kMostEnded) ended_.pop_front();
}

// --- What is written down of the groups

void TaskRuns::kill_orphans() {
  const auto text = services_.state.read(kRecordFile, kMostRecordBytes);
  if (!text) return services_.log.error("{}", text.error().message);
  if (!text->has_value()) return;
  const json record = json::parse(**text, nullptr, /*allow_exceptions=*/false);
  const bool known = record.is_object() && record.contains("boot") && record.contains("groups") &&
                     record.at("groups").is_array();
  // Numbers of processes mean nothing after a boot.
  if (!known || record.at("boot") != boot_id()) return;
  for (const json& line : record.at("groups")) {
    if (!line.is_object()) continue;
    const GroupRecord group = read_group(line);
    const std::size_t killed = kill_group(group);
    if (killed == 0) continue;
    services_.log.warn("task {} was left by an agent that was killed: {} processes ended (run {})",
                       group.task, killed, group.run);
  }
  write_record();
}

void TaskRuns::write_record() {
  json groups = json::array();
  for (const auto& [id, group] : record_) {
    groups.push_back(
        {{"run", group.run}, {"task", group.task}, {"pid", group.pid}, {"start", group.start}});
  }
  const json record{{"boot", boot_id()}, {"groups", std::move(groups)}};
  if (auto written = services_.state.write(kRecordFile, record.dump()); !written) {
    services_.log.error("what runs is not on disk: {}", written.error().message);
  }
}

}  // namespace kscpush::agent
