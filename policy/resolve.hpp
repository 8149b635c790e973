// The effective policy of a device: a pure function of the site and of what is known of the device.
//
// As the product has it:
//   1. The policy of a device is the active policy of its group, or of the nearest group above that
//      has one. Inactive and out-of-office policies take no part.
//   2. A policy that inherits starts from its parent policy (the active policy of the nearest group
//      above). What the parent locks cannot be changed; what it leaves open can, and can be locked.
//   3. A policy that does not inherit starts from the defaults. Force inheritance of a policy above
//      switches inheriting on and cannot be turned off.
//   4. Profiles of a policy above rank above the policy's own; the highest active one wins, setting
//      by setting. Profiles of the same name are one: the settings and the condition of the policy
//      above stand, further settings of the policy below are added.
//   5. On the device: open values, overwritten by the device's local settings, overwritten by
//      locked values. Profile values are locked.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/site/model.hpp"
#include "policy/condition.hpp"
#include "policy/schema.hpp"

namespace kscpush::policy {

// Who could give a setting its value, and what became of it.
struct Candidate {
  enum class Source : std::uint8_t { kDefault, kPolicy, kProfile, kLocal };
  enum class Outcome : std::uint8_t {
    kWins,
    kLockedAbove,      // a policy above locks the setting
    kReplacedBelow,    // a policy below sets it, as this one leaves it open
    kNotInherited,     // a policy below does not inherit
    kProfileInactive,  // its condition does not hold
    kProfileAbove,     // an active profile that ranks higher sets it
    kProfileActive,    // an active profile sets it, over the policy's own value
    kLocalSetting,     // open, and the device's local setting overwrites it
    kEnforced,         // a local setting, overwritten by a locked value
    kNobodyAsked,      // the default, as something else gives the value
  };
  Source source = Source::kDefault;
  Outcome outcome = Outcome::kWins;
  const site::Policy* policy = nullptr;    // kPolicy, kProfile
  const site::Profile* profile = nullptr;  // kProfile
  std::string_view value;
  bool locked = false;
  Origin origin;  // kPolicy, kProfile
};
[[nodiscard]] std::string_view to_string(Candidate::Outcome outcome);

struct EffectiveValue {
  const SettingRow* row = nullptr;
  std::string_view value;
  bool locked = false;
  const site::Policy* policy = nullptr;    // nullptr: the default
  const site::Profile* profile = nullptr;  // nullptr: not from a profile
  Origin origin;                           // where it is set; line 0: the default
};

// Views into the site.
struct EffectivePolicy {
  const site::Policy* policy = nullptr;               // of the device; nullptr: no active policy
  std::vector<const site::Profile*> active_profiles;  // highest first
  std::vector<EffectiveValue> values;                 // one a setting, in the order of settings()
  std::string revision;                               // of the content: 16 bytes of SHA-256, hex

  [[nodiscard]] const EffectiveValue& at(std::string_view path) const;
};

struct Explanation {
  const SettingRow* row = nullptr;
  std::vector<Candidate> candidates;  // the winner first, then the others as they rank
};

using LocalSettings = std::unordered_map<std::string, std::string>;  // path -> value

// Holds on to the site, which must have been checked (policy/check.hpp). Results are shared by all
// devices that have the same, and remembered: memory grows with distinct results, not with devices.
// Not thread safe.
class Resolver {
 public:
  explicit Resolver(const site::Site& site);
  ~Resolver();

  [[nodiscard]] std::shared_ptr<const EffectivePolicy> resolve(const DeviceFacts& device);
  // Every setting, or the one of ROW.
  [[nodiscard]] std::vector<Explanation> explain(const DeviceFacts& device,
                                                 const LocalSettings& local,
                                                 const SettingRow* row = nullptr);
  // The value of a policy above that keeps POLICY from deciding on the setting, if there is one.
  [[nodiscard]] std::optional<Candidate> lock_above(const site::Policy& policy,
                                                    const SettingRow& row);
  [[nodiscard]] std::size_t distinct_results() const { return results_.size(); }

 private:
  struct RankedProfile;
  struct Chain;

  const Chain& chain_of(std::string_view group);
  const Chain& chain_ending_in(const site::Policy& policy);
  void active_profiles(const Chain& chain, const DeviceFacts& device, std::string& bits) const;
  [[nodiscard]] static EffectivePolicy build(const Chain& chain, std::string_view bits);

  std::unordered_map<std::string_view, const site::Policy*> active_;  // by group
  std::unordered_map<std::string, const Chain*> by_group_;
  std::unordered_map<const site::Policy*, std::unique_ptr<Chain>> chains_;
  std::unordered_map<std::string, std::shared_ptr<const EffectivePolicy>> results_;
  std::string key_;  // scratch of resolve()
};

}  // namespace kscpush::policy
