#include "server/store/devices.hpp"

namespace kscpush::server::devices {
namespace {

Result<DeviceRecord> read(const Query& row) {
  auto id = DeviceId::parse(row.text(0));
  if (!id) return fail(within("the database is damaged", id.error()));
  return DeviceRecord{std::move(*id),      row.text(1), row.text(2),
                      row.integer(3) != 0, row.time(4), row.optional_time(5)};
}

template <class... Values>
Status change_one(Database& database, const DeviceId& id, std::string_view sql,
                  const Values&... values) {
  if (auto done = database.run(sql, id.str(), values...); !done) return done;
  if (database.changes() == 0) return fail(not_found(id));
  return {};
}

}  // namespace

Error not_found(const DeviceId& id) {
  return {ErrorCode::kNotFound, fmt::format("no device '{}'", id.str()),
          "list the devices: kscpush device list"};
}

Status add(Database& database, const DeviceId& id, const std::string& group, WallTime now) {
  auto done = database.run(
      "INSERT INTO devices(id, device_group, added) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING",
      id.str(), group, now);
  if (!done) return done;
  if (database.changes() > 0) return {};
  return fail({ErrorCode::kConflict, fmt::format("device '{}' exists already", id.str()),
               "'kscpush device list' shows it"});
}

Status set_group(Database& database, const DeviceId& id, const std::string& group) {
  return change_one(database, id, "UPDATE devices SET device_group = ?2 WHERE id = ?1", group);
}

Status set_fingerprint(Database& database, const DeviceId& id, const std::string& fingerprint) {
  return change_one(database, id, "UPDATE devices SET fingerprint = ?2 WHERE id = ?1", fingerprint);
}

Status set_revoked(Database& database, const DeviceId& id, bool revoked) {
  return change_one(database, id, "UPDATE devices SET revoked = ?2 WHERE id = ?1", revoked ? 1 : 0);
}

Status remove(Database& database, const DeviceId& id) {
  return change_one(database, id, "DELETE FROM devices WHERE id = ?1");
}

Status set_last_seen(Database& database, std::string_view id, WallTime seen) {
  return database.run(
      "UPDATE devices SET last_seen = ?2 WHERE id = ?1 AND (last_seen IS NULL OR last_seen < ?2)",
      id, seen);
}

Result<std::optional<DeviceRecord>> find(Database& database, const DeviceId& id) {
  auto query = database.query(
      "SELECT id, device_group, fingerprint, revoked, added, last_seen FROM devices WHERE id = ?1");
  if (!query) return fail(query.error());
  const auto row = query->bind(id.str()).next();
  if (!row) return fail(row.error());
  if (!*row) return std::nullopt;
  auto device = read(*query);
  if (!device) return fail(device.error());
  return std::move(*device);
}

Result<std::vector<DeviceRecord>> list(Database& database, std::string_view after,
                                       std::size_t limit) {
  auto query = database.query(
      "SELECT id, device_group, fingerprint, revoked, added, last_seen FROM devices"
      " WHERE id > ?1 ORDER BY id LIMIT ?2");
  if (!query) return fail(query.error());
  query->bind(after, limit);
  std::vector<DeviceRecord> devices;
  for (;;) {
    const auto row = query->next();
    if (!row) return fail(row.error());
    if (!*row) return devices;
    auto device = read(*query);
    if (!device) return fail(device.error());
    devices.push_back(std::move(*device));
  }
}

Result<std::size_t> count(Database& database) {
  const auto number = database.number("SELECT count(*) FROM devices");
  if (!number) return fail(number.error());
  return static_cast<std::size_t>(*number);
}

}  // namespace kscpush::server::devices
