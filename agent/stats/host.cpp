#include "agent/stats/host.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/file.hpp"
#include "core/numbers.hpp"

namespace kscpush::agent {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kMostBytes = std::size_t{1} << 20U;
constexpr std::size_t kMostListed = 64;

using Words = std::vector<std::string_view>;

Words split(std::string_view line, std::string_view separators = " \t") {
  Words words;
  while (!line.empty()) {
    const std::size_t begin = line.find_first_not_of(separators);
    if (begin == std::string_view::npos) break;
    line.remove_prefix(begin);
    words.push_back(line.substr(0, line.find_first_of(separators)));
    line.remove_prefix(words.back().size());
  }
  return words;
}

void for_each_line(const fs::path& path, const std::function<void(std::string_view)>& take) {
  const auto text = read_file(path, kMostBytes);
  if (!text) return;
  for (const std::string_view line : split(*text, "\n")) take(line);
}

void add_load(json& all, const fs::path& root) {
  for_each_line(root / "proc/loadavg", [&](std::string_view line) {
    const Words words = split(line);
    if (words.size() < 4) return;
    json load = json::array();
    for (std::size_t i = 0; i < 3; ++i) load.push_back(to_number<double>(words[i]).value_or(0));
    all["load"] = std::move(load);
    const std::size_t slash = words[3].find('/');
    if (slash == std::string_view::npos) return;
    if (const auto count = to_number<int>(words[3].substr(slash + 1))) all["processes"] = *count;
  });
}

void add_uptime(json& all, const fs::path& root) {
  for_each_line(root / "proc/uptime", [&](std::string_view line) {
    const Words words = split(line);
    const auto seconds = words.empty() ? std::nullopt : to_number<double>(words[0]);
    if (seconds) all["uptime_s"] = *seconds;
  });
}

void add_cpu(json& all, const fs::path& root) {
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  int cpus = 0;
  for_each_line(root / "proc/stat", [&](std::string_view line) {
    if (!line.starts_with("cpu")) return;
    const Words words = split(line);
    if (words[0] != "cpu") {
      ++cpus;
      return;
    }
    std::array<double, 8> times{};  // user nice system idle iowait irq softirq steal
    for (std::size_t i = 0; i < times.size() && i + 1 < words.size(); ++i) {
      times.at(i) = static_cast<double>(to_number<std::uint64_t>(words[i + 1]).value_or(0)) / ticks;
    }
    all["cpu_s"] = {{"user", times[0] + times[1]},
                    {"system", times[2]},
                    {"idle", times[3]},
                    {"iowait", times[4]},
                    {"other", times[5] + times[6] + times[7]}};
  });
  if (cpus > 0) all["cpus"] = cpus;
}

void add_memory(json& all, const fs::path& root) {
  struct Field {
    std::string_view name;
    const char* key;
  };
  constexpr std::array kFields{Field{"MemTotal:", "total"}, Field{"MemAvailable:", "available"},
                               Field{"SwapTotal:", "swap_total"}, Field{"SwapFree:", "swap_free"}};
  json memory = json::object();
  for_each_line(root / "proc/meminfo", [&](std::string_view line) {
    const Words words = split(line);
    if (words.size() < 2) return;
    const auto* const field = std::ranges::find(kFields, words[0], &Field::name);
    const auto kib = to_number<std::uint64_t>(words[1]);
    if (field != kFields.end() && kib) memory[field->key] = *kib * 1024;
  });
  if (!memory.empty()) all["memory"] = std::move(memory);
}

// "\040" for a blank, as in /proc/mounts.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    const bool octal = text[i] == '\\' && i + 3 < text.size() &&
                       std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ptr ==
                           text.data() + i + 4;
    plain += octal ? static_cast<char>(code) : text[i];
    if (octal) i += 3;
  }
  return plain;
}

void add_disks(json& all, const fs::path& root) {
  json disks = json::array();
  std::set<std::string> devices;
  for_each_line(root / "proc/mounts", [&](std::string_view line) {
    const Words words = split(line);
    if (words.size() < 3 || disks.size() == kMostListed) return;
    const std::string device = unescape(words[0]);
    const std::string mount = unescape(words[1]);
    // One file system that is mounted at several places is shown once.
    const bool local = device.starts_with("/dev/") || words[2] == "overlay" || mount == "/";
    if (!local || !devices.insert(device).second) return;
    struct statvfs status {};
    if (::statvfs(mount.c_str(), &status) != 0 || status.f_blocks == 0) return;
    disks.push_back({{"mount", mount},
                     {"device", device},
                     {"type", words[2]},
                     {"total", status.f_blocks * status.f_frsize},
                     {"available", status.f_bavail * status.f_frsize},
                     {"inodes", status.f_files},
                     {"inodes_free", status.f_favail}});
  });
  all["disks"] = std::move(disks);
}

void add_network(json& all, const fs::path& root) {
  constexpr std::array<const char*, 12> kKeys{"rx_bytes", "rx_packets", "rx_errors", "rx_dropped",
                                              nullptr,    nullptr,      nullptr,     nullptr,
                                              "tx_bytes", "tx_packets", "tx_errors", "tx_dropped"};
  json network = json::array();
  for_each_line(root / "proc/net/dev", [&](std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || network.size() == kMostListed) return;
    const Words name = split(line.substr(0, colon));
    const Words words = split(line.substr(colon + 1));
    if (name.size() != 1 || words.size() < kKeys.size() || name[0] == "lo") return;
    json interface {
      { "name", name[0] }
    };
    for (std::size_t i = 0; i < kKeys.size(); ++i) {
      if (kKeys.at(i) == nullptr) continue;
      interface[kKeys.at(i)] = to_number<std::uint64_t>(words[i]).value_or(0);
    }
    network.push_back(std::move(interface));
  });
  all["network"] = std::move(network);
}

void add_system(json& all, const fs::path& root) {
  utsname names{};
  if (::uname(&names) == 0) {
    all["hostname"] = static_cast<const char*>(names.nodename);
    all["kernel"] = static_cast<const char*>(names.release);
    all["architecture"] = static_cast<const char*>(names.machine);
  }
  json os = json::object();
  for_each_line(root / "etc/os-release", [&](std::string_view line) {
    const std::size_t mark = line.find('=');
    if (mark == std::string_view::npos) return;
    const std::string_view key = line.substr(0, mark);
    std::string_view value = line.substr(mark + 1);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    if (key == "PRETTY_NAME") os["name"] = value;
    if (key == "ID") os["id"] = value;
    if (key == "VERSION_ID") os["version"] = value;
  });
  if (!os.empty()) all["os"] = std::move(os);
}

}  // namespace

json host_statistics(const fs::path& root) {
  json all = json::object();
  add_system(all, root);
  add_uptime(all, root);
  add_load(all, root);
  add_cpu(all, root);
  add_memory(all, root);
  add_disks(all, root);
  add_network(all, root);
  return all;
}

}  // namespace kscpush::agent
