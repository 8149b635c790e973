#include "policy/assign.hpp"

#include <cmath>
#include <map>

#include <doctest/doctest.h>

#include "policy/capacity.hpp"

namespace kscpush::policy {
namespace {

site::DistributionPoint point(const std::string& name, std::uint32_t weight,
                              const std::string& group = "Managed devices") {
  site::DistributionPoint dp;
  dp.name = name;
  dp.scope_groups = {{group, {}}};
  dp.push_server.enabled = true;
  dp.push_server.max_connections = weight;
  return dp;
}

// For device pc-0 .. pc-(COUNT-1), the name of its push server.
std::vector<std::string> winners(const site::Site& site, int count) {
  std::vector<std::string> all;
  for (int i = 0; i < count; ++i) {
    all.push_back(assign(site, {.id = fmt::format("pc-{}", i), .group = "Managed devices"})
                      .ranked.at(0)
                      .dp->name);
  }
  return all;
}

constexpr int kDevices = 20'000;

}  // namespace

TEST_CASE("the load follows max_connections") {
  site::Site site;
  site.distribution_points = {point("a", 10'000), point("b", 20'000), point("c", 50'000)};
  std::map<std::string, int> counts;
  for (const std::string& name : winners(site, kDevices)) ++counts[name];
  // Five standard deviations of a fair draw.
  for (const auto& expected :
       std::map<std::string, double>{{"a", 1 / 8.0}, {"b", 2 / 8.0}, {"c", 5 / 8.0}}) {
    CAPTURE(expected.first);
    const auto& [name, share] = expected;
    CHECK(std::abs(counts[name] - kDevices * share) <
          5 * std::sqrt(kDevices * share * (1 - share)));
  }
}

TEST_CASE("a push server that is added takes devices, and none moves between the others") {
  site::Site before;
  before.distribution_points = {point("a", 50'000), point("b", 50'000), point("c", 50'000)};
  site::Site after = before;
  after.distribution_points.push_back(point("d", 50'000));
  const auto old = winners(before, kDevices);
  const auto now = winners(after, kDevices);
  int moved = 0;
  for (std::size_t i = 0; i < old.size(); ++i) {
    if (old[i] == now[i]) continue;
    CHECK(now[i] == "d");
    ++moved;
  }
  CHECK(moved < kDevices / 4 + 5 * std::sqrt(kDevices * 0.25 * 0.75));
  CHECK(moved > kDevices / 5);
}

TEST_CASE("when a push server is lost its devices go to their next one, the others stay") {
  site::Site site;
  site.distribution_points = {point("a", 50'000), point("b", 50'000), point("c", 50'000)};
  for (int i = 0; i < 1000; ++i) {
    const std::string id = fmt::format("pc-{}", i);
    const auto ranked = assign(site, {.id = id, .group = "Managed devices"}).ranked;
    site::Site without = site;
    std::erase_if(without.distribution_points,
                  [&](const auto& dp) { return dp.name == ranked[0].dp->name; });
    CHECK(assign(without, {.id = id, .group = "Managed devices"}).ranked[0].dp->name ==
          ranked[1].dp->name);
  }
}

TEST_CASE("the order is the same everywhere: two known values of the hash") {
  CHECK(rendezvous_fraction("pc-1", "dp-1") ==
        doctest::Approx(rendezvous_fraction("pc-1", "dp-1")));
  CHECK(rendezvous_fraction("pc-1", "dp-1") != rendezvous_fraction("pc-1d", "p-1"));
  CHECK(rendezvous_fraction("", "") > 0);
  CHECK(rendezvous_fraction("", "") < 1);
}

TEST_CASE("the nearest group that has any push server gives the candidates") {
  site::Site site;
  site.groups = {{"Managed devices/A", {}}, {"Managed devices/A/B", {}}};
  site.distribution_points = {point("root", 1), point("a", 1, "Managed devices/A"),
                              point("off", 1, "Managed devices/A/B")};
  site.distribution_points[2].push_server.enabled = false;
  CHECK(candidates_for(site, "Managed devices/A/B").group == "Managed devices/A");
  CHECK(assign(site, {.id = "pc-1", .group = "Managed devices/A/B"}).ranked.at(0).dp->name == "a");
  CHECK(assign(site, {.id = "pc-1", .group = "Managed devices"}).ranked.at(0).dp->name == "root");
  site.distribution_points.erase(site.distribution_points.begin());
  CHECK(assign(site, {.id = "pc-1", .group = "Managed devices"}).ranked.empty());
}

TEST_CASE("how many distribution points a segment should have") {
  CHECK(points_advice(299).acceptable == 0);
  CHECK(points_advice(300).acceptable == 1);
  CHECK(points_advice(300).recommended == 2);
  CHECK(points_advice(300).workstations == 3);
  CHECK(points_advice(10'000).acceptable == 2);
  CHECK(points_advice(10'000).recommended == 4);
  CHECK(points_advice(10'000).workstations == 34);
}

TEST_CASE("capacity: connections against devices, and without the largest push server") {
  site::Site site;
  site.groups = {{"Managed devices/A", {}}, {"Managed devices/A/B", {}}, {"Managed devices/C", {}}};
  site.distribution_points = {point("a", 50'000, "Managed devices/A"),
                              point("b", 10'000, "Managed devices/A")};
  const Capacity all = capacity(
      site,
      {{"Managed devices/A", 5'000}, {"Managed devices/A/B", 7'000}, {"Managed devices/C", 3}});
  REQUIRE(all.groups.size() == 1);
  const SharingGroup& group = all.groups[0];
  CHECK(group.group == "Managed devices/A");
  CHECK(group.devices == 12'000);
  CHECK(group.capacity == 60'000);
  CHECK(group.capacity_without_largest == 10'000);
  CHECK(group.fits());
  CHECK_FALSE(group.survives_loss());
  CHECK(group.points[0].expected == 10'000);
  CHECK(group.points[1].expected == 2'000);
  CHECK(all.without_push_server == DevicesByGroup{{"Managed devices/C", 3}});
}

}  // namespace kscpush::policy
