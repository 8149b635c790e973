// The product's rules of inheritance, each in its own words.
#include "policy/resolve.hpp"

#include <doctest/doctest.h>

#include "core/site/load.hpp"
#include "policy/check.hpp"

namespace kscpush::policy {
namespace {

constexpr std::string_view kInterval = "connectivity.schedule.synchronization_interval";
constexpr std::string_view kGroups =
    "version: 1\ngroups: [Managed devices/A, Managed devices/A/B, Managed devices/C]\npolicies:\n";

// A policy in one line: "name, group, more, interval", the interval as written in YAML.
std::string policy(std::string_view name, std::string_view group, std::string_view more,
                   std::string_view interval, std::string_view profiles = "[]") {
  const std::string settings =
      interval.empty()
          ? "{}"
          : fmt::format("{{connectivity: {{schedule: {{synchronization_interval: {}}}}}}}",
                        interval);
  return fmt::format("  - {{name: {}, group: {}, {}settings: {}, profiles: {}}}\n", name, group,
                     more, settings, profiles);
}

std::string profile(std::string_view name, std::string_view condition, std::string_view interval) {
  return fmt::format(
      "{{name: {}, condition: '{}', settings: {{connectivity: {{schedule: "
      "{{synchronization_interval: !locked {}}}}}}}}}",
      name, condition, interval);
}

class World {
 public:
  explicit World(const std::string& policies)
      : document_(*yaml::Document::parse(std::string(kGroups) + policies, "site.yaml")) {
    Diagnostics diagnostics;
    site_ = site::load(document_, diagnostics);
    check(site_, diagnostics);
    for (const Diagnostic& d : diagnostics) FAIL(to_string(d.origin) << ": " << d.message);
  }

  // "15 open from default", "5 locked from root".
  [[nodiscard]] std::string interval(std::string_view group,
                                     const std::vector<std::string>& tags = {}) const {
    Resolver resolver(site_);
    const auto result = resolver.resolve({.group = group, .tags = tags});
    const EffectiveValue& value = result->at(kInterval);
    const std::string from = value.profile != nullptr  ? value.profile->name
                             : value.policy != nullptr ? value.policy->name
                                                       : "default";
    return fmt::format("{} {} from {}", value.value, value.locked ? "locked" : "open", from);
  }

  [[nodiscard]] const site::Site& site() const { return site_; }

 private:
  yaml::Document document_;
  site::Site site_;
};

}  // namespace

TEST_CASE("a group without an active policy of its own gets its parent's") {
  const World world(policy("root", "Managed devices", "", "5") +
                    policy("a", "Managed devices/A", "", "7"));
  CHECK(world.interval("Managed devices/A/B") == "7 open from a");
  CHECK(world.interval("Managed devices/C") == "5 open from root");
}

TEST_CASE("inactive policies are not inherited") {
  const World world(policy("root", "Managed devices", "", "5") +
                    policy("a", "Managed devices/A", "status: inactive, ", "!locked 7"));
  CHECK(world.interval("Managed devices/A") == "5 open from root");
  CHECK(world.interval("Managed devices/A/B") == "5 open from root");
}

TEST_CASE("out-of-office policies do not act through the hierarchy") {
  const World world(policy("root", "Managed devices", "status: out_of_office, ", "!locked 5") +
                    policy("a", "Managed devices/A", "", ""));
  CHECK(world.interval("Managed devices/A") == "15 open from default");
}

TEST_CASE("inherit: settings locked in the parent cannot be changed in the child") {
  const World world(policy("root", "Managed devices", "", "!locked 5") +
                    policy("a", "Managed devices/A", "", "!locked 7"));
  CHECK(world.interval("Managed devices/A") == "5 locked from root");
}

TEST_CASE("inherit: unlocked ones can, and can be locked there") {
  const World open(policy("root", "Managed devices", "", "5") +
                   policy("a", "Managed devices/A", "", "7"));
  CHECK(open.interval("Managed devices/A") == "7 open from a");
  const World locked(policy("root", "Managed devices", "", "5") +
                     policy("a", "Managed devices/A", "", "!locked 7") +
                     policy("b", "Managed devices/A/B", "", "9"));
  CHECK(locked.interval("Managed devices/A") == "7 locked from a");
  CHECK(locked.interval("Managed devices/A/B") == "7 locked from a");
}

TEST_CASE("inherit: what the child does not set comes from the parent, open or locked") {
  const World world(policy("root", "Managed devices", "", "5") +
                    policy("a", "Managed devices/A", "", ""));
  CHECK(world.interval("Managed devices/A") == "5 open from root");
}

TEST_CASE("inherit off: the child may change everything") {
  const World world(policy("root", "Managed devices", "", "!locked 5") +
                    policy("a", "Managed devices/A", "inherit: false, ", "7") +
                    policy("b", "Managed devices/A/B", "inherit: false, ", ""));
  CHECK(world.interval("Managed devices/A") == "7 open from a");
  CHECK(world.interval("Managed devices/A/B") == "15 open from default");
}

TEST_CASE("force inheritance switches inherit on in every child, where it cannot be turned off") {
  const World world(policy("root", "Managed devices", "force_inheritance: true, ", "!locked 5") +
                    policy("a", "Managed devices/A", "inherit: false, ", "7") +
                    policy("b", "Managed devices/A/B", "inherit: false, ", "9"));
  CHECK(world.interval("Managed devices/A") == "5 locked from root");
  CHECK(world.interval("Managed devices/A/B") == "5 locked from root");
}

TEST_CASE("at Managed devices, inherit has no effect") {
  const World world(policy("root", "Managed devices", "inherit: false, ", "5"));
  CHECK(world.interval("Managed devices") == "5 open from root");
}

TEST_CASE("profiles: several can be active, the highest in the list wins") {
  const World world(policy("root", "Managed devices", "", "!locked 5",
                           "[" + profile("first", "tags contains x", "6") + ", " +
                               profile("second", "tags contains y", "7") + "]"));
  CHECK(world.interval("Managed devices") == "5 locked from root");
  CHECK(world.interval("Managed devices", {"x"}) == "6 locked from first");
  CHECK(world.interval("Managed devices", {"y"}) == "7 locked from second");
  CHECK(world.interval("Managed devices", {"y", "x"}) == "6 locked from first");
}

TEST_CASE("profiles: inherited ones rank above the child's own") {
  const World world(policy("root", "Managed devices", "", "5",
                           "[" + profile("above", "tags contains x", "6") + "]") +
                    policy("a", "Managed devices/A", "", "7",
                           "[" + profile("own", "tags contains x", "8") + "]"));
  CHECK(world.interval("Managed devices/A", {"x"}) == "6 locked from above");
  CHECK(world.interval("Managed devices/A") == "7 open from a");
}

TEST_CASE("profiles of the same name are one: the policy above gives settings and condition") {
  const World world(policy("root", "Managed devices", "", "5",
                           "[" + profile("same", "tags contains x", "6") + "]") +
                    policy("a", "Managed devices/A", "", "7",
                           "[" + profile("same", "tags contains y", "8") + "]"));
  CHECK(world.interval("Managed devices/A", {"y"}) == "7 open from a");
  CHECK(world.interval("Managed devices/A", {"x"}) == "6 locked from same");
  CHECK(world.interval("Managed devices", {"x"}) == "6 locked from same");
}

TEST_CASE("profiles are not inherited by a policy that does not inherit") {
  const World world(policy("root", "Managed devices", "", "5",
                           "[" + profile("above", "tags contains x", "6") + "]") +
                    policy("a", "Managed devices/A", "inherit: false, ", "7"));
  CHECK(world.interval("Managed devices/A", {"x"}) == "7 open from a");
}

TEST_CASE("effective: unlocked values, overwritten by local settings, overwritten by locked ones") {
  const LocalSettings local{{std::string(kInterval), "99"}};
  const auto winner = [&](const std::string& interval, const LocalSettings& settings) {
    const World world(policy("root", "Managed devices", "", interval));
    Resolver resolver(world.site());
    const auto explained =
        resolver.explain({.group = "Managed devices"}, settings, find_setting(kInterval));
    return std::string(explained.at(0).candidates.front().value);
  };
  CHECK(winner("5", {}) == "5");
  CHECK(winner("5", local) == "99");
  CHECK(winner("!locked 5", local) == "5");
  CHECK(winner("", local) == "99");
  CHECK(winner("", {}) == "15");
}

TEST_CASE("explain: the winner first, and why each other lost") {
  const World world(
      policy("root", "Managed devices", "", "5", "[" + profile("p", "tags contains x", "6") + "]") +
      policy("a", "Managed devices/A", "", "!locked 7") +
      policy("b", "Managed devices/A/B", "", "8"));
  Resolver resolver(world.site());
  const auto outcomes = [&](const std::vector<std::string>& tags, const LocalSettings& local) {
    std::vector<std::string> all;
    const auto explained = resolver.explain({.group = "Managed devices/A/B", .tags = tags}, local,
                                            find_setting(kInterval));
    for (const Candidate& c : explained.at(0).candidates) {
      all.push_back(fmt::format("{}: {}", c.value, to_string(c.outcome)));
    }
    return all;
  };
  using Lines = std::vector<std::string>;
  CHECK(outcomes({}, {}) == Lines{"7: wins", "6: its condition does not hold",
                                  "5: open here, and a policy below sets it",
                                  "8: a policy above locks the setting", "15: the default"});
  CHECK(outcomes({"x"}, {{std::string(kInterval), "99"}}) ==
        Lines{"6: wins", "7: an active profile sets it", "5: open here, and a policy below sets it",
              "8: a policy above locks the setting", "99: a locked value overwrites it",
              "15: the default"});
}

TEST_CASE("explain and resolve agree") {
  const World world(
      policy("root", "Managed devices", "", "5", "[" + profile("p", "tags contains x", "6") + "]") +
      policy("a", "Managed devices/A", "", "!locked 7") +
      policy("c", "Managed devices/C", "inherit: false, ", ""));
  Resolver resolver(world.site());
  for (const char* group :
       {"Managed devices", "Managed devices/A", "Managed devices/A/B", "Managed devices/C"}) {
    for (const auto& tags : {std::vector<std::string>{}, std::vector<std::string>{"x"}}) {
      const DeviceFacts device{.group = group, .tags = tags};
      const auto resolved = resolver.resolve(device);
      for (const Explanation& explanation : resolver.explain(device, {})) {
        CHECK(explanation.candidates.front().outcome == Candidate::Outcome::kWins);
        CHECK(explanation.candidates.front().value == resolved->at(explanation.row->path).value);
      }
    }
  }
}

TEST_CASE("devices with the same result share it, and the revision is of the content") {
  const World world(
      policy("root", "Managed devices", "", "5", "[" + profile("p", "tags contains x", "6") + "]") +
      policy("a", "Managed devices/A", "", "5"));
  Resolver resolver(world.site());
  const std::vector<std::string> x{"x"};
  const auto first = resolver.resolve({.id = "pc-1", .group = "Managed devices"});
  CHECK(first == resolver.resolve({.id = "pc-2", .group = "Managed devices/C"}));
  CHECK(first->revision == resolver.resolve({.group = "Managed devices/A"})->revision);
  CHECK(first->revision != resolver.resolve({.group = "Managed devices", .tags = x})->revision);
  CHECK(first->revision.size() == 32);
  CHECK(resolver.distinct_results() == 3);
}

TEST_CASE("however a value is written, what means the same has the same revision") {
  const auto revision = [](const std::string& settings) {
    const World world("  - {name: a, group: Managed devices, settings: {connectivity: {" +
                      settings + "}}}\n");
    Resolver resolver(world.site());
    return resolver.resolve({.group = "Managed devices"})->revision;
  };
  CHECK(revision("schedule: {synchronization_interval: 20}") ==
        revision("schedule: {synchronization_interval: 020}"));
  CHECK(revision("network: {use_ssl: True}") == revision("network: {use_ssl: true}"));
  const std::string profiles = "connection_profiles: {profiles: ";
  CHECK(revision(profiles + "[{name: A, administration_server: a}]}") ==
        revision(profiles + "[{administration_server: 'a', name: \"A\"}]}"));
  CHECK(revision(profiles + "[{name: A, administration_server: a}]}") !=
        revision(profiles + "[{name: A, administration_server: b}]}"));
}

// A regression: `True` in the file was neither "true" nor off, and the half was reported missing.
TEST_CASE("TRUE in the file is true") {
  const World world(
      "  - {name: a, group: Managed devices, settings: {connectivity: {network: "
      "{use_distribution_point_to_force_connection: !locked TRUE}}}}\n");
  Resolver resolver(world.site());
  CHECK(resolver.resolve({.group = "Managed devices"})->at(kForceViaDp).value == "true");
}

TEST_CASE("without any active policy everything is default") {
  const World world("  []\n");
  CHECK(world.interval("Managed devices/A") == "15 open from default");
}

}  // namespace kscpush::policy
