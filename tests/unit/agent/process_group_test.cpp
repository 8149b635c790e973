// Programs that run, end, refuse to end, print too much, and leave others behind.
#include "agent/process/process_group.hpp"

#include <array>
#include <csignal>
#include <fstream>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/process/orphans.hpp"
#include "core/file.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/temp_dir.hpp"

namespace kscpush::agent {
namespace {

SpawnOrder shell(const std::string& script) {
  SpawnOrder order{"/bin/sh", {"-c", script}, {}, "/"};
  order.environment = {"PATH=/usr/bin:/bin", "KSCPUSH_RUN=run-1"};
  return order;
}

// One program, to its end.
struct Running {
  explicit Running(const SpawnOrder& order) {
    auto started = ProcessGroup::start(
        loop, order,
        [this](std::string_view bytes) {
          total += bytes.size();
          if (output.size() < 65'536) output += bytes;
        },
        [this](const ProcessEnd& ended) { end = ended; });
    if (started) group = std::move(*started);
    if (!started) error = started.error();
  }
  void run_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + test::kPatience;
    while (!condition()) {
      loop.restart();
      REQUIRE(loop.run_one_until(deadline) == 1);
    }
  }
  ProcessEnd& wait() {
    run_until([this] { return end.has_value(); });
    return *end;
  }

  asio::io_context loop{1};
  std::shared_ptr<ProcessGroup> group;
  std::optional<Error> error;
  std::string output;
  std::size_t total = 0;
  std::optional<ProcessEnd> end;
};

// Of a process, when it is gone or a zombie.
bool is_gone(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  return !text || text->find(") Z ") != std::string::npos;
}

void wait_until_gone(pid_t pid) {
  test::wait_until([&] { return is_gone(pid); });
}

}  // namespace

TEST_CASE("process: its output, its exit code") {
  Running running(shell("echo out; echo err >&2; exit 3"));
  CHECK(running.wait().exit_code == 3);
  CHECK(running.end->signal == 0);
  CHECK(running.output == "out\nerr\n");
}

TEST_CASE("process: it has what the order says, and nothing of ours") {
  const test::TempDir folder;
  const std::ofstream ours(folder / "ours");  // an open descriptor without CLOEXEC
  const int inherited = ::open((folder / "ours").c_str(), O_RDONLY);
  REQUIRE(inherited > 2);
  SpawnOrder order = shell(
      "pwd; env | grep -v -e ^PWD -e ^_= -e ^SHLVL -e ^OLDPWD | sort; ls /proc/self/fd | wc -l;"
      " cat; ps -o pid=,pgid=,sess= -p $$ | tr -s ' '");
  order.working_directory = folder.path();
  Running running(order);
  const pid_t pid = running.group->pid();
  CHECK(running.wait().exit_code == 0);
  ::close(inherited);
  // 0, 1, 2, and the one by which ls reads the directory.
  CHECK(running.output.starts_with(
      fmt::format("{}\nKSCPUSH_RUN=run-1\nPATH=/usr/bin:/bin\n4\n", folder.path().string())));
  CHECK(running.output.ends_with(fmt::format("{0} {0} {0}\n", pid)));
}

TEST_CASE("process: what ignores SIGTERM gets SIGKILL after its grace") {
  // The shell would say that its sleep was ended as well.
  Running polite(shell(
      "exec 2>/dev/null; trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done"));
  polite.run_until([&] { return polite.output == "up\n"; });
  polite.group->stop(test::kPatience);
  CHECK(polite.wait().exit_code == 0);
  CHECK(polite.output == "up\nbye\n");
  Running deaf(shell("trap '' TERM; echo up; while :; do sleep 0.01; done"));
  deaf.run_until([&] { return deaf.output == "up\n"; });
  deaf.group->stop(std::chrono::milliseconds(50));
  CHECK(deaf.wait().signal == SIGKILL);
}

TEST_CASE("process: what it has started ends with it") {
  Running running(shell("sleep 1000 & echo $!; trap '' TERM; (trap '' TERM; sleep 1000) & exit 0"));
  CHECK(running.wait().exit_code == 0);
  wait_until_gone(std::stoi(running.output));
}

TEST_CASE("process: a background process that keeps the output open does not hold it up") {
  Running running(shell("setsid sleep 1000 & echo $!; exit 7"));
  CHECK(running.wait().exit_code == 7);
  const pid_t daemon = std::stoi(running.output);
  ::kill(daemon, SIGKILL);
}

TEST_CASE("process: all that it wrote is there when its end is told") {
  Running running(shell("head -c 3000000 /dev/zero; echo end"));
  CHECK(running.wait().exit_code == 0);
  CHECK(running.total == 3'000'004);
}

TEST_CASE("process: what cannot be started says why, and leaves nothing") {
  SpawnOrder order = shell("");
  SUBCASE("no program") {
    order.program = "/no/such/program";
  }
  SUBCASE("not a program") {
    order.program = "/etc/passwd";
  }
  SUBCASE("no folder") {
    order.working_directory = "/no/such/folder";
  }
  Running running(order);
  REQUIRE(running.error.has_value());
  CHECK(running.error->message.starts_with("cannot "));
  CHECK(running.group == nullptr);
}

TEST_CASE("process: its limits hold") {
  SUBCASE("time of the processor") {
    SpawnOrder order = shell("while :; do :; done");
    order.limits.cpu_s = 1;
    Running running(order);
    CHECK(running.wait().signal == SIGXCPU);
    // The kernel counts a limit in ticks, and what was used exactly: they differ on a busy machine.
    CHECK(running.end->cpu >= std::chrono::milliseconds(500));
  }
  SUBCASE("memory") {
    SpawnOrder order = shell("exec /usr/bin/python3 -c 'x = bytearray(1 << 30); print(len(x))'");
    order.limits.memory_mib = 256;
    Running running(order);
    CHECK(running.wait().exit_code != 0);
    CHECK(running.output.find("MemoryError") != std::string::npos);
  }
  SUBCASE("open files") {
    SpawnOrder order = shell("ulimit -n");
    order.limits.files = 17;
    Running running(order);
    CHECK(running.wait().exit_code == 0);
    CHECK(running.output == "17\n");
  }
}

TEST_CASE("process: a fork bomb has as many processes as its user may, and ends with its group") {
  if (::geteuid() != 0) return;  // root is who can be another, and who has no such limit itself
  auto account = find_account("nobody");
  REQUIRE(account.has_value());
  SpawnOrder order = shell(
      "i=0; while [ $i -lt 200 ]; do (sleep 1000) & i=$((i + 1)); done 2>/dev/null; echo done");
  order.account = std::move(*account);
  order.limits.processes = 20;
  Running running(order);
  REQUIRE_FALSE(running.error.has_value());
  const pid_t session = running.group->pid();
  // dash gives up when it cannot fork; so does the program, and the group goes with it.
  running.wait();
  CHECK(running.output.find("done") == std::string::npos);
  const GroupRecord rest{"run-1", "bomb", session, 1};
  test::wait_until([&] { return kill_group(rest) == 0; });
}

TEST_CASE("process: as another user it has that user's groups only") {
  if (::geteuid() != 0) return;
  SpawnOrder order = shell("id -u -n; id -G");
  order.account = find_account("nobody").value();
  Running running(order);
  CHECK(running.wait().exit_code == 0);
  CHECK(running.output == fmt::format("nobody\n{}\n", order.account->group));
}

TEST_CASE("orphans: only processes of the record are killed") {
  Running running(shell("sleep 1000 & echo $!; wait"));
  running.run_until([&] { return running.output.ends_with('\n'); });
  const pid_t pid = running.group->pid();
  const pid_t child = std::stoi(running.output);
  const std::uint64_t start = start_time(pid);
  REQUIRE(start > 0);
  CHECK(kill_group({"run-1", "t", pid, start + 1}) == 0);  // the number is another's by now
  CHECK(kill_group({"run-1", "t", pid, 0}) == 0);
  CHECK_FALSE(is_gone(pid));
  CHECK(kill_group({"run-1", "t", pid, start}) == 2);
  CHECK(running.wait().signal == SIGKILL);
  wait_until_gone(child);
}

TEST_CASE("orphans: of a program that has gone, by their session and their environment") {
  // Not by ProcessGroup, which leaves nothing.
  const auto spawned = spawn(shell("sleep 1000 & echo $!; exit 0"));
  REQUIRE(spawned.has_value());
  const std::uint64_t start = start_time(spawned->pid);
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(spawned->pid), &info, WEXITED) == 0);
  std::array<char, 32> text{};
  REQUIRE(::read(spawned->output.get(), text.data(), text.size() - 1) > 0);
  const pid_t child = std::stoi(text.data());
  CHECK(kill_group({"run-2", "t", spawned->pid, start}) == 0);
  CHECK_FALSE(is_gone(child));
  CHECK(kill_group({"run-1", "t", spawned->pid, start}) == 1);
  wait_until_gone(child);
}

}  // namespace kscpush::agent
