#include "server/admin/site_json.hpp"

#include "server/admin/json.hpp"
#include "server/site_keeper.hpp"

namespace kscpush::server {

using nlohmann::json;

json to_json(const SiteRevision& revision) {
  return {{"revision", revision.number},
          {"applied", to_rfc3339(revision.applied)},
          {"how", revision.how},
          {"comment", revision.comment},
          {"hash", revision.hash}};
}

json to_json(const policy::Plan& plan) {
  json changes = json::array();
  for (const policy::Change& change : plan.changes) {
    changes.push_back(
        {{"action", policy::to_string(change.action)},
         {"subject", change.subject},
         {"what", change.what},
         {"devices", change.devices},
         {"where", change.origin.line == 0 ? json() : json(to_string(change.origin))}});
  }
  return {{"changes", std::move(changes)},
          {"devices", plan.devices},
          {"policy_changes", plan.policy_changes},
          {"policy_changes_by_group", plan.policy_changes_by_group},
          {"examples", plan.examples},
          {"moved", plan.moved},
          {"lost", plan.lost},
          {"gained", plan.gained},
          {"relisted", plan.relisted},
          {"orphans", plan.orphans}};
}

json to_json(const SiteChange& change) {
  json body = to_json(change.plan);
  body["from"] = change.from;
  body["to"] = change.to;
  body["notes"] = change.notes;
  body["sync"] = nullptr;
  if (change.sync) {
    const Result<RolloutProgress>& rollout = change.sync->rollout;
    body["sync"] = {{"devices", change.sync->devices},
                    {"rollout", rollout ? to_json(*rollout) : json()},
                    {"error", rollout ? json() : to_json(rollout.error())}};
  }
  return body;
}

json to_json(const Diagnostics& diagnostics) {
  json list = json::array();
  for (const Diagnostic& d : diagnostics) {
    list.push_back({{"severity", d.severity == Severity::kError ? "error" : "warning"},
                    {"file", d.origin.file},
                    {"line", d.origin.line},
                    {"column", d.origin.column},
                    {"message", d.message},
                    {"hint", d.hint}});
  }
  return list;
}

json to_json(const std::vector<site::SourceFile>& files) {
  json list = json::array();
  for (const site::SourceFile& file : files) {
    list.push_back({{"name", file.name}, {"text", file.text}});
  }
  return list;
}

Result<std::vector<site::SourceFile>> site_files_from_json(const json& list) {
  const auto wrong = [] {
    return fail({ErrorCode::kUsage, "'files' must be a list of objects with 'name' and 'text'",
                 "the first is the root file: [{\"name\": \"kscpush.yaml\", \"text\": \"...\"}]"});
  };
  if (!list.is_array() || list.empty()) return wrong();
  if (list.size() > site::Sources::kMaxFiles) {
    return fail(ErrorCode::kTooLarge, "{} files, at most {} are allowed", list.size(),
                site::Sources::kMaxFiles);
  }
  std::vector<site::SourceFile> files;
  for (const json& file : list) {
    if (!file.is_object()) return wrong();
    const auto name = file.find("name");
    const auto text = file.find("text");
    if (name == file.end() || !name->is_string() || text == file.end() || !text->is_string()) {
      return wrong();
    }
    files.push_back({name->get<std::string>(), text->get<std::string>()});
  }
  return files;
}

}  // namespace kscpush::server
