#include "cli/bench/process_usage.hpp"

#include <charconv>
#include <filesystem>

#include <unistd.h>

#include "core/file.hpp"

namespace kscpush::cli::bench {
namespace {

constexpr std::size_t kMostText = std::size_t{1} << 20U;

std::string text_of(const std::filesystem::path& path) {
  return read_file(path, kMostText).value_or("");
}

std::uint64_t number_in(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_of("0123456789"), text.size()));
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// The number after NAME at the start of a line; 0 without it.
std::uint64_t field(std::string_view text, std::string_view name) {
  for (std::size_t at = text.find(name); at != std::string_view::npos;
       at = text.find(name, at + 1)) {
    if (at == 0 || text[at - 1] == '\n') return number_in(text.substr(at + name.size()));
  }
  return 0;
}

}  // namespace

Result<ProcessUsage> process_cpu(pid_t pid) {
  const std::filesystem::path folder = fmt::format("/proc/{}", pid);
  std::error_code error;
  std::filesystem::directory_iterator tasks(folder / "task", error);
  if (error) {
    return fail({ErrorCode::kNotFound, fmt::format("there is no process {}", pid),
                 "--pid takes the process id of the server, on this machine"});
  }
  ProcessUsage usage;
  for (const auto& task : tasks) {
    std::string name = text_of(task.path() / "comm");
    name.resize(std::min(name.size(), name.find('\n')));
    // "TIME-ON-CPU TIME-WAITING SLICES", in ns.
    const std::uint64_t ns = number_in(text_of(task.path() / "schedstat"));
    usage.threads[name] += ns;
    usage.cpu_ns += ns;
  }
  return usage;
}

Result<ProcessUsage> process_usage(pid_t pid) {
  auto usage = process_cpu(pid);
  if (!usage) return usage;
  const std::string memory = text_of(fmt::format("/proc/{}/smaps_rollup", pid));
  if (memory.empty()) {
    return fail({ErrorCode::kDenied, fmt::format("the memory of process {} cannot be seen", pid),
                 "run the command as the user who runs the server"});
  }
  usage->rss = field(memory, "Rss:") << 10U;
  usage->pss = field(memory, "Pss:") << 10U;
  usage->own = field(memory, "Anonymous:") << 10U;
  const std::string machine = text_of("/proc/meminfo");
  usage->kernel =
      (field(machine, "Slab:") + field(machine, "KernelStack:") + field(machine, "PageTables:"))
      << 10U;
  const std::string sockets = text_of("/proc/net/sockstat");
  if (const std::size_t at = sockets.find("TCP:"); at != std::string::npos) {
    const std::size_t pages = sockets.find(" mem ", at);
    if (pages != std::string::npos) {
      usage->sockets = number_in(std::string_view(sockets).substr(pages)) *
                       static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    }
  }
  return usage;
}

}  // namespace kscpush::cli::bench
