#include "policy/resolve.hpp"

#include <algorithm>

#include "core/pki.hpp"

namespace kscpush::policy {
namespace {

using Outcome = Candidate::Outcome;
using Source = Candidate::Source;

std::size_t index_of(const SettingRow& row) {
  return static_cast<std::size_t>(&row - settings().data());
}

// Of a setting that has been checked.
std::size_t index_of(const site::Setting& setting) {
  return index_of(*find_setting(setting.path));
}

Candidate candidate(const site::Policy& policy, const site::Profile* profile,
                    const site::Setting& setting) {
  return {profile == nullptr ? Source::kPolicy : Source::kProfile,
          Outcome::kWins,
          &policy,
          profile,
          canonical(settings()[index_of(setting)], setting),
          setting.locked,
          setting.origin};
}

std::string revision_of(const std::vector<EffectiveValue>& values) {
  std::string text;
  for (const EffectiveValue& value : values) {
    text += fmt::format("{}={}{}\n", value.row->path, value.value, value.locked ? " locked" : "");
  }
  return pki::sha256_hex(text).substr(0, 32);
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kWins:
      return "wins";
    case Outcome::kLockedAbove:
      return "a policy above locks the setting";
    case Outcome::kReplacedBelow:
      return "open here, and a policy below sets it";
    case Outcome::kNotInherited:
      return "a policy below does not inherit";
    case Outcome::kProfileInactive:
      return "its condition does not hold";
    case Outcome::kProfileAbove:
      return "an active profile that ranks higher sets it";
    case Outcome::kProfileActive:
      return "an active profile sets it";
    case Outcome::kLocalSetting:
      return "open, and the device's local setting overwrites it";
    case Outcome::kEnforced:
      return "a locked value overwrites it";
    case Outcome::kNobodyAsked:
      return "the default";
  }
  return "";
}

const EffectiveValue& EffectivePolicy::at(std::string_view path) const {
  return values.at(index_of(*find_setting(path)));
}

// A profile in the order of the chain. Profiles of the same name are one: the highest gives the
// condition, and settings of the lower ones stand behind its own.
struct Resolver::RankedProfile {
  const site::Profile* profile = nullptr;
  Condition condition;
  std::vector<std::pair<std::size_t, Candidate>> settings;  // by index of the setting

  [[nodiscard]] bool sets(std::size_t setting) const {
    return std::ranges::any_of(settings, [&](const auto& own) { return own.first == setting; });
  }
};

// What a policy amounts to with all above it, profiles and device left aside.
struct Resolver::Chain {
  const site::Policy* policy = nullptr;
  std::size_t number = 0;                    // for keys
  bool forces = false;                       // it or a policy above forces inheritance
  std::vector<std::vector<Candidate>> base;  // by setting: the winner first
  std::vector<RankedProfile> profiles;       // highest first
};

Resolver::~Resolver() = default;

Resolver::Resolver(const site::Site& site) {
  for (const site::Policy& policy : site.policies) {
    if (policy.status == site::PolicyStatus::kActive) active_.emplace(policy.group, &policy);
  }
}

const Resolver::Chain& Resolver::chain_of(std::string_view group) {
  const std::string key(group);
  if (const auto found = by_group_.find(key); found != by_group_.end()) return *found->second;
  static const Chain kNone{
      nullptr, 0, false, std::vector<std::vector<Candidate>>(settings().size()), {}};
  const Chain* chain = &kNone;
  for (std::optional<std::string_view> at = group; at; at = site::parent_group(*at)) {
    const auto own = active_.find(*at);
    if (own == active_.end()) continue;
    chain = &chain_ending_in(*own->second);
    break;
  }
  by_group_.emplace(key, chain);
  return *chain;
}

const Resolver::Chain& Resolver::chain_ending_in(const site::Policy& policy) {
  if (const auto found = chains_.find(&policy); found != chains_.end()) return *found->second;
  const auto above = site::parent_group(policy.group);
  const Chain* const parent = above ? &chain_of(*above) : nullptr;
  const bool has_parent = parent != nullptr && parent->policy != nullptr;
  const bool inherits = has_parent && (policy.inherit || parent->forces);

  auto chain = std::make_unique<Chain>();
  chain->policy = &policy;
  chain->number = chains_.size() + 1;
  chain->forces = policy.force_inheritance || (has_parent && parent->forces);
  chain->base.resize(settings().size());
  if (has_parent) chain->base = parent->base;
  if (has_parent && !inherits) {
    for (auto& candidates : chain->base) {
      for (Candidate& lost : candidates) lost.outcome = Outcome::kNotInherited;
    }
  }
  for (const site::Setting& setting : policy.settings) {
    auto& candidates = chain->base[index_of(setting)];
    Candidate own = candidate(policy, nullptr, setting);
    const bool taken = !candidates.empty() && candidates.front().outcome == Outcome::kWins;
    if (taken && candidates.front().locked) {
      own.outcome = Outcome::kLockedAbove;
      candidates.push_back(std::move(own));
      continue;
    }
    if (taken) candidates.front().outcome = Outcome::kReplacedBelow;
    candidates.insert(candidates.begin(), std::move(own));
  }
  if (inherits) chain->profiles = parent->profiles;
  for (const site::Profile& profile : policy.profiles) {
    auto same = std::ranges::find_if(chain->profiles, [&](const RankedProfile& ranked) {
      return ranked.profile->name == profile.name;
    });
    if (same == chain->profiles.end()) {
      auto condition = Condition::parse(profile.condition);
      if (!condition) continue;  // reported by check()
      chain->profiles.push_back({&profile, std::move(*condition), {}});
      same = std::prev(chain->profiles.end());
    }
    for (const site::Setting& setting : profile.settings) {
      const std::size_t index = index_of(setting);
      if (!same->sets(index))
        same->settings.emplace_back(index, candidate(policy, &profile, setting));
    }
  }
  return *chains_.emplace(&policy, std::move(chain)).first->second;
}

// One character a profile: '1' for those that are active.
void Resolver::active_profiles(const Chain& chain, const DeviceFacts& device,
                               std::string& bits) const {
  for (const RankedProfile& ranked : chain.profiles) {
    bits.push_back(ranked.condition.holds(device) ? '1' : '0');
  }
}

EffectivePolicy Resolver::build(const Chain& chain, std::string_view bits) {
  EffectivePolicy result;
  result.policy = chain.policy;
  for (const SettingRow& row : settings()) {
    const auto& base = chain.base[index_of(row)];
    const Candidate* winner =
        !base.empty() && base.front().outcome == Outcome::kWins ? &base.front() : nullptr;
    for (std::size_t i = 0; i < chain.profiles.size(); ++i) {
      if (bits[i] != '1') continue;
      const auto& own = chain.profiles[i].settings;
      const auto found =
          std::ranges::find(own, index_of(row), [](const auto& s) { return s.first; });
      if (found == own.end()) continue;
      winner = &found->second;
      break;
    }
    result.values.push_back(
        winner == nullptr ? EffectiveValue{&row, row.default_value, false, nullptr, nullptr, {}}
                          : EffectiveValue{&row, winner->value, winner->locked, winner->policy,
                                           winner->profile, winner->origin});
  }
  for (std::size_t i = 0; i < chain.profiles.size(); ++i) {
    if (bits[i] == '1') result.active_profiles.push_back(chain.profiles[i].profile);
  }
  result.revision = revision_of(result.values);
  return result;
}

std::shared_ptr<const EffectivePolicy> Resolver::resolve(const DeviceFacts& device) {
  const Chain& chain = chain_of(device.group);
  key_.assign(reinterpret_cast<const char*>(&chain.number), sizeof chain.number);
  active_profiles(chain, device, key_);
  auto found = results_.find(key_);
  if (found == results_.end()) {
    const std::string_view bits = std::string_view(key_).substr(sizeof chain.number);
    found = results_.emplace(key_, std::make_shared<EffectivePolicy>(build(chain, bits))).first;
  }
  return found->second;
}

std::optional<Candidate> Resolver::lock_above(const site::Policy& policy, const SettingRow& row) {
  const auto above = site::parent_group(policy.group);
  if (!above) return std::nullopt;
  const Chain& chain = chain_of(*above);
  if (!policy.inherit && !chain.forces) return std::nullopt;
  const auto& candidates = chain.base[index_of(row)];
  const bool locked = !candidates.empty() && candidates.front().outcome == Outcome::kWins &&
                      candidates.front().locked;
  return locked ? std::optional(candidates.front()) : std::nullopt;
}

std::vector<Explanation> Resolver::explain(const DeviceFacts& device, const LocalSettings& local,
                                           const SettingRow* only) {
  const Chain& chain = chain_of(device.group);
  std::string bits;
  active_profiles(chain, device, bits);
  std::vector<Explanation> all;
  for (const SettingRow& row : settings()) {
    if (only != nullptr && only != &row) continue;
    Explanation explanation{&row, {}};
    auto& candidates = explanation.candidates;
    bool decided = false;
    for (std::size_t i = 0; i < chain.profiles.size(); ++i) {
      for (const auto& [index, own] : chain.profiles[i].settings) {
        if (index != index_of(row)) continue;
        candidates.push_back(own);
        candidates.back().outcome = bits[i] != '1' ? Outcome::kProfileInactive
                                    : decided      ? Outcome::kProfileAbove
                                                   : Outcome::kWins;
        decided = decided || bits[i] == '1';
      }
    }
    for (Candidate from_policy : chain.base[index_of(row)]) {
      if (from_policy.outcome == Outcome::kWins && decided) {
        from_policy.outcome = Outcome::kProfileActive;
      }
      decided = decided || from_policy.outcome == Outcome::kWins;
      candidates.push_back(std::move(from_policy));
    }
    const auto winner = std::ranges::find(candidates, Outcome::kWins, &Candidate::outcome);
    const bool locked = winner != candidates.end() && winner->locked;
    if (const auto own = local.find(std::string(row.path)); own != local.end()) {
      if (!locked && winner != candidates.end()) winner->outcome = Outcome::kLocalSetting;
      candidates.push_back({Source::kLocal,
                            locked ? Outcome::kEnforced : Outcome::kWins,
                            nullptr,
                            nullptr,
                            own->second,
                            false,
                            {}});
      decided = true;
    }
    candidates.push_back({Source::kDefault,
                          decided ? Outcome::kNobodyAsked : Outcome::kWins,
                          nullptr,
                          nullptr,
                          row.default_value,
                          false,
                          {}});
    // std::ranges::stable_partition does not compile with clang 14 and this library.
    std::stable_partition(candidates.begin(), candidates.end(),
                          [](const Candidate& c) { return c.outcome == Outcome::kWins; });
    all.push_back(std::move(explanation));
  }
  return all;
}

}  // namespace kscpush::policy
