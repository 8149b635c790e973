// Every edit of a site that the commands make, on random sites in random styles: what comes out
// reads as the site before with exactly that change, keeps the comments of what stays, touches only
// the file that holds the value, and is undone, byte by byte, by its opposite.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include <doctest/doctest.h>

#include "core/site/edit.hpp"
#include "core/site/load.hpp"
#include "core/yaml/excerpt.hpp"
#include "policy/check.hpp"
#include "policy/edit.hpp"
#include "tests/property/site_generator.hpp"

namespace kscpush::site {
namespace {

using test::Random;

constexpr std::size_t kDefaultCases = 4'000;
constexpr std::size_t kDefaultSeed = 20261122;
constexpr std::size_t kEditsPerSite = 6;

// The site as facts, each a text: what an edit must change and what it must not.
using Facts = std::multiset<std::string>;

std::string of(const Policy& policy) {
  return fmt::format("policy {}|{}", policy.group, policy.name);
}

Facts facts_of(const Site& site) {
  Facts facts;
  for (const Group& group : site.groups) facts.insert("group " + group.path);
  for (const DistributionPoint& dp : site.distribution_points) {
    const PushServer& server = dp.push_server;
    facts.insert(fmt::format("dp {}", dp.name));
    facts.insert(fmt::format("dp {} address {}", dp.name, dp.address));
    facts.insert(fmt::format("dp {} enabled {}", dp.name, server.enabled));
    facts.insert(fmt::format("dp {} port {}", dp.name, server.port.value()));
    facts.insert(fmt::format("dp {} max {}", dp.name, server.max_connections));
    for (const Group& group : dp.scope_groups) {
      facts.insert(fmt::format("dp {} scope {}", dp.name, group.path));
    }
  }
  for (const Policy& policy : site.policies) {
    facts.insert(of(policy));
    facts.insert(of(policy) + fmt::format(" status {}", to_string(policy.status)));
    facts.insert(of(policy) + fmt::format(" inherit {}", policy.inherit));
    for (const Setting& s : policy.settings) {
      if (s.shape != SettingValue::Shape::kScalar) continue;
      facts.insert(of(policy) + fmt::format(" {}={} {}", s.path, s.value, s.locked));
    }
  }
  return facts;
}

struct Loaded {
  Sources sources;
  Site site;
};

Loaded load_valid(Sources sources) {
  Loaded loaded{std::move(sources), {}};
  Diagnostics diagnostics;
  loaded.site = load(loaded.sources, diagnostics);
  policy::check(loaded.site, diagnostics);
  for (const Diagnostic& d : diagnostics) {
    INFO(to_string(d.origin), ": ", d.message);
    REQUIRE(d.severity == Severity::kWarning);
  }
  return loaded;
}

// What an edit is to do, and what takes it back.
struct Step {
  std::string name;
  Edited edited;
  Facts gone;
  Facts come;
  std::function<Edited(const Loaded&)> undo{};
};

class Chooser {
 public:
  Chooser(const Loaded& now, Random& random) : now_(now), random_(random) {}

  Step choose() {
    const bool dps = !now_.site.distribution_points.empty();
    const bool policies = !now_.site.policies.empty();
    switch (random_.below(12)) {
      case 0:
        return add_group();
      case 1:
        return now_.site.groups.empty() ? add_group() : remove_group();
      case 2:
        return add_dp();
      case 3:
        return dps ? remove_dp() : add_dp();
      case 4:
      case 5:
        return dps ? enable() : add_dp();
      case 6:
        return dps ? scope() : add_dp();
      case 7:
        return add_policy();
      case 8:
        return policies ? remove_policy() : add_policy();
      case 9:
        return policies ? set_setting() : add_policy();
      case 10:
        return policies ? lock_or_unset() : add_policy();
      default:
        return policies ? rewrite() : add_policy();
    }
  }

 private:
  const DistributionPoint& dp() { return random_.of(now_.site.distribution_points); }
  const Policy& policy() { return random_.of(now_.site.policies); }
  std::string fresh(const char* prefix) {
    return fmt::format("{}{}", prefix, random_.below(1'000'000));
  }

  Facts facts_with(const std::string& prefix) {
    Facts result;
    for (const std::string& fact : facts_of(now_.site)) {
      if (fact == prefix || fact.starts_with(prefix + " ")) result.insert(fact);
    }
    return result;
  }

  Step add_group() {
    const std::string top = std::string(kRootGroup) + "/" + fresh("N");
    const std::string name = random_.chance(2) ? top : top + "/Größe: #1, 'x'";
    Facts come{"group " + top};
    come.insert("group " + name);
    if (name == top) come = {"group " + top};
    return {"group add",
            site::add_group(now_.sources, now_.site, name),
            {},
            come,
            [name, top](const Loaded& after) {
              auto edited = site::remove_group(after.sources, after.site, name);
              if (!edited || name == top) return edited;
              const Loaded between = load_valid(*edited);
              return site::remove_group(between.sources, between.site, top);
            }};
  }

  Step remove_group() {
    const std::string name = random_.of(now_.site.groups).path;
    return {
        "group remove", site::remove_group(now_.sources, now_.site, name), {"group " + name}, {}};
  }

  Step add_dp() {
    const std::string name = fresh("new");
    const std::string dp = "dp " + name;
    return {"dp add",
            add_distribution_point(now_.sources, now_.site, name, "n.example.com",
                                   {std::string(kRootGroup)}),
            {},
            {dp, dp + " address n.example.com", dp + " enabled false", dp + " port 13295",
             dp + " max 50000", dp + " scope Managed devices"},
            [name](const Loaded& after) {
              return remove_distribution_point(after.sources,
                                               *after.site.find_distribution_point(name));
            }};
  }

  Step remove_dp() {
    const DistributionPoint& gone = dp();
    return {"dp remove",
            remove_distribution_point(now_.sources, gone),
            facts_with("dp " + gone.name),
            {}};
  }

  Step enable() {
    const DistributionPoint& target = dp();
    DistributionPointChange change;
    change.enabled = random_.chance(2);
    if (random_.chance(2)) change.port = *Port::parse(fmt::format("{}", 20000 + random_.below(9)));
    if (random_.chance(3)) change.max_connections = 100;
    if (random_.chance(3)) change.address = "b.example.com";
    DistributionPoint next = target;
    next.push_server.enabled = *change.enabled;
    next.push_server.port = change.port.value_or(target.push_server.port);
    next.push_server.max_connections =
        change.max_connections.value_or(target.push_server.max_connections);
    next.address = change.address.value_or(target.address);
    Site after;
    after.distribution_points.push_back(next);
    return {"dp set", site::change(now_.sources, target, change), facts_with("dp " + target.name),
            facts_of(after)};
  }

  Step scope() {
    const DistributionPoint& target = dp();
    const std::string fact = "dp " + target.name + " scope ";
    if (!target.scope_groups.empty() && random_.chance(2)) {
      const std::string group = random_.of(target.scope_groups).path;
      return {
          "dp scope remove", remove_scope_group(now_.sources, target, group), {fact + group}, {}};
    }
    const std::string group(now_.site.groups.empty() ? std::string(kRootGroup)
                                                     : random_.of(now_.site.groups).path);
    const bool there =
        std::ranges::find(target.scope_groups, group, &Group::path) != target.scope_groups.end();
    return {"dp scope add",
            add_scope_group(now_.sources, now_.site, target, group),
            {},
            there ? Facts{} : Facts{fact + group}};
  }

  Step add_policy() {
    const std::string name = fresh("Policy: ");
    const std::string fact = "policy Managed devices|" + name;
    return {"policy add",
            policy::add_policy(now_.sources, now_.site, name, std::string(kRootGroup),
                               PolicyStatus::kInactive),
            {},
            {fact, fact + " status inactive", fact + " inherit true"},
            [name](const Loaded& after) {
              const auto at = std::ranges::find(after.site.policies, name, &Policy::name);
              return policy::remove_policy(after.sources, *at);
            }};
  }

  Step remove_policy() {
    const Policy& gone = policy();
    return {"policy remove", policy::remove_policy(now_.sources, gone), facts_with(of(gone)), {}};
  }

  Step set_setting() {
    const Policy& target = policy();
    const bool number = random_.chance(2);
    const auto& row = *policy::find_setting(number ? "connectivity.network.udp_port"
                                                   : "connectivity.network.use_ssl");
    const std::string value = number ? "15002" : "true";
    const bool locked = random_.chance(2);
    const std::string fact = of(target) + fmt::format(" {}=", row.path);
    Facts gone;
    if (const Setting* old = target.find(row.path)) {
      gone.insert(fact + fmt::format("{} {}", old->value, old->locked));
    }
    return {"policy set",
            policy::set_setting(now_.sources, target, row, value,
                                locked ? policy::Lock::kLocked : policy::Lock::kOpen),
            gone,
            {fact + fmt::format("{} {}", value, locked)}};
  }

  Step lock_or_unset() {
    const Policy& target = policy();
    std::vector<const Setting*> settings;
    for (const Setting& s : target.settings) {
      if (s.shape == SettingValue::Shape::kScalar) settings.push_back(&s);
    }
    if (settings.empty()) return set_setting();
    const Setting old = *random_.of(settings);
    const auto& row = *policy::find_setting(old.path);
    const std::string fact = of(target) + fmt::format(" {}={} ", old.path, old.value);
    const Facts gone{fact + fmt::format("{}", old.locked)};
    if (random_.chance(2)) {
      return {"policy unset", policy::unset_setting(now_.sources, target, row), gone, {}};
    }
    const Place place = target.place;
    return {"policy lock",
            policy::lock_setting(now_.sources, target, row, !old.locked),
            gone,
            {fact + fmt::format("{}", !old.locked)},
            [place, &row, old](const Loaded& after) {
              const auto at = std::ranges::find_if(after.site.policies, [&](const Policy& p) {
                return p.place.document == place.document && p.place.index == place.index;
              });
              return policy::lock_setting(after.sources, *at, row, old.locked);
            }};
  }

  // As `policy edit` does: inherit is turned around, or added.
  Step rewrite() {
    const Policy& target = policy();
    const yaml::Path path{"policies", target.place.index};
    const std::size_t document = target.place.document;
    const auto shown = yaml::excerpt(now_.sources.document(document), path);
    REQUIRE(shown.has_value());
    const std::string old = fmt::format("inherit: {}\n", target.inherit);
    const std::string line = fmt::format("inherit: {}\n", !target.inherit);
    std::string text = shown->text;
    const std::size_t at = text.find("\n" + old);
    const bool flow = text.starts_with('{');
    if (at != std::string::npos) {
      text.replace(at + 1, old.size(), line);
    } else if (!flow) {
      text.insert(text.find("status:"), line);
    }
    const std::string before = shown->text;
    const auto put = [path, document](const Sources& sources, const std::string& with) {
      return sources.edit(
          document, [&](const yaml::Document& d) { return yaml::replace_excerpt(d, path, with); });
    };
    const bool changes = text != before;
    const std::string fact = of(target) + " inherit ";
    return {"policy edit", put(now_.sources, text),
            changes ? Facts{fact + fmt::format("{}", target.inherit)} : Facts{},
            changes ? Facts{fact + fmt::format("{}", !target.inherit)} : Facts{},
            [put, before](const Loaded& after) { return put(after.sources, before); }};
  }

  const Loaded& now_;
  Random& random_;
};

std::string all_text(const Sources& sources) {
  std::string text;
  for (const SourceFile& file : sources.bundle()) text += "--- " + file.name + "\n" + file.text;
  return text;
}

std::size_t count_marks(const Sources& sources) {
  std::size_t count = 0;
  const std::string text = all_text(sources);
  for (std::size_t at = 0; (at = text.find("# mark", at)) != std::string::npos; ++at) ++count;
  return count;
}

Facts expected_after(const Site& site, const Step& step) {
  Facts facts = facts_of(site);
  for (const std::string& fact : step.gone) {
    const auto at = facts.find(fact);
    if (at != facts.end()) facts.erase(at);
  }
  facts.insert(step.come.begin(), step.come.end());
  return facts;
}

std::size_t number_from(const char* name, std::size_t otherwise) {
  const char* const text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// False when the edit was refused, as that of a group that is in use.
bool run_step(Loaded& now, const Step& step) {
  if (!step.edited) return false;
  CAPTURE(all_text(*step.edited));
  const Loaded after = load_valid(*step.edited);
  CHECK(facts_of(after.site) == expected_after(now.site, step));
  CHECK(after.sources.changed_since(now.sources).size() <= 1);
  const bool takes_away = step.come.empty();
  if (!takes_away) CHECK(count_marks(after.sources) == count_marks(now.sources));
  if (step.undo && !step.come.empty()) {
    const auto back = step.undo(after);
    REQUIRE(back.has_value());
    CHECK(facts_of(load_valid(*back).site) == facts_of(now.site));
    const bool same_lists = step.name.starts_with("policy ") && step.name != "policy add";
    if (same_lists) CHECK(all_text(*back) == all_text(now.sources));
  }
  now = after;
  return true;
}

}  // namespace

TEST_CASE("site edits: random edits of random sites in random styles") {
  const std::size_t cases = number_from("KSCPUSH_PROPERTY_CASES", kDefaultCases);
  std::map<std::string, std::size_t> done;
  std::size_t edits = 0;
  for (std::size_t seed = number_from("KSCPUSH_SEED", kDefaultSeed); edits < cases; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    auto sources = Sources::from(test::random_site(random));
    REQUIRE(sources.has_value());
    CAPTURE(all_text(*sources));
    Loaded now = load_valid(*sources);
    for (std::size_t i = 0; i < kEditsPerSite; ++i, ++edits) {
      const Step step = Chooser(now, random).choose();
      CAPTURE(step.name);
      CAPTURE(all_text(now.sources));
      if (run_step(now, step)) ++done[step.name];
    }
  }
  for (const auto& step : done) {
    CAPTURE(step.first);
    const auto& [name, count] = step;
    CHECK(count * 50 > cases / 13);
  }
  CHECK(done.size() == 13);
}

}  // namespace kscpush::site
