#include "server/store/tunnels.hpp"

#include "server/store/database.hpp"

namespace kscpush::server::tunnels {
namespace {

constexpr std::string_view kSelect =
    "SELECT number, id, device, host, port, opened_by, opened, ended, reason, to_device,"
    " from_device FROM tunnels ";

Result<std::optional<TunnelRecord>> read(Query& row) {
  const auto more = row.next();
  if (!more) return fail(more.error());
  if (!*more) return std::nullopt;
  auto id = Ulid::parse(row.text(1));
  auto device = DeviceId::parse(row.text(2));
  const auto port = Port::from(row.integer(4));
  if (!id || !device || !port) {
    return fail(ErrorCode::kFailed, "the database is damaged: tunnel {} makes no sense",
                row.integer(0));
  }
  TunnelRecord tunnel{row.integer(0), std::move(*id), std::move(*device), row.text(3),
                      *port,          row.text(5),    row.time(6)};
  if (const auto ended = row.optional_time(7)) {
    tunnel.end = TunnelEnd{*ended, row.text(8), row.integer(9), row.integer(10)};
  }
  return tunnel;
}

}  // namespace

Status add(Database& database, const TunnelRecord& tunnel) {
  return database.run(
      "INSERT INTO tunnels(id, device, host, port, opened_by, opened)"
      " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
      tunnel.id.str(), tunnel.device.str(), tunnel.host, int{tunnel.port.value()}, tunnel.opened_by,
      tunnel.opened);
}

Status end(Database& database, const Ulid& id, const TunnelEnd& end) {
  return database.run(
      "UPDATE tunnels SET ended = ?2, reason = ?3, to_device = ?4, from_device = ?5"
      " WHERE id = ?1 AND ended IS NULL",
      id.str(), end.at, end.reason, end.to_device, end.from_device);
}

Status end_all(Database& database, WallTime now) {
  return database.run(
      "UPDATE tunnels SET ended = ?1, reason = 'the push server ended without a word'"
      " WHERE ended IS NULL",
      now);
}

Result<std::optional<TunnelRecord>> find(Database& database, const Ulid& id) {
  static const std::string kSql = std::string(kSelect) + "WHERE id = ?1";
  auto query = database.query(kSql);
  if (!query) return fail(query.error());
  query->bind(id.str());
  return read(*query);
}

Result<std::vector<TunnelRecord>> list_ended(Database& database, std::int64_t before,
                                             std::size_t limit) {
  static const std::string kSql =
      std::string(kSelect) +
      "WHERE ended IS NOT NULL AND (?1 = 0 OR number < ?1) ORDER BY number DESC LIMIT ?2";
  auto query = database.query(kSql);
  if (!query) return fail(query.error());
  query->bind(before, limit);
  std::vector<TunnelRecord> all;
  for (;;) {
    auto tunnel = read(*query);
    if (!tunnel) return fail(tunnel.error());
    if (!*tunnel) return all;
    all.push_back(std::move(**tunnel));
  }
}

Result<bool> drop_old(Database& database, std::size_t batch, WallTime then) {
  auto done = database.run(
      "DELETE FROM tunnels WHERE number IN"
      " (SELECT number FROM tunnels WHERE ended < ?1 ORDER BY ended LIMIT ?2)",
      then, batch);
  if (!done) return fail(done.error());
  return database.changes() == static_cast<std::int64_t>(batch);
}

}  // namespace kscpush::server::tunnels
