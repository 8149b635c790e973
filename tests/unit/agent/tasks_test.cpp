// The pushes about tasks, with real programs.
#include <algorithm>

#include <doctest/doctest.h>

#include "agent/modules.hpp"
#include "agent/process/orphans.hpp"
#include "agent/tasks/output_tail.hpp"
#include "agent/tasks/task_runs.hpp"
#include "core/file.hpp"
#include "tests/unit/agent/module_rig.hpp"

namespace kscpush::agent {
namespace {

using nlohmann::json;

constexpr const char* kTasks = R"yaml(version: 1
tasks:
  - name: say
    command: /bin/echo
    args: ["{what}", done]
    parameters: {what: {pattern: "[a-z' ;$()]*", default: hello}}
  - name: exit
    command: /bin/sh
    args: [-c, "exit {code}"]
    parameters: {code: {range: [0, 200]}}
  - name: wait
    command: /bin/sh
    args: [-c, "echo up; exec sleep 1000"]
    grace_s: 30
    concurrency: 2
  - name: deaf
    command: /bin/sh
    args: [-c, "trap '' TERM; echo up; while :; do sleep 0.05; done"]
    grace_s: 0
    timeout_s: 1
  - name: endless
    command: /bin/sh
    args: [-c, "yes 0123456789"]
  - name: missing
    command: /no/such/program
  - name: environment
    command: /usr/bin/env
    environment: {A: "b c"}
  - name: pick
    command: /bin/true
    args: ["{unit}"]
    parameters: {unit: {enum: [a, b]}}
)yaml";

struct Fixture : ModuleRig {
  Fixture() : ModuleRig(kTasks) { add_tasks(handlers, services); }

  json output_of(const std::string& run, std::uint64_t offset = 0) {
    return ask("task.output", {{"run", run}, {"offset", offset}, {"wait_s", 20}}).result;
  }
  std::string begin(const std::string& task) {
    const std::string run = push("task.start", {{"task", task}});
    REQUIRE_FALSE(answers[run].empty());
    REQUIRE(answers[run].front().status == PushState::kStarted);
    REQUIRE(answers[run].front().result == json{{"run", run}});
    return run;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "tasks: one that ends well is completed, with its output") {
  const GivenAnswer& end = ask("task.start", {{"task", "say"}});
  CHECK(end.status == PushState::kCompleted);
  CHECK(end.result.at("output") == "hello done\n");
  CHECK(end.result.at("output_bytes") == 11);
  CHECK(end.result.at("exit_code") == 0);
  CHECK(end.result.at("signal").is_null());
  CHECK(end.result.at("duration_ms").get<int>() >= 0);
}

TEST_CASE_FIXTURE(Fixture, "tasks: one that ends badly has failed, with the same and the reason") {
  const GivenAnswer& end = ask("task.start", {{"task", "exit"}, {"params", {{"code", 7}}}});
  CHECK(end.status == PushState::kFailed);
  CHECK(end.result.at("exit_code") == 7);
  CHECK(end.result.at("error") == "exit code 7");
}

TEST_CASE_FIXTURE(Fixture, "tasks: parameters are words, never commands") {
  const json params{{"what", "a'b; $(reboot) 'c"}};
  const GivenAnswer& end = ask("task.start", {{"task", "say"}, {"params", params}});
  CHECK(end.result.at("output") == "a'b; $(reboot) 'c done\n");
}

TEST_CASE_FIXTURE(Fixture, "tasks: only what is declared, with parameters that fit, is started") {
  const std::pair<json, const char*> cases[] = {
      {{{"task", "sa"}}, "the device has no task 'sa'; did you mean 'say'?"},
      {{{"task", "/bin/sh"}}, "the device has no task '/bin/sh'"},
      {json::object(), "the device has no task ''"},
      {{{"task", "exit"}}, "task 'exit' needs parameter 'code'"},
      {{{"task", "exit"}, {"params", {{"code", 201}}}}, "parameter 'code' cannot be '201'"},
      {{{"task", "exit"}, {"params", {{"code", "1; id"}}}}, "parameter 'code' cannot be"},
      {{{"task", "exit"}, {"params", {{"code", json::array()}}}}, "parameter 'code' is neither"},
      {{{"task", "exit"}, {"params", 5}}, "'params' is not an object"},
      {{{"task", "say"}, {"params", {{"else", "a"}}}}, "task 'say' has no parameter 'else'"},
      {{{"task", "missing"}}, "cannot run /no/such/program: No such file"},
  };
  for (const auto& [params, error] : cases) {
    const auto& expected = error;  // clang 14 captures no part of a structure
    CAPTURE(expected);
    const GivenAnswer& end = ask("task.start", params);
    CHECK(end.status == PushState::kFailed);
    CHECK(end.result.at("error").get<std::string>().starts_with(expected));
  }
  CHECK(ask("task.status").result.at("runs").empty());
}

TEST_CASE_FIXTURE(Fixture, "tasks: as many at a time as declared") {
  const std::string first = begin("wait");
  const std::string second = begin("wait");
  const GivenAnswer& third = ask("task.start", {{"task", "wait"}});
  CHECK(third.status == PushState::kFailed);
  CHECK(third.result.at("error") == "task 'wait' runs already, as often as it may (2)");
  const json tasks = ask("task.list").result.at("tasks");
  CHECK(tasks.at(2).at("running") == 2);
  CHECK(tasks.at(1).at("parameters").at("code").at("value") == "from 0 to 200");
  CHECK(tasks.back().at("parameters").at("unit").at("value") == "of a, b");
  CHECK(status.collect().at("tasks").size() == 2);
  const GivenAnswer& stopped = ask("task.stop", {{"task", "wait"}});
  CHECK(stopped.status == PushState::kCompleted);
  REQUIRE(stopped.result.at("runs").size() == 2);
  for (const std::string& run : {first, second}) {
    const GivenAnswer& end = wait(run);
    CHECK(end.status == PushState::kFailed);
    CHECK(end.result.at("error") == "stopped on request");
    CHECK(end.result.at("signal") == "SIGTERM");
    CHECK(end.result.at("state") == "stopped");
  }
  CHECK(ask("task.stop", {{"task", "wait"}}).result.at("runs").empty());
  CHECK(ask("task.stop", {{"run", first}}).status == PushState::kCompleted);
  CHECK(ask("task.stop", {{"run", "nonsense"}}).status == PushState::kFailed);
}

TEST_CASE_FIXTURE(Fixture, "tasks: one whose time is over is stopped, and killed if it must be") {
  const GivenAnswer& end = wait(begin("deaf"));
  CHECK(end.status == PushState::kFailed);
  CHECK(end.result.at("error") == "stopped after its time of 1 s");
  CHECK(end.result.at("signal") == "SIGKILL");
  CHECK(end.result.at("output") == "up\n");
}

TEST_CASE_FIXTURE(Fixture, "tasks: output without end is counted, and its end is kept") {
  const std::string run = begin("endless");
  run_until(
      [&] { return status.collect().at("tasks").at(0).at("output_bytes").get<int>() > 1'000'000; });
  // What was asked for is forgotten already; what is there follows.
  const json part = output_of(run);
  CHECK(part.at("missed").get<std::uint64_t>() > 0);
  CHECK(part.at("end") == false);
  const auto text = part.at("output").get<std::string>();
  CHECK(text.size() > 1000);
  CHECK(part.at("next") == part.at("offset").get<std::uint64_t>() + text.size());
  ask("task.stop", {{"run", run}});
  const GivenAnswer& end = wait(run);
  CHECK(end.result.at("output_bytes").get<std::uint64_t>() > 1'000'000);
  CHECK(end.result.at("output_cut") == true);
  CHECK(end.result.dump().size() < 48 * 1024);
}

TEST_CASE_FIXTURE(Fixture, "tasks: output is given as it comes, to who waits for it") {
  const std::string run = begin("wait");
  const json first = output_of(run);
  CHECK(first.at("output") == "up\n");
  CHECK(first.at("end") == false);
  const std::string waiting = push("task.output", {{"run", run}, {"offset", 3}, {"wait_s", 20}});
  CHECK(answers[waiting].empty());
  ask("task.stop", {{"run", run}});
  const json last = wait(waiting).result;
  CHECK(last.at("output") == "");
  CHECK(last.at("end") == true);
  CHECK(last.at("state") == "stopped");
  const json now = ask("task.output", {{"run", run}, {"offset", 3}}).result;
  CHECK(now.at("end") == true);
  CHECK(ask("task.output", {{"run", "nonsense"}}).status == PushState::kFailed);
}

TEST_CASE_FIXTURE(Fixture, "regression: tasks: who waited for output in vain is in nobody's way") {
  const std::string run = begin("wait");
  CHECK(output_of(run).at("output") == "up\n");
  std::vector<std::string> waiting;
  for (std::size_t i = 0; i < TaskRun::kMostWatchers; ++i) {
    waiting.push_back(push("task.output", {{"run", run}, {"offset", 3}, {"wait_s", 1}}));
  }
  for (const std::string& one : waiting) CHECK(wait(one).result.at("output") == "");
  const std::string next = push("task.output", {{"run", run}, {"offset", 3}, {"wait_s", 20}});
  CHECK(answers[next].empty());
  ask("task.stop", {{"run", run}});
  CHECK(wait(next).result.at("end") == true);
}

TEST_CASE_FIXTURE(Fixture, "tasks: their environment is what is declared") {
  const auto text = ask("task.start", {{"task", "environment"}}).result.at("output");
  const auto lines = text.get<std::string>();
  CHECK(lines.find("A=b c\n") != std::string::npos);
  CHECK(lines.find("KSCPUSH_TASK=environment\n") != std::string::npos);
  CHECK(lines.find("PATH=/usr/local/sbin:") != std::string::npos);
  CHECK(std::ranges::count(lines, '\n') == 7);
}

TEST_CASE_FIXTURE(Fixture, "tasks: the agent's stop is theirs, and is told so") {
  const std::string run = begin("wait");
  output_of(run);
  for (const auto& call : services.on_stop) call();
  const GivenAnswer& end = wait(run);
  CHECK(end.status == PushState::kFailed);
  CHECK(end.result.at("error") == "lost with the agent, which was stopped");
  CHECK(end.result.at("state") == "lost");
}

TEST_CASE("tasks: what an agent that was killed has left is killed by the next") {
  Fixture first;
  const std::string run = first.begin("wait");
  const auto pid = first.status.collect().at("tasks").at(0).at("pid").get<pid_t>();
  // The next agent, as it finds the directory.
  ModuleRig next(kTasks);
  const std::string record = first.state.read("groups", 1 << 20).value().value();
  REQUIRE(next.state.write("groups", record).has_value());
  add_tasks(next.handlers, next.services);
  const GivenAnswer& end = first.wait(run);
  CHECK(end.result.at("signal") == "SIGKILL");
  CHECK(start_time(pid) == 0);
}

TEST_CASE("tasks: a record of another boot, or one that is none, kills nobody") {
  Fixture first;
  const std::string run = first.begin("wait");
  const json record = json::parse(first.state.read("groups", 1 << 20).value().value());
  json other_boot = record;
  other_boot["boot"] = "another";
  json other_start = record;
  other_start["groups"][0]["start"] = 1;
  for (const std::string& text : {other_boot.dump(), other_start.dump(), std::string("{"),
                                  std::string(R"({"boot":1,"groups":[5,{}]})")}) {
    ModuleRig next(kTasks);
    REQUIRE(next.state.write("groups", text).has_value());
    add_tasks(next.handlers, next.services);
  }
  CHECK(first.status.collect().at("tasks").size() == 1);
  CHECK(first.ask("task.stop", {{"run", run}}).result.at("runs").at(0).at("signal") == "SIGTERM");
}

TEST_CASE("output tail: the last bytes, and where they stand") {
  OutputTail tail(10);
  CHECK(tail.tail().empty());
  tail.append("abc");
  CHECK(tail.tail() == "abc");
  CHECK(tail.read(1, 100) == "bc");
  tail.append("defghijklmno");
  CHECK(tail.total() == 15);
  CHECK(tail.first() == 5);
  CHECK(tail.tail() == "fghijklmno");
  CHECK(tail.read(0, 3) == "fgh");
  CHECK(tail.read(14, 3) == "o");
  CHECK(tail.read(99, 3).empty());
  tail.append(std::string(100, 'x') + "0123456789");
  CHECK(tail.tail() == "0123456789");
  CHECK(tail.total() == 125);
}

}  // namespace kscpush::agent
