// The shapes of the admin API's objects about the site configuration.
#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "core/diagnostic.hpp"
#include "core/site/sources.hpp"
#include "policy/plan.hpp"
#include "server/store/site_revision.hpp"

namespace kscpush::server {

struct SiteChange;

// {"revision", "applied", "how", "comment", "hash"}
[[nodiscard]] nlohmann::json to_json(const SiteRevision& revision);
// {"changes": [{"action", "subject", "what", "devices", "where"}], "devices", "policy_changes",
//  "policy_changes_by_group": {...}, "examples": [...], "moved", "lost", "gained", "orphans"}
[[nodiscard]] nlohmann::json to_json(const policy::Plan& plan);
// The same, and {"from", "to", "notes", "sync": {"devices", "rollout", "error"} or null}.
[[nodiscard]] nlohmann::json to_json(const SiteChange& change);
// [{"severity", "file", "line", "column", "message", "hint"}]
[[nodiscard]] nlohmann::json to_json(const Diagnostics& diagnostics);

// [{"name", "text"}], the root first. kUsage.
[[nodiscard]] nlohmann::json to_json(const std::vector<site::SourceFile>& files);
[[nodiscard]] Result<std::vector<site::SourceFile>> site_files_from_json(
    const nlohmann::json& list);

}  // namespace kscpush::server
