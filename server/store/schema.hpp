// The tables, and the way from any older version of them to the present one.
#pragma once

#include <filesystem>

#include "core/result.hpp"
#include "server/store/database.hpp"

namespace kscpush::server {

// Brings a database, be it empty, to the present version: each step in a transaction of its own.
// kFailed: written by a newer kscpush, or somebody else's database; it is left as it is.
[[nodiscard]] Status migrate(Database& database);

// The database of a state directory, for reading, and known to be of this program or an older one.
// Not created: kNotFound.
[[nodiscard]] Result<Database> open_to_read(const std::filesystem::path& directory);
[[nodiscard]] std::filesystem::path database_in(const std::filesystem::path& directory);

// The version that this program writes.
[[nodiscard]] int schema_version();

}  // namespace kscpush::server
