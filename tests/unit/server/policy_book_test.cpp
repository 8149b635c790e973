#include "server/sync/policy_book.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "core/sync.hpp"

namespace kscpush::server {
namespace {

site::DistributionPoint point(const std::string& name, const std::string& address) {
  site::DistributionPoint dp;
  dp.name = name;
  dp.address = address;
  dp.scope_groups.push_back({"Managed devices", {}});
  dp.push_server.enabled = true;
  return dp;
}

site::Policy policy_of(const std::string& group, const std::string& minutes) {
  site::Setting interval;
  interval.path = "connectivity.schedule.synchronization_interval";
  interval.value = minutes;
  site::Policy policy;
  policy.name = group;
  policy.group = group;
  policy.settings.push_back(interval);
  return policy;
}

std::shared_ptr<const site::Site> make_site() {
  auto site = std::make_shared<site::Site>();
  site->groups.push_back({"Managed devices/Berlin", {}});
  site->policies = {policy_of("Managed devices", "15"), policy_of("Managed devices/Berlin", "30")};
  site->distribution_points = {point("dp-1", "dp-1.example.com"), point("dp-2", "2001:db8::1")};
  return site;
}

DeviceRecord device(const std::string& id, const std::string& group = "Managed devices") {
  return {.id = *DeviceId::parse(id), .group = group};
}

}  // namespace

TEST_CASE("policy book: 10,000 devices of two policies are two policies") {
  PolicyBook book(make_site());
  for (int i = 0; i < 10'000; ++i) {
    const bool berlin = i % 2 == 0;
    const auto record =
        device(fmt::format("pc-{}", i), berlin ? "Managed devices/Berlin" : "Managed devices");
    const auto told = decode_policy(book.answer(record, ""));
    REQUIRE(told.has_value());
    CHECK(told->revision == book.policy(record)->revision);
    CHECK(told->settings->at("connectivity.schedule.synchronization_interval").value ==
          (berlin ? "30" : "15"));
  }
  CHECK(book.distinct() == 2);
}

TEST_CASE("policy book: who has the revision is told the revision, and the servers in any case") {
  PolicyBook book(make_site());
  const auto record = device("pc-1");
  const auto full = decode_policy(book.answer(record, "another"));
  const auto same = decode_policy(book.answer(record, full->revision));
  CHECK(full->settings.has_value());
  CHECK_FALSE(same->settings.has_value());
  CHECK(same->revision == full->revision);
  CHECK(same->servers == full->servers);
  REQUIRE(same->servers.size() == 2);
  CHECK(std::ranges::count(same->servers, "dp-1.example.com:13295") == 1);
  CHECK(std::ranges::count(same->servers, "[2001:db8::1]:13295") == 1);
}

TEST_CASE("policy book: answers are the same when policy and push servers are") {
  PolicyBook book(make_site());
  const auto berlin = device("pc-1", "Managed devices/Berlin");
  auto tagged = berlin;
  tagged.tags = {"vip"};
  CHECK(book.same_answer(berlin, tagged));
  CHECK_FALSE(book.same_answer(berlin, device("pc-1")));
  // The same policy, but another push server comes first: the id decides.
  const auto one = device("pc-1");
  bool other_order = false;
  for (int i = 0; i < 20 && !other_order; ++i) {
    other_order = !book.same_answer(one, device(fmt::format("other-{}", i)));
  }
  CHECK(other_order);
}

TEST_CASE("policy book: without a push server in reach nothing is said of servers") {
  PolicyBook book(std::make_shared<const site::Site>());
  const auto told = decode_policy(book.answer(device("pc-1"), ""));
  REQUIRE(told.has_value());
  CHECK(told->servers.empty());
}

}  // namespace kscpush::server
