#include <doctest/doctest.h>

#include "core/site/load.hpp"
#include "policy/check.hpp"
#include "policy/edit.hpp"
#include "policy/halves.hpp"

namespace kscpush::policy {
namespace {

struct Loaded {
  site::Sources sources;
  site::Site site;
  Diagnostics diagnostics;
};

Loaded load_text(const std::string& text) {
  const auto sources = site::Sources::from({{"site.yaml", text}});
  REQUIRE(sources.has_value());
  Loaded loaded{*sources, {}, {}};
  loaded.site = site::load(loaded.sources, loaded.diagnostics);
  check(loaded.site, loaded.diagnostics);
  return loaded;
}

// A site with the option written as OPTION in the policy of the root.
std::string site_with(const std::string& option) {
  return R"(version: 1
groups: [Managed devices/Berlin]
distribution_points:
  - name: dp-1
    scope: {groups: [Managed devices]}
policies:
  - name: Network Agent
    group: Managed devices
    settings:
      connectivity:
        network:
          use_distribution_point_to_force_connection: )" +
         option + "   # why\n";
}

Half half_with(const std::string& option) {
  const Loaded loaded = load_text(site_with(option));
  REQUIRE(loaded.diagnostics.empty());
  return policy_half(loaded.site, loaded.site.distribution_points[0]).half;
}

}  // namespace

TEST_CASE("settings the schema does not know, and values of the wrong type, are errors") {
  const Loaded loaded = load_text(R"(version: 1
policies:
  - name: A
    group: Managed devices
    settings:
      connectivity:
        network:
          use_udp_prot: true
          use_ssl: 1
          udp_port: 70000
        schedule: 15
)");
  REQUIRE(loaded.diagnostics.size() == 4);
  CHECK(loaded.diagnostics[0].message ==
        "unknown setting 'connectivity.network.use_udp_prot'; did you mean "
        "'connectivity.network.use_udp_port'?");
  CHECK(loaded.diagnostics[0].origin.line == 8);
  CHECK(loaded.diagnostics[1].message ==
        "connectivity.network.use_ssl must be true or false, not '1'");
  CHECK(loaded.diagnostics[2].message ==
        "connectivity.network.udp_port must be a number from 1 to 65535, not '70000'");
  CHECK(loaded.diagnostics[3].message ==
        "'connectivity.schedule' is a section of settings, not one");
}

TEST_CASE("connection profiles: every field is checked, each at its place") {
  const Loaded loaded = load_text(R"(version: 1
policies:
  - name: A
    group: Managed devices
    settings:
      connectivity:
        schedule: {connect: at_given_intervals, intervals: [22:00-06:00, always]}
        connection_profiles:
          profiles: !locked
            - name: Office
              administration_server: ksc.example.com
              subnets: [10.0.0.0/8]
              use_only_for_updates: true
            - name: Office
              administration_server: two words
              tls_prot: 13000
              port: "14000"
            - {name: Home, subnets: 10.0.0.0/8}
            - Travel
)");
  std::vector<std::string> findings;
  for (const Diagnostic& d : loaded.diagnostics) {
    findings.push_back(fmt::format("{}:{}: {}", d.origin.line, d.origin.column, d.message));
  }
  CHECK(findings ==
        std::vector<std::string>{
            "7:74: each of connectivity.schedule.intervals must be a period as 22:00-06:00, not "
            "'always'",
            "15:38: administration_server must be a host name or an IP address, not 'two words'",
            "17:21: port must be a number from 1 to 65535, not '14000'",
            "16:25: unknown key 'tls_prot' in connectivity.connection_profiles.profiles; did you "
            "mean 'tls_port'?",
            "14:21: two of connectivity.connection_profiles.profiles are named 'Office'",
            "18:15: 'administration_server' is missing in an item of "
            "connectivity.connection_profiles.profiles",
            "18:37: subnets must be a list of at most 100, each a network as 10.20.0.0/16, not "
            "'10.0.0.0/8'",
            "19:15: each of connectivity.connection_profiles.profiles must be a mapping",
        });
}

TEST_CASE("a list that is written as a mapping or a single value says what it must be") {
  const Loaded loaded = load_text(R"(version: 1
policies:
  - name: A
    group: Managed devices
    settings:
      connectivity:
        schedule: {intervals: 22:00-06:00}
        connection_profiles: {profiles: {name: Office}}
        network: [use_ssl]
)");
  REQUIRE(loaded.diagnostics.size() == 3);
  CHECK(loaded.diagnostics[0].message ==
        "connectivity.schedule.intervals must be a list of at most 24, each a period as "
        "22:00-06:00, not '22:00-06:00'");
  CHECK(loaded.diagnostics[1].message ==
        "connectivity.connection_profiles.profiles must be a list of at most 100 mappings, not a "
        "mapping");
  CHECK(loaded.diagnostics[2].message ==
        "'connectivity.network' is a section of settings, not one");
}

TEST_CASE("edits: a list of texts is set, locked and unset as one") {
  const Loaded loaded = load_text(site_with("true"));
  const SettingRow& row = *find_setting(kIntervals);
  const auto set = set_setting(loaded.sources, loaded.site.policies[0], row,
                               *parse_value(row, "00:00-02:00,22:00-24:00"), Lock::kLocked);
  REQUIRE(set.has_value());
  const Loaded after = load_text(set->root().text());
  CHECK(after.diagnostics.empty());
  const site::Setting* const setting = after.site.policies[0].find(row.path);
  REQUIRE(setting != nullptr);
  CHECK(setting->value == R"(["00:00-02:00","22:00-24:00"])");
  CHECK(setting->locked);
  const auto open = lock_setting(after.sources, after.site.policies[0], row, false);
  REQUIRE(open.has_value());
  const Loaded opened = load_text(open->root().text());
  CHECK_FALSE(opened.site.policies[0].find(row.path)->locked);
  CHECK(unset_setting(opened.sources, opened.site.policies[0], row)->root().text() ==
        site_with("true"));
}

TEST_CASE("the policy's half is in place only when the option is on and locked") {
  CHECK(half_with("!locked true") == Half::kInPlace);
  CHECK(half_with("true") == Half::kOpen);
  CHECK(half_with("false") == Half::kOff);
  CHECK(half_with("!locked false") == Half::kOff);
}

TEST_CASE("the worst group of a scope decides, and is named") {
  const Loaded loaded = load_text(R"(version: 1
groups: [Managed devices/A]
distribution_points:
  - {name: dp-1, scope: {groups: [Managed devices]}}
policies:
  - name: root
    group: Managed devices
    settings: {connectivity: {network: {use_distribution_point_to_force_connection: !locked true}}}
  - {name: a, group: Managed devices/A, inherit: false}
)");
  const PolicyHalf half = policy_half(loaded.site, loaded.site.distribution_points[0]);
  CHECK(half.half == Half::kOff);
  CHECK(half.policy->name == "a");
  CHECK(half.group == "Managed devices/A");
}

TEST_CASE("edits: set, lock, unlock, unset change the one line") {
  const std::string before = site_with("false");
  const Loaded loaded = load_text(before);
  const site::Policy& policy = loaded.site.policies[0];
  const SettingRow& row = *find_setting("force-via-dp");
  CHECK(set_setting(loaded.sources, policy, row, "true", Lock::kLocked)->root().text() ==
        site_with("!locked true"));
  CHECK(set_setting(loaded.sources, policy, row, "true", Lock::kKeep)->root().text() ==
        site_with("true"));
  CHECK(lock_setting(loaded.sources, policy, row, true)->root().text() ==
        site_with("!locked false"));
  CHECK(lock_setting(loaded.sources, policy, row, false)->root().text() == before);

  const Loaded locked = load_text(site_with("!locked true"));
  CHECK(set_setting(locked.sources, locked.site.policies[0], row, "false", Lock::kKeep)
            ->root()
            .text() == site_with("!locked false"));
  CHECK(lock_setting(locked.sources, locked.site.policies[0], row, false)->root().text() ==
        site_with("true"));
}

TEST_CASE("unset takes the sections with it that become empty, but not settings itself") {
  const Loaded loaded = load_text(site_with("false"));
  const auto edited =
      unset_setting(loaded.sources, loaded.site.policies[0], *find_setting("force-via-dp"));
  REQUIRE(edited.has_value());
  const Loaded after = load_text(edited->root().text());
  CHECK(after.diagnostics.empty());
  CHECK(after.site.policies[0].settings.empty());
  CHECK(edited->root().text().find("connectivity") == std::string::npos);
  CHECK(edited->root().text().find("settings:") != std::string::npos);
}

TEST_CASE("locking a setting that is not set says how to set it") {
  const Loaded loaded = load_text(site_with("false"));
  const auto edited = lock_setting(loaded.sources, loaded.site.policies[0],
                                   *find_setting("connectivity.network.use_ssl"), true);
  REQUIRE_FALSE(edited.has_value());
  CHECK(edited.error().code == ErrorCode::kNotFound);
  CHECK(edited.error().hint ==
        "set it with: kscpush policy set connectivity.network.use_ssl VALUE");
}

}  // namespace kscpush::policy
