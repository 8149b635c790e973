// Ports and descriptors: what the kernel lets a push server have.
#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "cli/doctor/checks.hpp"
#include "core/descriptor.hpp"
#include "core/numbers.hpp"
#include "server/net/listener.hpp"

namespace kscpush::cli {
namespace {

using Level = Finding::Level;

// Beside the devices: listeners, store, admin API.
constexpr std::uint64_t kOtherDescriptors = 1000;

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(std::move(word));
  return words;
}

// The inode of the socket that listens on the port, as a table of /proc/net has it.
std::optional<std::string> listening_inode(const std::filesystem::path& table, Port port) {
  std::ifstream file(table);
  const std::string ending = fmt::format(":{:04X}", port.value());
  for (std::string line; std::getline(file, line);) {
    const auto words = words_of(line);
    constexpr std::size_t kInode = 9;
    if (words.size() <= kInode || words[3] != "0A" || !words[1].ends_with(ending)) continue;
    return words[kInode];
  }
  return std::nullopt;
}

std::string first_line(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<PortHolder> holder_of_inode(const Host& host, const std::string& inode) {
  const std::string wanted = "socket:[" + inode + "]";
  std::error_code error;
  for (std::filesystem::directory_iterator process(host.proc, error), end; process != end;
       process.increment(error)) {
    if (error) break;
    const std::string name = process->path().filename();
    const auto pid = to_number<int>(name);
    if (!pid) continue;
    std::error_code skipped;
    for (std::filesystem::directory_iterator open(process->path() / "fd", skipped), last;
         !skipped && open != last; open.increment(skipped)) {
      std::error_code gone;
      if (std::filesystem::read_symlink(open->path(), gone) != wanted) continue;
      return PortHolder{*pid, first_line(process->path() / "comm")};
    }
  }
  return std::nullopt;
}

// 0, or why nobody could listen there: an errno value.
int try_to_bind(const site::ListenAddress& address) {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  const bool is_v6 = address.host.find(':') != std::string::npos;
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  v4.sin_port = v6.sin6_port = htons(address.port.value());
  void* const bytes = is_v6 ? static_cast<void*>(&v6.sin6_addr) : &v4.sin_addr;
  if (inet_pton(is_v6 ? AF_INET6 : AF_INET, address.host.c_str(), bytes) != 1) return EINVAL;
  const Descriptor socket(::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return errno;
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const auto* const name =
      is_v6 ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<const sockaddr*>(&v4);
  return ::bind(socket.get(), name, is_v6 ? sizeof v6 : sizeof v4) == 0 ? 0 : errno;
}

Finding check_port(const Host& host, std::string_view what, const site::ListenAddress& address,
                   const std::string& mend, bool serving) {
  Finding finding{Level::kOk, "port", "", ""};
  const std::string shown = fmt::format("{} ({}:{})", what, address.host, address.port.value());
  const int why = try_to_bind(address);
  if (why == 0) {
    finding.what = fmt::format("{} is free", shown);
  } else if (why != EADDRINUSE) {
    finding.level = Level::kError;
    finding.what = fmt::format("{} cannot be had: {}", shown, std::generic_category().message(why));
    finding.mend = mend;
  } else {
    const auto holder = port_holder(host, address.port);
    const bool seen = holder && holder->pid != 0;
    const std::string by = seen ? fmt::format("'{}' (process {})", holder->name, holder->pid)
                                : std::string("a process that this user cannot see");
    finding.what = fmt::format("{} is held by {}", shown, by);
    if (serving && (!seen || holder->name == "kscpush")) {
      finding.what += seen ? ", the push server" : "; the push server answers";
    } else {
      finding.level = Level::kError;
      finding.mend =
          seen ? fmt::format("stop process {}, or {}", holder->pid, mend)
               : fmt::format("root sees whose it is: if it is not this push server, {}", mend);
    }
  }
  return finding;
}

// "Max open files  1024  4096  files": the soft limit.
std::optional<std::uint64_t> descriptors_of(const Host& host, int pid) {
  std::ifstream file(host.proc / std::to_string(pid) / "limits");
  constexpr std::string_view kName = "Max open files";
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(kName)) continue;
    const auto words = words_of(line.substr(kName.size()));
    if (words.empty()) return std::nullopt;
    if (words[0] == "unlimited") return std::numeric_limits<std::uint64_t>::max();
    return to_number<std::uint64_t>(words[0]);
  }
  return std::nullopt;
}

Finding judge_limit(std::string_view whose, std::uint64_t limit, std::uint64_t connections,
                    const std::string& mend) {
  const std::uint64_t needed = connections + kOtherDescriptors;
  if (limit >= needed) {
    return {Level::kOk, "descriptors",
            fmt::format("{} may hold {}, enough for {} connections", whose,
                        limit == std::numeric_limits<std::uint64_t>::max() ? "any number of them"
                                                                           : std::to_string(limit),
                        connections)};
  }
  return {Level::kWarning, "descriptors",
          fmt::format("{} may hold {}, but max_connections is {}: from about {} devices on "
                      "connections fail",
                      whose, limit, connections,
                      limit > kOtherDescriptors ? limit - kOtherDescriptors : 0),
          mend};
}

// The last LimitNOFILE of the unit and what was added to it; nothing: no such unit.
std::optional<std::optional<std::uint64_t>> unit_limit(const Host& host) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& folder : host.units) {
    if (files.empty() && std::filesystem::exists(folder / "kscpush.service", error)) {
      files.push_back(folder / "kscpush.service");
    }
  }
  if (files.empty()) return std::nullopt;
  for (const auto& folder : host.units) {
    std::vector<std::filesystem::path> added;
    for (std::filesystem::directory_iterator entry(folder / "kscpush.service.d", error), end;
         !error && entry != end; entry.increment(error)) {
      if (entry->path().extension() == ".conf") added.push_back(entry->path());
    }
    std::ranges::sort(added);
    files.insert(files.end(), added.begin(), added.end());
  }
  std::optional<std::uint64_t> limit;
  for (const auto& path : files) {
    std::ifstream file(path);
    constexpr std::string_view kKey = "LimitNOFILE=";
    for (std::string line; std::getline(file, line);) {
      if (!line.starts_with(kKey)) continue;
      // SOFT, or SOFT:HARD; nothing takes back what was said before.
      const auto words = words_of(line.substr(kKey.size()));
      const std::string soft = words.empty() ? "" : words[0].substr(0, words[0].find(':'));
      if (soft == "infinity") {
        limit = std::numeric_limits<std::uint64_t>::max();
      } else if (const auto number = to_number<std::uint64_t>(soft); number || soft.empty()) {
        limit = number;
      }
    }
  }
  return limit;
}

}  // namespace

std::optional<PortHolder> port_holder(const Host& host, Port port) {
  for (const char* table : {"net/tcp", "net/tcp6"}) {
    const auto inode = listening_inode(host.proc / table, port);
    if (!inode) continue;
    return holder_of_inode(host, *inode).value_or(PortHolder{});
  }
  return std::nullopt;
}

bool own_server_listens(const Host& host, const site::DistributionPoint& dp,
                        const site::ServerPaths& paths) {
  const auto holder = port_holder(host, dp.push_server.port);
  return holder && holder->pid != 0 &&
         to_number<int>(first_line(paths.state_directory / "lock")) == holder->pid;
}

Findings check_ports(const Host& host, const site::DistributionPoint& dp, bool serving) {
  const site::PushServer& server = dp.push_server;
  Findings findings;
  if (!server.enabled) {
    findings.push_back({Level::kWarning, "push server", fmt::format("'{}' has it off", dp.name),
                        fmt::format("kscpush dp enable {}", dp.name)});
  }
  findings.push_back(check_port(host, "of the push server", {server.listen, server.port},
                                fmt::format("kscpush dp set {} --port N", dp.name),
                                serving && server.enabled));
  findings.push_back(check_port(host, "of the admin API", server.admin.listen,
                                "set push_server.admin.listen", serving));
  if (server.plain_listener) {
    findings.push_back(check_port(host, "without TLS", *server.plain_listener,
                                  "set push_server.plain_listener", serving));
  }
  return findings;
}

Findings check_descriptors(const Host& host, const site::DistributionPoint& dp, bool serving) {
  const std::uint64_t connections = dp.push_server.max_connections;
  const std::string unit_mend = fmt::format(
      "systemctl edit kscpush, with [Service] and LimitNOFILE={}; then systemctl "
      "restart kscpush",
      connections + kOtherDescriptors);
  Findings findings;
  const auto unit = unit_limit(host);
  if (unit) {
    // systemd's own default for services, where nothing else is said.
    constexpr std::uint64_t kDefault = 1024;
    findings.push_back(judge_limit("the systemd unit kscpush.service", unit->value_or(kDefault),
                                   connections, unit_mend));
  }
  const auto holder = serving ? port_holder(host, dp.push_server.port) : std::nullopt;
  const auto running =
      holder && holder->pid != 0 ? descriptors_of(host, holder->pid) : std::nullopt;
  if (running) {
    findings.push_back(judge_limit(
        fmt::format("the push server (process {})", holder->pid), *running, connections,
        unit ? unit_mend
             : fmt::format("start it after: ulimit -n {}", connections + kOtherDescriptors)));
  } else if (!unit) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    findings.push_back(
        judge_limit("what is started from here", limit.rlim_cur, connections,
                    fmt::format("ulimit -n {}, or start it by systemd (packaging/kscpush.service)",
                                connections + kOtherDescriptors)));
  }
  return findings;
}

Findings check_backlog(const Host& host) {
  const std::string text = first_line(host.proc / "sys/net/core/somaxconn");
  const auto size = to_number<std::uint64_t>(text);
  if (!size) return {};
  if (*size >= server::kListenBacklog) return {{Level::kOk, "somaxconn", fmt::format("{}", *size)}};
  return {{Level::kWarning, "somaxconn",
           fmt::format("{}: when many devices come at once, those beyond have to try again", *size),
           fmt::format("sysctl -w net.core.somaxconn={0}; and for good in /etc/sysctl.d: "
                       "net.core.somaxconn = {0}",
                       server::kListenBacklog)}};
}

}  // namespace kscpush::cli
