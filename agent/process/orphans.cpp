#include "agent/process/orphans.hpp"

#include <csignal>
#include <optional>
#include <string_view>

#include "core/file.hpp"
#include "core/numbers.hpp"

namespace kscpush::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostBytes = std::size_t{1} << 20U;
// Each round finds what was started while the one before was looking.
constexpr int kMostRounds = 10;

struct Stat {
  char state = '?';
  pid_t session = -1;
  std::uint64_t start = 0;
};

// "PID (NAME) STATE PPID PGRP SESSION ...": the name may hold anything, so it is passed from
// behind.
std::optional<Stat> read_stat(pid_t pid, const fs::path& proc) {
  const auto text = read_file(proc / std::to_string(pid) / "stat", kMostBytes);
  if (!text) return std::nullopt;
  const std::size_t name_end = text->rfind(") ");
  if (name_end == std::string::npos) return std::nullopt;
  std::string_view rest = std::string_view(*text).substr(name_end + 2);
  Stat stat;
  for (int field = 3; !rest.empty(); ++field) {
    const std::string_view word = rest.substr(0, rest.find_first_of(" \n"));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    if (field == 3 && !word.empty()) stat.state = word[0];
    if (field == 6) stat.session = to_number<pid_t>(word).value_or(-1);
    if (field == 22) {
      stat.start = to_number<std::uint64_t>(word).value_or(0);
      return stat;
    }
  }
  return std::nullopt;
}

bool has_run(pid_t pid, const std::string& run, const fs::path& proc) {
  const auto text = read_file(proc / std::to_string(pid) / "environ", kMostBytes);
  if (!text) return false;
  const std::string wanted = '\0' + ("KSCPUSH_RUN=" + run) + '\0';
  return ('\0' + *text + '\0').find(wanted) != std::string::npos;
}

std::vector<pid_t> all_processes(const fs::path& proc) {
  std::vector<pid_t> pids;
  std::error_code error;
  for (fs::directory_iterator entry(proc, error), end; !error && entry != end;
       entry.increment(error)) {
    if (const auto pid = to_number<pid_t>(entry->path().filename().string())) pids.push_back(*pid);
  }
  return pids;
}

}  // namespace

std::uint64_t start_time(pid_t pid, const fs::path& proc) {
  const auto stat = read_stat(pid, proc);
  return stat ? stat->start : 0;
}

std::string boot_id(const fs::path& proc) {
  auto text = read_file(proc / "sys/kernel/random/boot_id", kMostBytes);
  if (!text) return {};
  return text->substr(0, text->find('\n'));
}

std::size_t kill_group(const GroupRecord& record, const fs::path& proc) {
  if (record.pid <= 1 || record.start == 0) return 0;
  const auto program = read_stat(record.pid, proc);
  // Its number is another's by now, and nothing of the group is left: otherwise it would be taken.
  if (program && program->start != record.start) return 0;
  std::size_t killed = 0;
  for (int round = 0; round < kMostRounds; ++round) {
    std::size_t found = 0;
    for (const pid_t pid : all_processes(proc)) {
      const auto stat = read_stat(pid, proc);
      if (!stat || stat->session != record.pid || stat->state == 'Z') continue;
      if (!program && !has_run(pid, record.run, proc)) continue;
      if (::kill(pid, SIGKILL) == 0 && round == 0) ++killed;
      ++found;
    }
    if (found == 0) break;
  }
  return killed;
}

}  // namespace kscpush::agent
