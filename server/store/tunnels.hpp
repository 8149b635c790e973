// The audit of tunnels: who opened which, to where, how it ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/ids.hpp"
#include "core/result.hpp"

namespace kscpush::server {

class Database;

struct TunnelEnd {
  WallTime at{};
  std::string reason{};
  std::int64_t to_device = 0;  // bytes
  std::int64_t from_device = 0;
};

struct TunnelRecord {
  std::int64_t number = 0;  // row number, in order of opening
  Ulid id;
  DeviceId device;
  std::string host;
  Port port;
  std::string opened_by{};  // "operator at 127.0.0.1"
  WallTime opened{};
  std::optional<TunnelEnd> end{};
};

// Each function is one read, or one change for the writer.
namespace tunnels {

[[nodiscard]] Status add(Database& database, const TunnelRecord& tunnel);
[[nodiscard]] Status end(Database& database, const Ulid& id, const TunnelEnd& end);
// Those that a process before this one left open.
[[nodiscard]] Status end_all(Database& database, WallTime now);
[[nodiscard]] Result<std::optional<TunnelRecord>> find(Database& database, const Ulid& id);
// Those that have ended, the newest first, with a number below BEFORE; 0 for the newest.
[[nodiscard]] Result<std::vector<TunnelRecord>> list_ended(Database& database, std::int64_t before,
                                                           std::size_t limit);
// Forgets up to BATCH that ended before THEN; true: there may be more.
[[nodiscard]] Result<bool> drop_old(Database& database, std::size_t batch, WallTime then);

}  // namespace tunnels
}  // namespace kscpush::server
