// Rule 3 of policy/assign.hpp: devices over push servers with bounded load.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <random>

#include <doctest/doctest.h>

#include "policy/assign.hpp"

namespace kscpush::policy {
namespace {

constexpr std::string_view kRoot = site::kRootGroup;

site::DistributionPoint point(const std::string& name, std::uint32_t max_connections,
                              std::string_view group = kRoot) {
  site::DistributionPoint dp;
  dp.name = name;
  dp.scope_groups = {{std::string(group), {}}};
  dp.push_server.enabled = true;
  dp.push_server.max_connections = max_connections;
  return dp;
}

// Devices pc-0, pc-1, ..., each in a group. Not copied, as the facts are views.
struct Devices {
  explicit Devices(std::size_t count,
                   const std::vector<std::string>& groups = {std::string(kRoot)}) {
    for (std::size_t i = 0; i < count; ++i) ids.push_back(fmt::format("pc-{}", i));
    for (std::size_t i = 0; i < count; ++i) {
      names.push_back(groups[i % groups.size()]);
    }
    for (std::size_t i = 0; i < count; ++i) {
      facts.push_back({ids[i], names[i], "windows", "10.0.0.1", {}});
    }
  }
  Devices(const Devices&) = delete;
  Devices& operator=(const Devices&) = delete;

  std::vector<std::string> ids;
  std::vector<std::string> names;
  std::vector<DeviceFacts> facts;
};

std::string name_of(const Placements& placed, std::size_t device) {
  const std::int32_t at = placed.of[device];
  return at < 0 ? "" : placed.loads[static_cast<std::size_t>(at)].dp->name;
}

std::uint64_t placed_devices(const Placements& placed) {
  return static_cast<std::uint64_t>(
      std::ranges::count_if(placed.of, [](std::int32_t at) { return at >= 0; }));
}

}  // namespace

TEST_CASE("bounded load: no push server takes more than 1.25 times its fair share") {
  site::Site site;
  site.distribution_points = {point("a", 50'000), point("b", 50'000), point("c", 50'000)};
  for (const std::size_t count : {1U, 2U, 3U, 7U, 12U, 30U, 1000U}) {
    CAPTURE(count);
    const Devices devices(count);
    const Placements placed = place(site, devices.facts);
    CHECK(placed_devices(placed) == count);
    const auto bound = static_cast<std::uint64_t>(std::ceil(1.25 * static_cast<double>(count) / 3));
    for (const ServerLoad& load : placed.loads) {
      CHECK(load.bound == bound);
      CHECK(load.devices <= bound);
    }
  }
}

TEST_CASE("bounded load: never more than max_connections, who finds no room is told apart") {
  site::Site site;
  site.distribution_points = {point("a", 10), point("b", 30)};
  const Devices devices(45);
  const Placements placed = place(site, devices.facts);
  CHECK(placed.load_of(site.distribution_points[0])->devices == 10);
  CHECK(placed.load_of(site.distribution_points[1])->devices == 30);
  CHECK(std::ranges::count(placed.of, Placements::kFull) == 5);
}

TEST_CASE("bounded load: a device goes to the first of its own order that is not full") {
  site::Site site;
  site.distribution_points = {point("a", 12), point("b", 12), point("c", 12)};
  const Devices devices(34);
  const Placements placed = place(site, devices.facts);
  std::uint64_t overflowed = 0;
  for (std::size_t i = 0; i < devices.facts.size(); ++i) {
    const auto ranked = assign(site, devices.facts[i]).ranked;
    for (std::size_t r = 0; ranked[r].dp->name != name_of(placed, i); ++r) {
      const ServerLoad& passed = *placed.load_of(*ranked[r].dp);
      CHECK(passed.devices >= passed.bound);
      if (r == 0) ++overflowed;
    }
  }
  CHECK(overflowed > 0);
  CHECK(overflowed == placed.overflowed);
}

TEST_CASE(
    "bounded load: without need everyone gets the first choice, in whatever order they come") {
  site::Site site;
  site.distribution_points = {point("a", 50'000), point("b", 20'000)};
  const Devices devices(5'000);
  const Placements placed = place(site, devices.facts);
  CHECK(placed.overflowed == 0);
  for (std::size_t i = 0; i < 500; ++i) {
    CHECK(name_of(placed, i) == assign(site, devices.facts[i]).ranked[0].dp->name);
  }
  auto shuffled = devices.facts;
  std::ranges::reverse(shuffled);
  site.distribution_points[0].push_server.max_connections = 3'000;
  const Placements once = place(site, devices.facts);
  const Placements again = place(site, shuffled);
  for (std::size_t i = 0; i < shuffled.size(); ++i) {
    REQUIRE(name_of(once, i) == name_of(again, shuffled.size() - 1 - i));
  }
}

TEST_CASE("bounded load: a push server of several groups has the shares of all of them") {
  site::Site site;
  site.groups = {{"Managed devices/A", {}}, {"Managed devices/B", {}}};
  site.distribution_points = {point("both", 1'000, "Managed devices/A"),
                              point("a", 1'000, "Managed devices/A")};
  site.distribution_points[0].scope_groups.push_back({"Managed devices/B", {}});
  const Devices devices(800, {"Managed devices/A", "Managed devices/B"});
  const Placements placed = place(site, devices.facts);
  CHECK(placed.loads[0].fair == doctest::Approx(600));
  CHECK(placed.loads[1].fair == doctest::Approx(200));
  CHECK(placed_devices(placed) == 800);
}

TEST_CASE("a network location is as near as the device's own group, for Windows devices") {
  site::Site site;
  site.distribution_points = {point("root", 100), point("lab", 100)};
  site.distribution_points[1].scope_groups.clear();
  site.distribution_points[1].network_locations = {
      {"Lab", {{"10.0.0.0/8", *IpNetwork::parse("10.0.0.0/8")}}, {}}};
  const auto names = [&](std::string_view group, std::string_view platform) {
    std::vector<std::string> all;
    const DeviceFacts device{"pc-1", group, platform, "10.0.0.1", {}};
    for (const auto* dp : candidates_for(site, device).dps) all.push_back(dp->name);
    return all;
  };
  using Names = std::vector<std::string>;
  CHECK(names(kRoot, "windows") == Names{"root", "lab"});
  CHECK(names("Managed devices/A", "windows") == Names{"lab"});
  CHECK(names("Managed devices/A", "linux") == Names{"root"});
}

TEST_CASE("no push server in reach") {
  site::Site site;
  site.distribution_points = {point("a", 10, "Managed devices/A")};
  const Devices devices(3);
  CHECK(place(site, devices.facts).of == std::vector<std::int32_t>(3, Placements::kNone));
  CHECK(place(site, {}).loads.size() == 1);
}

// Random sites: what is lost or added, and how full it is. KSCPUSH_PROPERTY_CASES asks for more.
TEST_CASE("property: when a push server is lost or added, at most its fair share moves") {
  const char* const wanted = std::getenv("KSCPUSH_PROPERTY_CASES");
  const int cases = wanted == nullptr ? 60 : std::atoi(wanted);
  int without_overflow = 0;
  for (int seed = 0; seed < cases; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(static_cast<std::uint32_t>(seed));
    const auto between = [&](std::uint32_t least, std::uint32_t most) {
      return std::uniform_int_distribution<std::uint32_t>(least, most)(random);
    };
    site::Site all;
    std::uint64_t capacity = 0;
    const std::uint32_t points = between(2, 6);
    for (std::uint32_t i = 0; i < points; ++i) {
      all.distribution_points.push_back(point(fmt::format("dp-{}", i), between(500, 3'000)));
      capacity += all.distribution_points.back().push_server.max_connections;
    }
    // From a tenth of the capacity to a little more than there is.
    const Devices devices(capacity * between(10, 105) / 100);
    site::Site fewer = all;
    fewer.distribution_points.pop_back();
    const Placements with = place(all, devices.facts);
    const Placements without = place(fewer, devices.facts);
    const ServerLoad& changed = with.loads.back();
    const std::uint64_t count = moved(with, without);
    CHECK(count == moved(without, with));
    CHECK(changed.devices <= static_cast<std::uint64_t>(std::ceil(kLoadBound * changed.fair)));
    // Its own devices, and at most those that did not get or do not get their first choice.
    CHECK(count >= changed.devices);
    CHECK(count <= changed.devices + with.overflowed + without.overflowed);
    if (with.overflowed + without.overflowed > 0) continue;
    ++without_overflow;
    CHECK(count == changed.devices);
  }
  CHECK(without_overflow > cases / 4);
}

}  // namespace kscpush::policy
