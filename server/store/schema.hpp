// The tables, and the way from any older version of them to the present one.
#pragma once

#include "core/result.hpp"
#include "server/store/database.hpp"

namespace kscpush::server {

// Brings a database, be it empty, to the present version: each step in a transaction of its own.
// kFailed: written by a newer kscpush, or somebody else's database; it is left as it is.
[[nodiscard]] Status migrate(Database& database);

// The version that this program writes.
[[nodiscard]] int schema_version();

}  // namespace kscpush::server
