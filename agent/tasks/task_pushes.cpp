// task.list, task.start, task.stop, task.status, task.output: what the server may ask of tasks.
#include <csignal>
#include <cstring>
#include <limits>

#include "agent/modules.hpp"
#include "agent/tasks/task_runs.hpp"
#include "core/json_text.hpp"

namespace kscpush::agent {
namespace {

using nlohmann::json;

// Of an answer as JSON, which has to fit into a message to the server (limits.message_bytes).
constexpr std::size_t kMostOutput = std::size_t{32} * 1024;
constexpr std::int64_t kLongestWait = 20;  // s, for more output

// --- What runs look like

std::string_view state_of(const TaskRun& run) {
  if (!run.end) return "running";
  if (run.cut == TaskRun::Cut::kTimeout) return "timed out";
  if (run.cut == TaskRun::Cut::kAgentStopped) return "lost";
  if (run.cut == TaskRun::Cut::kStopped) return "stopped";
  return run.end->signal == 0 && run.end->exit_code == 0 ? "completed" : "failed";
}

std::string signal_name(int number) {
  const char* const name = ::sigabbrev_np(number);
  return name == nullptr ? fmt::format("signal {}", number) : fmt::format("SIG{}", name);
}

json to_json(const TaskRun& run, const Clock& clock) {
  const auto so_far =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock.now() - run.began);
  json result{{"run", run.id},
              {"task", run.task.name},
              {"state", state_of(run)},
              {"started", to_rfc3339(run.started)},
              {"duration_ms", run.end ? run.duration.count() : so_far.count()},
              {"output_bytes", run.output.total()}};
  if (run.group != nullptr) result["pid"] = run.group->pid();
  if (!run.end) return result;
  result["exit_code"] = run.end->signal == 0 ? json(run.end->exit_code) : json();
  result["signal"] = run.end->signal == 0 ? json() : json(signal_name(run.end->signal));
  result["cpu_ms"] = run.end->cpu.count();
  result["memory_kib"] = run.end->memory_kib;
  return result;
}

std::size_t encoded_size(std::string_view text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace).size();
}

// As many bytes from the end, or from the beginning, as may be in an answer, and no half letter at
// the end that was cut.
std::string_view fitting_tail(std::string_view text) {
  while (encoded_size(text) > kMostOutput) text.remove_prefix(text.size() / 4 + 1);
  while (!text.empty() && (static_cast<unsigned char>(text.front()) & 0xC0U) == 0x80U) {
    text.remove_prefix(1);
  }
  return text;
}

std::string_view fitting_head(std::string_view text, bool may_be_half) {
  while (encoded_size(text) > kMostOutput) text.remove_suffix(text.size() / 4 + 1);
  if (!may_be_half) return text;
  // A letter whose bytes have not all come is left for the next answer.
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0U) == 0x80U) continue;
    const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    if (length > back && text.size() > back) text.remove_suffix(back);
    break;
  }
  return text;
}

std::string why_failed(const TaskRun& run) {
  switch (run.cut) {
    case TaskRun::Cut::kTimeout:
      return fmt::format("stopped after its time of {} s", run.task.timeout_s);
    case TaskRun::Cut::kStopped:
      return "stopped on request";
    case TaskRun::Cut::kAgentStopped:
      return "lost with the agent, which was stopped";
    case TaskRun::Cut::kNone:
      break;
  }
  if (run.end->signal != 0) return "ended by " + signal_name(run.end->signal);
  return fmt::format("exit code {}", run.end->exit_code);
}

void answer_end(const TaskRun& run, const Answer& answer, const Clock& clock) {
  json result = to_json(run, clock);
  const std::string_view tail = fitting_tail(run.output.tail());
  result["output"] = tail;
  result["output_cut"] = tail.size() < run.output.total();
  const bool good = state_of(run) == "completed";
  if (!good) result["error"] = why_failed(run);
  answer(good ? PushState::kCompleted : PushState::kFailed, std::move(result));
}

// --- What is asked

// Texts, numbers and truths; a program's arguments are text.
Result<std::map<std::string, std::string>> parameters_of(const json& params) {
  std::map<std::string, std::string> values;
  const auto given = params.find("params");
  if (given == params.end()) return values;
  if (!given->is_object()) return fail(ErrorCode::kUsage, "'params' is not an object");
  for (const auto& [name, value] : given->items()) {
    if (value.is_string()) {
      values[name] = value.get<std::string>();
    } else if (value.is_number() || value.is_boolean()) {
      values[name] = value.dump();
    } else {
      return fail(ErrorCode::kUsage, "parameter '{}' is neither text nor number",
                  name.substr(0, 80));
    }
  }
  return values;
}

std::int64_t number_of(const json& params, const char* name, std::int64_t least,
                       std::int64_t most) {
  const auto found = params.find(name);
  const bool given = found != params.end() && found->is_number_integer();
  return std::clamp(given ? found->get<std::int64_t>() : least, least, most);
}

class TaskPushes : public std::enable_shared_from_this<TaskPushes> {
 public:
  explicit TaskPushes(Services& services) : services_(services), runs_(services) {}

  void list(const PushMessage& /*push*/, const Answer& answer) const {
    json tasks = json::array();
    for (const TaskDeclaration& task : services_.config.tasks) {
      json parameters = json::object();
      for (const Parameter& parameter : task.parameters) {
        parameters[parameter.name] = {
            {"value", parameter.rule()},
            {"default", parameter.fallback ? json(*parameter.fallback) : json()}};
      }
      tasks.push_back({{"name", task.name},
                       {"description", task.description},
                       {"parameters", std::move(parameters)},
                       {"timeout_s", task.timeout_s},
                       {"concurrency", task.concurrency},
                       {"running", runs_.running(task)}});
    }
    finish(answer, json{{"tasks", std::move(tasks)}});
  }

  void start(const PushMessage& push, const Answer& answer) {
    const auto task = named_task(push.params);
    if (!task) return finish(answer, fail(task.error()));
    const auto values = parameters_of(push.params);
    if (!values) return finish(answer, fail(values.error()));
    const auto run =
        runs_.start(**task, std::string(push.id.str()), *values,
                    [this, answer](const TaskRun& it) { answer_end(it, answer, services_.clock); });
    if (!run) return finish(answer, fail(run.error()));
    answer(PushState::kStarted, {{"run", push.id.str()}});
  }

  void stop(const PushMessage& push, const Answer& answer) {
    auto chosen = chosen_runs(push.params);
    if (!chosen) return finish(answer, fail(chosen.error()));
    std::vector<std::string> ids;
    for (TaskRun* const run : *chosen) {
      if (run->end) continue;
      ids.push_back(run->id);
      runs_.stop(*run, TaskRun::Cut::kStopped);
    }
    answer(PushState::kStarted, {{"runs", ids}});
    answer_when_over(ids, answer);
  }

  void status(const PushMessage& push, const Answer& answer) {
    const auto chosen = chosen_runs(push.params);
    if (!chosen) return finish(answer, fail(chosen.error()));
    json runs = json::array();
    for (const TaskRun* const run : *chosen) runs.push_back(to_json(*run, services_.clock));
    finish(answer, json{{"runs", std::move(runs)}});
  }

  // What is there from 'offset' on; when there is nothing yet, as soon as there is, or after
  // 'wait_s'.
  void output(const PushMessage& push, const Answer& answer) {
    const std::string id = text_of(push.params, "run");
    if (runs_.find(id) == nullptr) return finish(answer, fail(unknown_run(id)));
    const auto offset = static_cast<std::uint64_t>(
        number_of(push.params, "offset", 0, std::numeric_limits<std::int64_t>::max()));
    const auto wait = number_of(push.params, "wait_s", 0, kLongestWait);
    const auto timer = std::make_shared<asio::steady_timer>(services_.loop);
    const auto answered = std::make_shared<bool>(false);
    const auto tell = [this, id, offset, answer, timer, answered] {
      if (std::exchange(*answered, true)) return;
      timer->cancel();
      answer_output(id, offset, answer);
    };
    TaskRun& run = *runs_.find(id);
    const bool more = run.end || run.output.total() > offset;
    if (more || wait == 0 || run.watchers() >= TaskRun::kMostWatchers) return tell();
    const std::uint64_t watcher = run.watch(tell);
    timer->expires_after(std::chrono::seconds(wait));
    timer->async_wait(
        [self = shared_from_this(), id, watcher, tell](const asio::error_code& error) {
          if (error) return;
          if (TaskRun* const silent = self->runs_.find(id)) silent->unwatch(watcher);
          tell();
        });
  }

  json running() {
    json list = json::array();
    for (const TaskRun* const run : runs_.all()) {
      if (!run->end) list.push_back(to_json(*run, services_.clock));
    }
    return list;
  }

  void agent_stops() { runs_.stop_all(); }

 private:
  [[nodiscard]] Result<const TaskDeclaration*> named_task(const json& params) const {
    const std::string name = text_of(params, "task");
    if (const TaskDeclaration* const task = runs_.find_task(name)) return task;
    std::vector<std::string> names;
    for (const TaskDeclaration& task : services_.config.tasks) names.push_back(task.name);
    return fail(
        {ErrorCode::kNotFound,
         fmt::format("the device has no task '{}'{}", name.substr(0, 80), suggestion(name, names)),
         "only what its own configuration declares can be run: kscpush task list DEVICE"});
  }

  [[nodiscard]] static Error unknown_run(const std::string& id) {
    return {ErrorCode::kNotFound, fmt::format("the device knows no run '{}'", id.substr(0, 80)),
            "it has forgotten it, or was started anew since: kscpush push show RUN"};
  }

  // By 'run', by 'task', or all.
  [[nodiscard]] Result<std::vector<TaskRun*>> chosen_runs(const json& params) {
    if (const std::string id = text_of(params, "run"); !id.empty()) {
      TaskRun* const run = runs_.find(id);
      if (run == nullptr) return fail(unknown_run(id));
      return std::vector<TaskRun*>{run};
    }
    auto runs = runs_.all();
    if (!params.contains("task")) return runs;
    const auto task = named_task(params);
    if (!task) return fail(task.error());
    std::erase_if(runs, [&](const TaskRun* run) { return &run->task != *task; });
    return runs;
  }

  void answer_when_over(const std::vector<std::string>& ids, const Answer& answer) {
    for (const std::string& id : ids) {
      TaskRun* const run = runs_.find(id);
      if (run == nullptr || run->end) continue;
      run->watch([this, ids, answer] { answer_when_over(ids, answer); });
      return;
    }
    json runs = json::array();
    for (const std::string& id : ids) {
      if (const TaskRun* const run = runs_.find(id)) runs.push_back(to_json(*run, services_.clock));
    }
    finish(answer, json{{"runs", std::move(runs)}});
  }

  void answer_output(const std::string& id, std::uint64_t offset, const Answer& answer) {
    const TaskRun* const run = runs_.find(id);
    if (run == nullptr) return finish(answer, fail(unknown_run(id)));
    const std::uint64_t from = std::clamp(offset, run->output.first(), run->output.total());
    const std::string_view text =
        fitting_head(run->output.read(from, TaskRun::kKeptOutput), /*may_be_half=*/!run->end);
    const std::uint64_t next = from + text.size();
    finish(answer, json{{"run", run->id},
                        {"state", state_of(*run)},
                        {"offset", from},
                        {"missed", from - std::min(offset, from)},
                        {"output", text},
                        {"next", next},
                        {"end", run->end.has_value() && next == run->output.total()}});
  }

  Services& services_;
  TaskRuns runs_;
};

}  // namespace

void add_tasks(PushHandlers& handlers, Services& services) {
  const auto tasks = std::make_shared<TaskPushes>(services);
  const auto add = [&](const char* kind, auto member, Repeated repeated) {
    handlers.add(
        kind,
        [tasks, member](const PushMessage& push, const Answer& answer) {
          (*tasks.*member)(push, answer);
        },
        repeated);
  };
  add("task.list", &TaskPushes::list, Repeated::kRunsAgain);
  add("task.start", &TaskPushes::start, Repeated::kAnsweredAgain);
  add("task.stop", &TaskPushes::stop, Repeated::kAnsweredAgain);
  add("task.status", &TaskPushes::status, Repeated::kRunsAgain);
  add("task.output", &TaskPushes::output, Repeated::kRunsAgain);
  services.status.add("tasks", [tasks] { return tasks->running(); });
  services.on_stop.emplace_back([tasks] { tasks->agent_stops(); });
}

}  // namespace kscpush::agent
