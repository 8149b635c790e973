// What a process on this machine uses, as /proc says.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <sys/types.h>

#include "core/result.hpp"

namespace kscpush::cli::bench {

struct ProcessUsage {
  std::uint64_t cpu_ns = 0;                      // of all threads that live
  std::map<std::string, std::uint64_t> threads;  // the same by the threads' names
  std::uint64_t rss = 0;                         // bytes, as the next two
  std::uint64_t pss = 0;
  std::uint64_t own = 0;      // anonymous memory: heap and stacks
  std::uint64_t kernel = 0;   // of the whole machine: slab, stacks, page tables; bytes
  std::uint64_t sockets = 0;  // of the whole machine, TCP: buffers; bytes
};

// kNotFound: no such process. kDenied: another user's.
[[nodiscard]] Result<ProcessUsage> process_usage(pid_t pid);
// The CPU alone, which is cheap to ask for.
[[nodiscard]] Result<ProcessUsage> process_cpu(pid_t pid);

}  // namespace kscpush::cli::bench
