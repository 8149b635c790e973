#include <fstream>

#include <doctest/doctest.h>

#include "agent/modules.hpp"
#include "agent/stats/collectors.hpp"
#include "agent/stats/host.hpp"
#include "core/version.hpp"
#include "tests/unit/agent/module_rig.hpp"

namespace kscpush::agent {
namespace {

using nlohmann::json;

void write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

json application(const json& applications, const std::string& name) {
  for (const json& one : applications) {
    if (one.at("name") == name) return one;
  }
  return {};
}

}  // namespace

TEST_CASE("host statistics: as the files of the system have them") {
  const test::TempDir root;
  write(root / "proc/loadavg", "0.25 1.50 2.00 3/456 789\n");
  write(root / "proc/uptime", "3600.25 7000.00\n");
  write(root / "proc/stat", "cpu  100 0 50 1000 10 1 2 3 0 0\ncpu0 1 2\ncpu1 1 2\nintr 5\n");
  write(root / "proc/meminfo", "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\n");
  write(root / "proc/net/dev",
        "Inter-| Receive\n face |bytes\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
        "  eth0: 10 2 3 4 0 0 0 0 50 6 7 8 0 0 0 0\n");
  write(root / "etc/os-release", "PRETTY_NAME=\"Some Linux 1\"\nID=some\nVERSION_ID=\"1\"\n");
  const json host = host_statistics(root.path());
  CHECK(host.at("load") == json{0.25, 1.5, 2.0});
  CHECK(host.at("processes") == 456);
  CHECK(host.at("uptime_s") == 3600.25);
  CHECK(host.at("cpus") == 2);
  CHECK(host.at("cpu_s").at("user") == 1.0);
  CHECK(host.at("memory") == json{{"total", 1024'000}, {"available", 409'600}});
  REQUIRE(host.at("network").size() == 1);
  CHECK(host.at("network")[0].at("name") == "eth0");
  CHECK(host.at("network")[0].at("tx_bytes") == 50);
  CHECK(host.at("os") == json{{"name", "Some Linux 1"}, {"id", "some"}, {"version", "1"}});
}

TEST_CASE("host statistics: what cannot be read is left out") {
  const test::TempDir root;
  const json nothing = host_statistics(root.path());
  CHECK_FALSE(nothing.contains("load"));
  CHECK(nothing.at("disks").empty());
  for (const char* name : {"loadavg", "uptime", "stat", "meminfo", "mounts", "net/dev"}) {
    write(root / "proc" / name, std::string("cpu\n\n:::\n x: y\nMemTotal: z\n\0\xFF", 30));
  }
  CHECK_FALSE(host_statistics(root.path()).contains("memory"));
}

TEST_CASE("host statistics: of this machine") {
  const json host = host_statistics();
  CHECK(host.at("memory").at("total").get<double>() > 0);
  CHECK(host.at("uptime_s").get<double>() > 0);
  CHECK_FALSE(host.at("disks").empty());
}

TEST_CASE("collectors: each gives its values, its metrics, or why not") {
  ModuleRig rig(R"yaml(version: 1
collectors:
  - {name: json, command: /bin/echo, args: ['{"queue": {"length": 3}}']}
  - name: metrics
    command: /bin/echo
    args: ["# TYPE jobs counter\njobs{a=\"b\"} 5 1700000000000"]
    format: prometheus
  - {name: not-metrics, command: /bin/echo, args: ["jobs{a=b} 5"], format: prometheus}
  - {name: not-json, command: /bin/echo, args: ["{"]}
  - {name: bad, command: /bin/false}
  - {name: missing, command: /no/such/program}
  - {name: no-file, file: /no/such/file}
  - {name: pipe, file: /dev/stdin}
  - {name: slow, command: /bin/sleep, args: ["1000"], timeout_s: 1}
  - {name: endless, command: /usr/bin/yes}
  - {name: deep, command: /bin/sh, args: [-c, "printf '[%.0s' $(seq 1000)"]}
)yaml");
  add_stats(rig.handlers, rig.services);
  const GivenAnswer& answer = rig.ask("stats");
  REQUIRE(answer.status == PushState::kCompleted);
  CHECK(answer.result.at("agent").at("version") == kVersion);
  CHECK(answer.result.at("host").contains("load"));
  const json& all = answer.result.at("applications");
  REQUIRE(all.size() == rig.config.collectors.size());
  CHECK(application(all, "json").at("values").at("queue").at("length") == 3);
  CHECK(application(all, "metrics").at("metrics") == "# TYPE jobs counter\njobs{a=\"b\"} 5\n");
  const std::pair<const char*, const char*> failures[] = {
      {"not-metrics", "line 1: "},
      {"not-json", "what it gave is not JSON"},
      {"bad", "exit code 1"},
      {"missing", "cannot run /no/such/program"},
      {"no-file", "cannot read /no/such/file"},
      {"pipe", "/dev/stdin is not a regular file"},
      {"slow", "no end after 1 s"},
      {"endless", "more than 32768 bytes"},
      {"deep", "JSON deeper than 32 levels"},
  };
  for (const auto& failure : failures) {
    CAPTURE(failure.first);
    const auto& [name, why] = failure;
    CHECK(application(all, name).at("error").get<std::string>().starts_with(why));
  }
}

TEST_CASE("collectors: those who together give too much are left out by name") {
  ModuleRig rig(R"yaml(version: 1
collectors:
  - {name: a, command: /usr/bin/python3, args: [-c, "print('\"' + 'a' * 20000 + '\"')"]}
  - {name: b, command: /usr/bin/python3, args: [-c, "print('\"' + 'b' * 20000 + '\"')"]}
)yaml");
  add_stats(rig.handlers, rig.services);
  const json all = rig.ask("stats").result.at("applications");
  CHECK(application(all, "a").contains("values"));
  CHECK(application(all, "b").at("error") == "all collectors together gave more than 32768 bytes");
}

TEST_CASE("statistics: not collected more than twice at a time") {
  ModuleRig rig(R"yaml(version: 1
collectors:
  - {name: slow, command: /bin/sleep, args: ["1000"], timeout_s: 1}
)yaml");
  add_stats(rig.handlers, rig.services);
  const std::string first = rig.push("stats");
  const std::string second = rig.push("stats");
  CHECK(rig.ask("stats").status == PushState::kFailed);
  CHECK(rig.wait(first).status == PushState::kCompleted);
  CHECK(rig.wait(second).status == PushState::kCompleted);
  CHECK(rig.ask("stats").status == PushState::kCompleted);
}

}  // namespace kscpush::agent
