#include "cli/plan_view.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kMostGroups = 5;

std::string sign_of(const std::string& action) {
  if (action == "remove") return "-";
  return action == "add" ? "+" : "~";
}

std::uint64_t number(const json& plan, const char* key) {
  return plan.value(key, std::uint64_t{0});
}

std::string change_line(const json& change) {
  const auto what = change.value("what", "");
  const json where = change.value("where", json());
  return fmt::format("{} {}{}{} ({}{})", sign_of(change.value("action", "")),
                     change.value("subject", ""), what.empty() ? "" : ": ", what,
                     count_devices(number(change, "devices")),
                     where.is_string() ? ", " + where.get<std::string>() : "");
}

// The groups with the most devices first.
std::string group_list(const json& plan) {
  std::vector<std::pair<std::string, std::uint64_t>> groups;
  const json by_group = plan.value("policy_changes_by_group", json::object());
  for (const auto& [group, count] : by_group.items()) {
    groups.emplace_back(group, count.get<std::uint64_t>());
  }
  std::ranges::stable_sort(groups, std::greater(), [](const auto& group) { return group.second; });
  const std::size_t more = groups.size() > kMostGroups ? groups.size() - kMostGroups : 0;
  groups.resize(groups.size() - more);
  std::vector<std::string> texts;
  for (const auto& [group, count] : groups) texts.push_back(fmt::format("{} {}", group, count));
  if (more > 0) texts.push_back(fmt::format("{} more groups", more));
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string examples(const json& plan) {
  std::vector<std::string> ids;
  for (const json& id : plan.value("examples", json::array())) ids.push_back(id.get<std::string>());
  const bool more = number(plan, "policy_changes") > ids.size();
  return fmt::format("{}{}", fmt::join(ids, ", "), more ? ", ..." : "");
}

void add_policy_line(const json& plan, std::vector<std::string>& lines) {
  const auto changed = number(plan, "policy_changes");
  if (changed == 0) {
    lines.push_back(
        fmt::format("No effective policy changes ({}).", count_devices(number(plan, "devices"))));
    return;
  }
  lines.push_back(fmt::format("The effective policy changes on {} of {}: {} ({}).", changed,
                              count_devices(number(plan, "devices")), group_list(plan),
                              examples(plan)));
}

void add_server_line(const json& plan, std::vector<std::string>& lines) {
  std::vector<std::string> parts;
  const auto add = [&](const char* key, std::string_view what) {
    if (const auto count = number(plan, key); count > 0) {
      parts.push_back(fmt::format("{}: {}", what, count));
    }
  };
  add("lost", "that lose their push server");
  add("gained", "that get one");
  add("moved", "that change to another");
  add("relisted", "that keep theirs, and get another list of them");
  if (!parts.empty()) lines.push_back(fmt::format("Devices {}.", fmt::join(parts, "; ")));
  if (const auto orphans = number(plan, "orphans"); orphans > 0) {
    lines.push_back(
        fmt::format("{} in a group that is not declared any more, with what the groups above it "
                    "give: move them with 'kscpush device move'.",
                    count_devices(orphans)));
  }
}

}  // namespace

std::string count_devices(std::uint64_t count) {
  return fmt::format("{} device{}", count, count == 1 ? "" : "s");
}

std::vector<std::string> plan_lines(const json& plan) {
  const json changes = plan.value("changes", json::array());
  if (changes.empty()) return {};
  std::vector<std::string> lines;
  std::map<std::string, std::size_t> counts;
  for (const json& change : changes) {
    ++counts[change.value("action", "")];
    lines.push_back(change_line(change));
  }
  lines.push_back(fmt::format("{} removed, {} changed, {} added.", counts["remove"],
                              counts["change"], counts["add"]));
  add_policy_line(plan, lines);
  add_server_line(plan, lines);
  return lines;
}

}  // namespace kscpush::cli
