// The tables of applied site configurations. Each function is one read, or one change for the
// writer.
#pragma once

#include <optional>
#include <vector>

#include "server/store/database.hpp"
#include "server/store/site_revision.hpp"

namespace kscpush::server::revisions {

// Its number.
[[nodiscard]] Result<std::int64_t> add(Database& database, const SiteRevision& revision);
[[nodiscard]] Result<std::optional<SiteRevision>> find(Database& database, std::int64_t number);
[[nodiscard]] Result<std::optional<SiteRevision>> newest(Database& database);
// Without files and plans, newest first, those below BEFORE; 0 for the newest.
[[nodiscard]] Result<std::vector<SiteRevision>> list(Database& database, std::int64_t before,
                                                     std::size_t limit);

// The hash of the files as the server found them last on its own disk; empty if it never looked.
[[nodiscard]] Result<std::string> file_hash(Database& database);
[[nodiscard]] Status set_file_hash(Database& database, const std::string& hash);

}  // namespace kscpush::server::revisions
