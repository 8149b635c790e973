#include "policy/plan.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "policy/assign.hpp"
#include "policy/plan_fields.hpp"
#include "policy/resolve.hpp"

namespace kscpush::policy {
namespace {

using Action = Change::Action;

// What a change concerns decides how many devices it concerns, once they have been counted.
struct Reach {
  std::vector<std::string> groups;  // with all their subgroups; none: every device
  bool exact_group = false;         // without their subgroups
  bool by_policy = false;           // only those whose effective policy changes
};

struct Draft {
  Change change;
  Reach reach;
};

class Comparison {
 public:
  Comparison(const site::Site& from, const site::Site& to) : from_(from), to_(to) {}

  std::vector<Draft> run() {
    compare_fields("Administration Server", fields(from_), fields(to_), {}, {}, {});
    compare_groups();
    compare_points();
    compare_policies();
    std::ranges::stable_sort(drafts_, {}, [](const Draft& draft) { return draft.change.action; });
    return std::move(drafts_);
  }

 private:
  void add(Action action, std::string subject, std::string what, Reach reach, Origin origin) {
    drafts_.push_back(
        {{action, std::move(subject), std::move(what), 0, std::move(origin)}, std::move(reach)});
  }

  // OLD_PLACE and NEW_PLACE: where the subject is, for fields whose own place is not known.
  void compare_fields(const std::string& subject, const std::vector<Field>& before,
                      const std::vector<Field>& after, const Reach& reach, const Origin& old_place,
                      const Origin& new_place) {
    const auto place = [](const Field& field, const Origin& otherwise) {
      return field.origin.line == 0 ? otherwise : field.origin;
    };
    const auto shown = [](const Field& field) {
      return field.value.empty() ? field.label : field.label + ": " + field.value;
    };
    std::unordered_map<std::string_view, const Field*> old;
    for (const Field& field : before) old.emplace(field.label, &field);
    for (const Field& field : after) {
      const auto found = old.find(field.label);
      if (found == old.end()) {
        add(Action::kAdd, subject, shown(field), reach, place(field, new_place));
        continue;
      }
      if (found->second->value != field.value) {
        add(Action::kChange, subject,
            fmt::format("{}: {} -> {}", field.label, found->second->value, field.value), reach,
            place(field, new_place));
      }
      old.erase(found);
    }
    for (const Field& field : before) {
      if (!old.contains(field.label)) continue;
      add(Action::kRemove, subject, shown(field), reach, place(field, old_place));
    }
  }

  // Calls GONE, BOTH or FRESH for each of the two lists, told apart by KEY.
  template <class List, class Key, class Gone, class Both, class Fresh>
  static void match(const List& before, const List& after, Key key, Gone gone, Both both,
                    Fresh fresh) {
    std::unordered_map<std::string, const typename List::value_type*> old;
    for (const auto& item : before) old.emplace(key(item), &item);
    for (const auto& item : after) {
      const auto found = old.find(key(item));
      if (found == old.end()) {
        fresh(item);
      } else {
        both(*found->second, item);
        old.erase(found);
      }
    }
    for (const auto& item : before) {
      if (const auto left = old.find(key(item)); left != old.end() && left->second == &item) {
        gone(item);
      }
    }
  }

  void compare_groups() {
    const auto subject = [](const site::Group& group) {
      return fmt::format("group '{}'", group.path);
    };
    const auto whole = [&](Action action) {
      return [this, action, subject](const site::Group& group) {
        add(action, subject(group), "", {{group.path}, true, false}, group.origin);
      };
    };
    match(
        from_.groups, to_.groups, [](const site::Group& group) { return group.path; },
        whole(Action::kRemove), [](const auto&, const auto&) {}, whole(Action::kAdd));
  }

  static Reach reach_of(const site::DistributionPoint& dp) {
    Reach reach;
    for (const site::Group& group : dp.scope_groups) reach.groups.push_back(group.path);
    // Whom a network location reaches depends on addresses of the moment: those are not counted. No
    // group in scope is nobody, not everybody.
    if (reach.groups.empty()) reach.groups.emplace_back();
    return reach;
  }

  void compare_points() {
    const auto subject = [](const site::DistributionPoint& dp) {
      return fmt::format("distribution point '{}'", dp.name);
    };
    const auto whole = [&](Action action) {
      return [this, action, subject](const site::DistributionPoint& dp) {
        add(action, subject(dp), "", reach_of(dp), dp.origin);
      };
    };
    match(
        from_.distribution_points, to_.distribution_points,
        [](const site::DistributionPoint& dp) { return dp.name; }, whole(Action::kRemove),
        [&](const site::DistributionPoint& before, const site::DistributionPoint& after) {
          Reach both = reach_of(before);
          std::ranges::copy(reach_of(after).groups, std::back_inserter(both.groups));
          compare_fields(subject(after), fields(before), fields(after), both, before.origin,
                         after.origin);
        },
        whole(Action::kAdd));
  }

  void compare_policies() {
    const auto subject = [](const site::Policy& policy) {
      return fmt::format("policy '{}' of group '{}'", policy.name, policy.group);
    };
    const auto whole = [&](Action action) {
      return [this, action, subject](const site::Policy& policy) {
        add(action, subject(policy), "", {{policy.group}, false, true}, policy.origin);
      };
    };
    match(
        from_.policies, to_.policies,
        [](const site::Policy& policy) { return policy.group + '\n' + policy.name; },
        whole(Action::kRemove),
        [&](const site::Policy& before, const site::Policy& after) {
          const Reach reach{{after.group}, false, true};
          compare_fields(subject(after), fields(before), fields(after), reach, before.origin,
                         after.origin);
          compare_profiles(subject(after), before, after, reach);
        },
        whole(Action::kAdd));
  }

  void compare_profiles(const std::string& policy, const site::Policy& before,
                        const site::Policy& after, const Reach& reach) {
    const auto subject = [&](const site::Profile& profile) {
      return fmt::format("profile '{}' of {}", profile.name, policy);
    };
    const auto whole = [&](Action action) {
      return [this, action, subject, reach](const site::Profile& profile) {
        add(action, subject(profile), "", reach, profile.origin);
      };
    };
    match(
        before.profiles, after.profiles, [](const site::Profile& profile) { return profile.name; },
        whole(Action::kRemove),
        [&](const site::Profile& old, const site::Profile& fresh) {
          compare_fields(subject(fresh), fields(old), fields(fresh), reach, old.origin,
                         fresh.origin);
        },
        whole(Action::kAdd));
    compare_ranks(policy, before, after, reach);
  }

  // The order of the profiles that both have: the highest in the list wins.
  void compare_ranks(const std::string& policy, const site::Policy& before,
                     const site::Policy& after, const Reach& reach) {
    const auto names = [](const site::Policy& of, const site::Policy& other) {
      std::vector<std::string_view> found;
      for (const site::Profile& profile : of.profiles) {
        const bool common = std::ranges::count(other.profiles, profile.name, &site::Profile::name);
        if (common) found.push_back(profile.name);
      }
      return found;
    };
    const auto old = names(before, after);
    const auto fresh = names(after, before);
    if (old == fresh) return;
    add(Action::kChange, policy,
        fmt::format("rank of its profiles: {} -> {}", fmt::join(old, ", "), fmt::join(fresh, ", ")),
        reach, after.origin);
  }

  const site::Site& from_;
  const site::Site& to_;
  std::vector<Draft> drafts_;
};

// The push servers of a device, best first.
class ServerOrder {
 public:
  explicit ServerOrder(const site::Site& site)
      : site_(site), by_group_(std::ranges::all_of(site.distribution_points, [](const auto& dp) {
          return dp.network_locations.empty();
        })) {}
  std::vector<Ranked> of(const DeviceFacts& device) {
    if (!by_group_) return rank(candidates_for(site_, device).dps, device.id);
    auto found = candidates_.find(device.group);
    if (found == candidates_.end()) {
      found = candidates_.emplace(device.group, candidates_for(site_, device.group)).first;
    }
    return rank(found->second.dps, device.id);
  }

 private:
  const site::Site& site_;
  const bool by_group_;  // the group alone decides who is in reach
  std::map<std::string, Candidates, std::less<>> candidates_;
};

}  // namespace

std::string_view to_string(Change::Action action) {
  switch (action) {
    case Action::kRemove:
      return "remove";
    case Action::kChange:
      return "change";
    case Action::kAdd:
      return "add";
  }
  return "";
}

class Planner::Impl {
 public:
  Impl(const site::Site& from, const site::Site& to)
      : to_(to),
        drafts_(Comparison(from, to).run()),
        policy_before_(from),
        policy_after_(to),
        server_before_(from),
        server_after_(to) {
    for (const Draft& draft : drafts_) {
      // What can only come from the one kind of change needs no look at every device.
      const std::string_view subject = draft.change.subject;
      servers_differ_ = servers_differ_ || subject.starts_with("distribution point");
      policies_differ_ = policies_differ_ || draft.reach.by_policy;
    }
  }

  Differs look_at(const DeviceFacts& device) {
    Differs differs;
    if (drafts_.empty()) return differs;
    ++plan_.devices;
    auto counted = counts_.find(device.group);
    if (counted == counts_.end()) {
      counted = counts_.emplace(std::string(device.group), Counts{}).first;
      counted->second.orphans = !to_.has_group(device.group);
    }
    ++counted->second.devices;
    if (counted->second.orphans) ++plan_.orphans;
    differs.servers = servers_differ_ && compare_servers(device);
    differs.policy = policies_differ_ && policy_before_.resolve(device)->revision !=
                                             policy_after_.resolve(device)->revision;
    if (!differs.policy) return differs;
    ++counted->second.changed;
    ++plan_.policy_changes;
    if (plan_.examples.size() < Plan::kMostExamples) plan_.examples.emplace_back(device.id);
    return differs;
  }

  Plan finish() {
    for (Draft& draft : drafts_) {
      draft.change.devices = count(draft.reach);
      plan_.changes.push_back(std::move(draft.change));
    }
    drafts_.clear();
    for (const auto& [group, counts] : counts_) {
      if (counts.changed > 0) plan_.policy_changes_by_group.emplace(group, counts.changed);
    }
    return std::move(plan_);
  }

 private:
  struct Counts {
    std::uint64_t devices = 0;
    std::uint64_t changed = 0;
    bool orphans = false;  // its group is not declared any more
  };

  // True: the device is given other servers than before.
  bool compare_servers(const DeviceFacts& device) {
    const auto before = server_before_.of(device);
    const auto after = server_after_.of(device);
    const bool other = endpoints_of(before) != endpoints_of(after);
    if (before.empty() && after.empty()) return other;
    if (after.empty()) {
      ++plan_.lost;
    } else if (before.empty()) {
      ++plan_.gained;
    } else if (before.front().dp->name != after.front().dp->name) {
      ++plan_.moved;
    } else if (other) {
      ++plan_.relisted;
    }
    return other;
  }

  [[nodiscard]] std::uint64_t count(const Reach& reach) const {
    std::uint64_t sum = 0;
    for (const auto& [group, counts] : counts_) {
      if (reaches(reach, group)) sum += reach.by_policy ? counts.changed : counts.devices;
    }
    return sum;
  }

  static bool reaches(const Reach& reach, const std::string& group) {
    return reach.groups.empty() || std::ranges::any_of(reach.groups, [&](const std::string& above) {
             return reach.exact_group ? group == above : site::within_group(group, above);
           });
  }

  const site::Site& to_;
  std::vector<Draft> drafts_;
  Resolver policy_before_;
  Resolver policy_after_;
  ServerOrder server_before_;
  ServerOrder server_after_;
  bool servers_differ_ = false;
  bool policies_differ_ = false;
  std::map<std::string, Counts, std::less<>> counts_;  // by group
  Plan plan_;
};

Planner::Planner(const site::Site& from, const site::Site& to)
    : impl_(std::make_unique<Impl>(from, to)) {}
Planner::~Planner() = default;

Differs Planner::look_at(const DeviceFacts& device) {
  return impl_->look_at(device);
}

Plan Planner::finish() {
  return impl_->finish();
}

}  // namespace kscpush::policy
