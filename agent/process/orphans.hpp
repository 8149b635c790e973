// Processes that an earlier run of the agent has left: which they are is known by a record of their
// groups, and by what /proc says of them now.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace kscpush::agent {

// A process group as it is written down. START: field 22 of /proc/PID/stat.
struct GroupRecord {
  std::string run;
  std::string task;
  pid_t pid = -1;
  std::uint64_t start = 0;
};

// 0: there is no such process.
[[nodiscard]] std::uint64_t start_time(pid_t pid, const std::filesystem::path& proc = "/proc");
// Of this boot of the machine; empty when it cannot be read.
[[nodiscard]] std::string boot_id(const std::filesystem::path& proc = "/proc");

// Kills what is left of the group, and gives the number of processes. The program itself is known
// by its start time; what it has started by their session, and when it has gone itself, by
// "KSCPUSH_RUN=RUN" in their environment.
std::size_t kill_group(const GroupRecord& record, const std::filesystem::path& proc = "/proc");

}  // namespace kscpush::agent
