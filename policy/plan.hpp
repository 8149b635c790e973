// What changes when one configuration of a site takes the place of another, in the words of the
// domain: what `kscpush diff` shows and `kscpush apply` does.
//
// Groups are told apart by their path, distribution points by their name, policies by name and
// group, profiles by name; what is named otherwise is another one. How a value is written makes no
// difference: a default that is spelled out is no change.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/site/model.hpp"
#include "policy/condition.hpp"

namespace kscpush::policy {

struct Change {
  enum class Action : std::uint8_t { kRemove, kChange, kAdd };
  Action action = Action::kChange;
  std::string subject;        // "distribution point 'dp-1'"
  std::string what{};         // "push server port: 13295 -> 13296"; empty: the subject as a whole
  std::uint64_t devices = 0;  // that it concerns
  Origin origin{};            // in the new configuration; of a removal in the old one
};
[[nodiscard]] std::string_view to_string(Change::Action action);

struct Plan {
  static constexpr std::size_t kMostExamples = 10;

  std::vector<Change> changes;  // removals first, then changes, then additions
  std::uint64_t devices = 0;    // that were looked at
  // Devices whose effective policy changes: how many, of which groups, the first few.
  std::uint64_t policy_changes = 0;
  std::map<std::string, std::uint64_t, std::less<>> policy_changes_by_group;
  std::vector<std::string> examples;
  std::uint64_t moved = 0;   // have another push server as their first choice
  std::uint64_t lost = 0;    // have no push server any more
  std::uint64_t gained = 0;  // had none, and have one now
  // Have the same first choice, but it listens elsewhere, or others come behind it.
  std::uint64_t relisted = 0;
  std::uint64_t orphans = 0;  // are in a group that is not declared any more

  [[nodiscard]] bool empty() const { return changes.empty(); }
};

// What of a device's share of the configuration becomes another.
struct Differs {
  bool policy = false;   // the effective one
  bool servers = false;  // the push servers that it is given, or their order
};

// Compares, then looks at devices one by one. Both sites must have been checked and outlive it.
// Memory grows with groups and distinct policies, not with devices. Not thread safe.
class Planner {
 public:
  Planner(const site::Site& from, const site::Site& to);
  ~Planner();

  Differs look_at(const DeviceFacts& device);
  [[nodiscard]] Plan finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kscpush::policy
