#include "server/sync/compliance.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "policy/schema.hpp"

namespace kscpush::server {
namespace {

const WallTime kNow{std::chrono::hours(500'000)};

struct Wanted {
  explicit Wanted(bool force = true, std::string_view connect = {},
                  std::vector<std::string> periods = {}) {
    site::Policy agent;
    agent.name = "Network Agent";
    agent.group = "Managed devices";
    const auto set = [&](std::string_view path, std::string_view value) {
      site::Setting setting;
      setting.path = path;
      setting.value = value;
      agent.settings.push_back(setting);
    };
    set(policy::kForceViaDp, force ? "true" : "false");
    if (!connect.empty()) set(policy::kConnect, connect);
    if (!periods.empty()) set(policy::kIntervals, nlohmann::json(periods).dump());
    site.policies.push_back(agent);
    resolver.emplace(site);
    desired = resolver->resolve({.id = "pc-1", .group = "Managed devices"});
  }
  site::Site site;
  std::optional<policy::Resolver> resolver;
  std::shared_ptr<const policy::EffectivePolicy> desired;
};

DeviceRecord device(const std::string& revision = "", const std::string& result = "applied") {
  DeviceRecord record{.id = *DeviceId::parse("pc-1"), .group = "Managed devices"};
  if (!revision.empty()) record.policy = ReportedPolicy{revision, result, kNow};
  return record;
}

Compliance state(const Wanted& wanted, const DeviceRecord& record, bool connected) {
  return compliance_of(*wanted.desired, record, connected, kNow);
}

}  // namespace

TEST_CASE("compliance: what a device reported last decides, wherever it is") {
  const Wanted wanted;
  const std::string revision = wanted.desired->revision;
  for (const bool connected : {true, false}) {
    CHECK(state(wanted, device(revision), connected) == Compliance::kInSync);
    CHECK(state(wanted, device(revision, "no"), connected) == Compliance::kFailed);
  }
}

TEST_CASE("compliance: another revision, or none, is pending while the device can be told") {
  const Wanted wanted;
  for (const DeviceRecord& record : {device(), device("old"), device("old", "no")}) {
    CHECK(state(wanted, record, true) == Compliance::kPending);
    CHECK(state(wanted, record, false) == Compliance::kOffline);
  }
}

TEST_CASE("compliance: without the option a device is offline when it missed its interval") {
  const Wanted wanted(/*force=*/false);
  DeviceRecord record = device("old");
  CHECK(state(wanted, record, false) == Compliance::kOffline);
  record.last_seen = kNow - std::chrono::minutes(30);
  CHECK(state(wanted, record, false) == Compliance::kPending);
  record.last_seen = kNow - std::chrono::minutes(31);
  CHECK(state(wanted, record, false) == Compliance::kOffline);
  CHECK(state(wanted, record, true) == Compliance::kPending);
}

TEST_CASE("compliance: a device with times of the day at which it may not come has a day more") {
  DeviceRecord record = device("old");
  record.last_seen = kNow - std::chrono::hours(24) - std::chrono::minutes(30);
  const auto late = [&](const Wanted& wanted) { return state(wanted, record, false); };
  const std::vector<std::string> night{"22:00-06:00"};
  CHECK(late(Wanted(false, policy::kAtGivenIntervals, night)) == Compliance::kPending);
  CHECK(late(Wanted(false, policy::kAtGivenIntervals)) == Compliance::kOffline);
  CHECK(late(Wanted(false, "when_necessary", night)) == Compliance::kOffline);
  CHECK(late(Wanted(true, policy::kAtGivenIntervals, night)) == Compliance::kOffline);
  record.last_seen = *record.last_seen - std::chrono::minutes(1);
  CHECK(late(Wanted(false, policy::kAtGivenIntervals, night)) == Compliance::kOffline);
}

TEST_CASE("compliance: names there and back") {
  for (std::size_t i = 0; i < kCompliances; ++i) {
    const auto state = static_cast<Compliance>(i);
    CHECK(compliance_from_name(to_string(state)) == state);
  }
  CHECK_FALSE(compliance_from_name("fine").has_value());
}

}  // namespace kscpush::server
