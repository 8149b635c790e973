#include "agent/config.hpp"

#include <doctest/doctest.h>

namespace kscpush::agent {
namespace {

struct Read {
  AgentConfig config;
  Diagnostics diagnostics;
};

Read read(const std::string& text) {
  Read result;
  const auto document = yaml::Document::parse(text, "agent.yaml");
  REQUIRE(document.has_value());
  result.config = read_config(*document, "/etc/kscpush", result.diagnostics);
  return result;
}

std::string first_error(const std::string& text) {
  const Read result = read(text);
  REQUIRE_FALSE(result.diagnostics.empty());
  const Diagnostic& first = result.diagnostics.front();
  return to_string(first.origin) + ": " + first.message;
}

}  // namespace

TEST_CASE("agent file: all of it") {
  const Read result = read(R"yaml(version: 1
id: pc-1
servers: [dp-1.example.com, "dp-2.example.com:443"]
files: keys
state_directory: /srv/state
tasks:
  - name: restart
    description: Restarts a unit
    command: /usr/bin/systemctl
    args: [restart, "{unit}", "--lines={n}"]
    parameters:
      unit: {enum: [nginx, cron], default: cron}
      n: {range: [1, 9]}
    user: root
    environment: {LANG: C.UTF-8}
    working_directory: /tmp
    timeout_s: 60
    grace_s: 3
    concurrency: 2
    limits: {cpu_s: 5, memory_mib: 64, processes: 10, files: 32}
collectors:
  - {name: web, command: /usr/bin/web, args: [--metrics], format: prometheus, timeout_s: 3}
  - {name: backup, file: /var/lib/backup.json}
tunnels: {allow: ["127.0.0.1:22", "*:443", "db:*"], max: 4, idle_s: 5, lifetime_s: 50}
local:
  connectivity.schedule.synchronization_interval: 30
)yaml");
  REQUIRE(result.diagnostics.empty());
  const AgentConfig& config = result.config;
  CHECK(config.id == DeviceId::parse("pc-1").value());
  REQUIRE(config.servers.size() == 2);
  CHECK(to_string(config.servers[1]) == "dp-2.example.com:443");
  CHECK(config.files == "/etc/kscpush/keys");
  CHECK(config.state_directory == "/srv/state");
  REQUIRE(config.tasks.size() == 1);
  const TaskDeclaration& task = config.tasks[0];
  CHECK(task.arguments({{"n", "3"}}).value() ==
        std::vector<std::string>{"restart", "cron", "--lines=3"});
  CHECK(task.command.environment.at("LANG") == "C.UTF-8");
  CHECK(task.command.limits.processes == 10);
  CHECK((task.timeout_s == 60 && task.grace_s == 3 && task.concurrency == 2));
  REQUIRE(config.collectors.size() == 2);
  CHECK(config.collectors[0].format == CollectorDeclaration::Format::kPrometheus);
  CHECK(config.collectors[1].file == "/var/lib/backup.json");
  CHECK(config.tunnels.allow.size() == 3);
  CHECK(config.local.at("connectivity.schedule.synchronization_interval") == "30");
}

TEST_CASE("agent file: what is wrong is told with its place") {
  const std::pair<const char*, const char*> cases[] = {
      {"id: pc-1\n", "agent.yaml: 'version' is missing"},
      {"version: 2\n", "agent.yaml:1:10: version must be a number from 1 to 1, not '2'"},
      {"version: 1\nserver: [a]\n",
       "agent.yaml:2:1: unknown key 'server' in the agent's file; did you mean 'servers'?"},
      {"version: 1\nservers: [\"a:0\"]\n", "agent.yaml:2:11: "},
      {"version: 1\nid: a b\n", "agent.yaml:2:5: "},
      {"version: 1\ntunnels: {allow: [\"host\"]}\n", "agent.yaml:2:19: 'host' is not HOST:PORT"},
      {"version: 1\ntunnels: {allow: [\"db-*:22\"]}\n", "agent.yaml:2:19: "},
      {"version: 1\nlocal: [a]\n", "agent.yaml:2:8: local must be a mapping"},
      {"version: 1\ntasks:\n  - command: /bin/true\n", "agent.yaml:3:5: a task has no name"},
      {"version: 1\ntasks:\n  - name: a\n", "agent.yaml:3:5: a task has no command"},
      {"version: 1\ntasks:\n  - {name: a, command: true}\n",
       "agent.yaml:3:24: command must be an absolute path, not 'true'"},
      {"version: 1\ntasks:\n  - {name: a, command: /a, args: [\"{x}\"]}\n",
       "agent.yaml:3:34: parameter 'x' of the arguments is not declared"},
      {"version: 1\ntasks:\n  - {name: a, command: /a, args: [\"{x\"]}\n", "agent.yaml:3:34: '{x'"},
      {"version: 1\ntasks:\n  - {name: a, command: /a, parameters: {x: {enum: [b]}}}\n",
       "agent.yaml:3:5: parameter 'x' is not in the arguments"},
      {"version: 1\ntasks:\n  - {name: a, command: /a, args: [\"{x}\"], parameters: {x: {}}}\n",
       "agent.yaml:3:59: parameter 'x' needs exactly one of pattern, enum and range"},
      {"version: 1\ntasks:\n  - {name: a, command: /a, args: [\"{x}\"],"
       " parameters: {x: {enum: [b], default: c}}}\n",
       "agent.yaml:3:80: the default does not fit: parameter 'x' cannot be 'c'"},
      {"version: 1\ntasks:\n  - {name: a, command: /a, args: [\"{x}\"],"
       " parameters: {x: {pattern: \"(\"}}}\n",
       "agent.yaml:3:69: not a pattern: "},
      {"version: 1\ntasks:\n  - {name: a, command: /a, args: [\"{x}\"],"
       " parameters: {x: {range: [5, 1]}}}\n",
       "agent.yaml:3:67: a range is two whole numbers"},
      {"version: 1\ntasks:\n  - {name: a, command: /a}\n  - {name: a, command: /b}\n",
       "agent.yaml:4:5: two tasks are named 'a'"},
      {"version: 1\ncollectors:\n  - {name: a}\n",
       "agent.yaml:3:5: a collector needs either a command or a file"},
      {"version: 1\ncollectors:\n  - {name: a, file: /a, format: xml}\n",
       "agent.yaml:3:33: format must be json or prometheus, not 'xml'"},
  };
  for (const auto& each : cases) {
    CAPTURE(each.first);
    const auto& [text, expected] = each;
    const std::string error = first_error(text);
    CAPTURE(error);
    CHECK(error.starts_with(expected));
  }
}

TEST_CASE("task parameters: only what fits is passed on, as one argument") {
  const Read result = read(R"yaml(version: 1
tasks:
  - name: t
    command: /bin/t
    args: ["{word}", "a{{b}}", "{level}"]
    parameters:
      word: {pattern: "[a-z ]{1,8}|-x"}
      level: {range: [-3, 3], default: 0}
)yaml");
  REQUIRE(result.diagnostics.empty());
  const TaskDeclaration& task = result.config.tasks.at(0);
  CHECK(task.arguments({{"word", "a b"}, {"level", "-3"}}).value() ==
        std::vector<std::string>{"a b", "a{b}", "-3"});
  CHECK(task.arguments({{"word", "x"}}).value().back() == "0");
  const std::map<std::string, std::string> wrong[] = {
      {},                                 // word is missing
      {{"word", ""}},                     // the pattern wants a letter
      {{"word", "abcdefghi"}},            // too long for it
      {{"word", "a;b"}},                  // another letter
      {{"word", "a\nb"}},                 // a control character
      {{"word", "-x"}},                   // an option, though the pattern would have it
      {{"word", std::string(300, 'a')}},  //
      {{"word", "a"}, {"level", "4"}},    // beyond the range
      {{"word", "a"}, {"level", "1.0"}},  //
      {{"word", "a"}, {"level", " 1"}},   //
      {{"word", "a"}, {"other", "b"}},    // not declared
  };
  for (const auto& values : wrong) {
    const auto arguments = task.arguments(values);
    REQUIRE_FALSE(arguments.has_value());
    CHECK(arguments.error().code == ErrorCode::kUsage);
  }
  CHECK(task.arguments({{"word", "a"}, {"levell", "1"}}).error().message ==
        "task 't' has no parameter 'levell'; did you mean 'level'?");
}

TEST_CASE("patterns: what could take long to match is refused") {
  for (const char* text : {"", "(a)\\1", "(a{1,50}){1,50}", "a{1,101}", "(", "[", "*a{"}) {
    CAPTURE(text);
    CHECK_FALSE(Pattern::compile(text).has_value());
  }
  const auto pattern = Pattern::compile("a|b{2,3}|(a+)+x");
  REQUIRE(pattern.has_value());
  CHECK(pattern->matches("a"));
  CHECK(pattern->matches("bbb"));
  CHECK_FALSE(pattern->matches("ab"));
  CHECK_FALSE(pattern->matches(std::string(256, 'a')));
}

}  // namespace kscpush::agent
