// How fast a large site is: validating and editing it against yaml-cpp's own load of the file, and
// resolving the effective policy of a million devices and placing them on push servers. Processor
// time, medians of five rounds, measured side by side in one run.
#include <algorithm>
#include <cstdio>
#include <functional>

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <yaml-cpp/yaml.h>

#include "core/site/edit.hpp"
#include "core/site/load.hpp"
#include "policy/advice.hpp"
#include "policy/assign.hpp"
#include "policy/check.hpp"
#include "policy/edit.hpp"
#include "policy/resolve.hpp"

namespace {

using namespace kscpush;

constexpr int kGroups = 1'000;
constexpr int kPoints = 200;
constexpr int kPolicies = 500;
constexpr int kProfiles = 20;
constexpr int kDevices = 1'000'000;
constexpr int kRounds = 5;

std::string group_name(int i) {
  // Ten regions of ten sites of ten departments.
  if (i < 10) return fmt::format("Managed devices/R{}", i);
  if (i < 110) return fmt::format("Managed devices/R{}/S{}", (i - 10) / 10, i);
  return fmt::format("Managed devices/R{}/S{}/D{}", (i - 110) / 10 % 100 / 10,
                     10 + (i - 110) / 10 % 100, i);
}

std::string large_site() {
  std::string text = "version: 1\ngroups:\n";
  for (int i = 0; i < kGroups; ++i) text += fmt::format("  - {}\n", group_name(i));
  text += "distribution_points:\n";
  for (int i = 0; i < kPoints; ++i) {
    text += fmt::format(
        "  - name: dp-{0}\n    address: dp-{0}.example.com\n    scope:\n      groups: [{1}]\n"
        "    push_server:\n      enabled: true\n      port: 13295   # usual\n",
        i, group_name(i));
  }
  text += "policies:\n";
  for (int i = 0; i < kPolicies; ++i) {
    text += fmt::format(
        "  - name: Policy {0}\n    group: {1}\n    settings:\n      connectivity:\n        "
        "network:\n"
        "          use_distribution_point_to_force_connection: !locked true\n"
        "          compress_network_traffic: {2}\n    profiles:\n",
        i, group_name(i), i % 2 == 0 ? "true" : "false");
    for (int p = 0; p < kProfiles; ++p) {
      text += fmt::format(
          "      - name: Profile {0}-{1}\n"
          "        condition: tags contains t{1} and platform == linux or id matches x{0}-*\n"
          "        settings:\n          connectivity:\n            schedule:\n"
          "              synchronization_interval: !locked {2}\n",
          i, p, p + 1);
    }
  }
  return text;
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double measure(const std::function<void()>& work) {
  const double before = cpu_seconds();
  work();
  return cpu_seconds() - before;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void require(bool holds, const char* what) {
  if (holds) return;
  fmt::print(stderr, "error: {}\n", what);
  std::exit(1);
}

struct World {
  site::Sources sources;
  site::Site site;
};

World check_sources(const site::Sources& sources) {
  World world{sources, {}};
  Diagnostics diagnostics;
  world.site = site::load(world.sources, diagnostics);
  policy::check(world.site, diagnostics);
  require(!has_errors(diagnostics), "the site has errors");
  return world;
}

World load_and_check(const std::string& text) {
  const auto sources = site::Sources::from({{"site.yaml", text}});
  require(sources.has_value(), "the site does not parse");
  return check_sources(*sources);
}

void validate_all(const std::string& text) {
  const World world = load_and_check(text);
  Diagnostics diagnostics;
  policy::advise(world.site, nullptr, diagnostics);
}

void resolve_all(const site::Site& site) {
  std::vector<std::string> groups;
  for (int i = 0; i < kGroups; ++i) groups.push_back(group_name(i));
  std::vector<std::vector<std::string>> tags;
  for (int i = 0; i < 10; ++i) tags.push_back({fmt::format("t{}", i), "office"});
  policy::Resolver resolver(site);
  const std::size_t heap_before = ::mallinfo2().uordblks;
  std::vector<std::string> ids;
  const double seconds = measure([&] {
    std::string id;
    for (int i = 0; i < kDevices; ++i) {
      id = fmt::format("pc-{}", i);
      const auto result =
          resolver.resolve({.id = id,
                            .group = groups[static_cast<std::size_t>(i) % groups.size()],
                            .platform = i % 3 == 0 ? "linux" : "windows",
                            .address = "10.1.2.3",
                            .tags = tags[static_cast<std::size_t>(i / 7) % tags.size()]});
      require(result->policy != nullptr, "a device has no policy");
    }
  });
  fmt::print("resolve {} devices: {:.2f} s CPU, {} distinct results, {:.1f} MB for them\n",
             kDevices, seconds, resolver.distinct_results(),
             static_cast<double>(::mallinfo2().uordblks - heap_before) / 1e6);
}

// One group that shares thirty push servers: the most work for the rule of policy/assign.hpp.
void place_all() {
  constexpr int kServers = 30;
  site::Site site;
  for (int i = 0; i < kServers; ++i) {
    site::DistributionPoint dp;
    dp.name = fmt::format("dp-{}", i);
    dp.scope_groups.push_back({std::string(site::kRootGroup), {}});
    dp.push_server.enabled = true;
    site.distribution_points.push_back(std::move(dp));
  }
  std::vector<std::string> ids;
  for (int i = 0; i < kDevices; ++i) ids.push_back(fmt::format("pc-{}", i));
  std::vector<policy::DeviceFacts> devices;
  for (const std::string& id : ids) devices.push_back({.id = id, .group = site::kRootGroup});
  const double seconds = measure([&] {
    require(policy::place(site, devices).of.size() == devices.size(), "not all are placed");
  });
  fmt::print("place {} devices on {} push servers: {:.2f} s CPU\n", kDevices, kServers, seconds);
}

}  // namespace

int main() {
  const std::string text = large_site();
  std::vector<double> yaml_cpp;
  std::vector<double> validate;
  std::vector<double> edit;
  const World world = load_and_check(text);
  site::DistributionPointChange change;
  change.max_connections = 40'000;
  for (int round = 0; round < kRounds; ++round) {
    yaml_cpp.push_back(measure([&] { require(YAML::Load(text).IsMap(), "no map"); }));
    validate.push_back(measure([&] { validate_all(text); }));
    edit.push_back(measure([&] {
      // As a command does it: load, check, edit, check again.
      const World loaded = load_and_check(text);
      const auto edited =
          site::change(loaded.sources, loaded.site.distribution_points[100], change);
      require(edited.has_value(), "the edit failed");
      (void)check_sources(*edited);
    }));
  }
  const double base = median(yaml_cpp);
  fmt::print("{} groups, {} distribution points, {} policies of {} profiles: {:.1f} MB of YAML\n",
             kGroups, kPoints, kPolicies, kProfiles, static_cast<double>(text.size()) / 1e6);
  fmt::print("yaml-cpp's load alone: {:.3f} s CPU\n", base);
  fmt::print("validate: {:.3f} s, {:.2f} times that\n", median(validate), median(validate) / base);
  fmt::print("one edit: {:.3f} s, {:.2f} times that\n", median(edit), median(edit) / base);
  resolve_all(world.site);
  place_all();
}
