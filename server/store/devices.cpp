#include "server/store/devices.hpp"

#include <algorithm>

#include "core/site/model.hpp"

namespace kscpush::server {

Error unknown_device(const DeviceId& id) {
  return {ErrorCode::kNotFound, fmt::format("no device '{}'", id.str()),
          fmt::format("'kscpush device list' lists the devices; add it with: kscpush device add {}",
                      id.str())};
}

}  // namespace kscpush::server

namespace kscpush::server::devices {
namespace {

// Devices that one page looks at: a filter that hardly anything passes must not hold up a thread.
constexpr std::size_t kMostExamined = 20'000;

constexpr std::string_view kFind =
    "SELECT id, device_group, fingerprint, revoked, added, last_seen, tags, platform, address,"
    " local_settings, policy_revision, policy_result, policy_reported, certificate_ends,"
    " resync_since, resync_reason FROM devices WHERE id = ?1";
constexpr std::string_view kList =
    "SELECT id, device_group, fingerprint, revoked, added, last_seen, tags, platform, address,"
    " local_settings, policy_revision, policy_result, policy_reported, certificate_ends,"
    " resync_since, resync_reason FROM devices WHERE id > ?1 ORDER BY id LIMIT ?2";

Result<Tags> read_tags(const std::string& text) {
  if (text.empty()) return Tags();
  return parse_tags(text);
}

Result<DeviceRecord> read(const Query& row) {
  auto id = DeviceId::parse(row.text(0));
  if (!id) return fail(within("the database is damaged", id.error()));
  auto tags = read_tags(row.text(6));
  if (!tags) return fail(within("the database is damaged", tags.error()));
  DeviceRecord device{.id = std::move(*id),
                      .group = row.text(1),
                      .fingerprint = row.text(2),
                      .certificate_ends = row.optional_time(13),
                      .revoked = row.integer(3) != 0,
                      .added = row.time(4),
                      .last_seen = row.optional_time(5),
                      .tags = std::move(*tags),
                      .platform = row.text(7),
                      .address = row.text(8),
                      .local_settings = row.text(9)};
  if (!row.null(12)) device.policy = ReportedPolicy{row.text(10), row.text(11), row.time(12)};
  if (row.null(14)) return device;
  const auto reason = resync_reason_from_name(row.text(15));
  if (!reason) return fail(ErrorCode::kFailed, "the database is damaged: no reason of a resync");
  device.resync = ResyncRequired{row.time(14), *reason};
  return device;
}

template <class... Values>
Status change_one(Database& database, const DeviceId& id, std::string_view sql,
                  const Values&... values) {
  if (auto done = database.run(sql, id.str(), values...); !done) return done;
  if (database.changes() == 0) return fail(unknown_device(id));
  return {};
}

Result<Tags> changed_tags(const Tags& present, const DeviceChange& change) {
  Tags tags = change.tags.value_or(present);
  tags.insert(tags.end(), change.add_tags.begin(), change.add_tags.end());
  std::erase_if(tags, [&](const std::string& tag) {
    return std::ranges::find(change.remove_tags, tag) != change.remove_tags.end();
  });
  return make_tags(std::move(tags));
}

bool passes(const Query& row, const DeviceFilter& filter) {
  if (filter.revoked && *filter.revoked != (row.integer(3) != 0)) return false;
  if (!filter.platform.empty() && row.text(7) != filter.platform) return false;
  if (!filter.group.empty() && !site::within_group(row.text(1), filter.group)) return false;
  if (filter.tag.empty()) return true;
  return fmt::format(" {} ", row.text(6)).find(fmt::format(" {} ", filter.tag)) !=
         std::string::npos;
}

}  // namespace

Status add(Database& database, const NewDevice& device, WallTime now) {
  auto done = database.run(
      "INSERT INTO devices(id, device_group, added, tags, platform, address)"
      " VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
      device.id.str(), device.group, now, join(device.tags), device.platform, device.address);
  if (!done) return done;
  if (database.changes() > 0) return {};
  return fail({ErrorCode::kConflict, fmt::format("device '{}' exists already", device.id.str()),
               fmt::format("'kscpush device show {}' shows it", device.id.str())});
}

Result<ChangedDevice> change(Database& database, const DeviceId& id, const DeviceChange& change) {
  auto found = find(database, id);
  if (!found) return fail(found.error());
  if (!found->has_value()) return fail(unknown_device(id));
  DeviceRecord device = **found;
  auto tags = changed_tags(device.tags, change);
  if (!tags) return fail(within(fmt::format("device '{}'", id.str()), tags.error()));
  device.tags = std::move(*tags);
  device.group = change.group.value_or(device.group);
  device.platform = change.platform.value_or(device.platform);
  device.address = change.address.value_or(device.address);
  device.fingerprint = change.fingerprint.value_or(device.fingerprint);
  if (change.certificate_ends) device.certificate_ends = change.certificate_ends;
  device.revoked = change.revoked.value_or(device.revoked);
  const auto done =
      change_one(database, id,
                 "UPDATE devices SET device_group = ?2, fingerprint = ?3, revoked = "
                 "?4, tags = ?5, platform = ?6, address = ?7, certificate_ends = ?8 WHERE id = ?1",
                 device.group, device.fingerprint, device.revoked ? 1 : 0, join(device.tags),
                 device.platform, device.address, device.certificate_ends);
  if (!done) return fail(done.error());
  return ChangedDevice{std::move(**found), std::move(device)};
}

Status remove(Database& database, const DeviceId& id) {
  return change_one(database, id, "DELETE FROM devices WHERE id = ?1");
}

// Devices say it with every connection: what is known already costs a look, and no sync of the
// disk.
Status report(Database& database, const DeviceId& id, const DeviceReport& report, WallTime now) {
  const auto found = find(database, id);
  if (!found) return fail(found.error());
  if (!found->has_value()) return fail(unknown_device(id));
  const std::optional<ReportedPolicy>& known = (*found)->policy;
  const bool same = known && report.policy && known->revision == report.policy->revision &&
                    known->result == report.policy->result;
  if (report.policy && !same) {
    auto done = change_one(database, id,
                           "UPDATE devices SET policy_revision = ?2, policy_result = ?3,"
                           " policy_reported = ?4 WHERE id = ?1",
                           report.policy->revision, report.policy->result, now);
    if (!done) return done;
  }
  if (!report.local || encode_settings(*report.local) == (*found)->local_settings) return {};
  return change_one(database, id, "UPDATE devices SET local_settings = ?2 WHERE id = ?1",
                    encode_settings(*report.local));
}

Status set_last_seen(Database& database, const LastSeen::Entry& entry) {
  if (!entry.ends.empty()) {
    auto done = database.run(
        "UPDATE devices SET disconnects = substr(?2 || disconnects, 1, ?3) WHERE id = ?1", entry.id,
        entry.ends, kKeptDisconnects * kDisconnectBytes);
    if (!done) return done;
  }
  return database.run(
      "UPDATE devices SET last_seen = max(coalesce(last_seen, ?2), ?2),"
      " address = CASE WHEN ?3 = '' OR last_seen >= ?2 THEN address ELSE ?3 END,"
      " certificate_ends = coalesce(?4, certificate_ends)"
      " WHERE id = ?1 AND (last_seen IS NULL OR last_seen < ?2 OR"
      " coalesce(certificate_ends, 0) <> ?4)",
      entry.id, entry.seen, entry.address, entry.certificate_ends);
}

Result<std::optional<DeviceRecord>> find(Database& database, const DeviceId& id) {
  auto query = database.query(kFind);
  if (!query) return fail(query.error());
  const auto row = query->bind(id.str()).next();
  if (!row) return fail(row.error());
  if (!*row) return std::nullopt;
  auto device = read(*query);
  if (!device) return fail(device.error());
  return std::move(*device);
}

Result<std::optional<Arrival>> arriving(Database& database, const DeviceId& id) {
  auto query = database.query(
      "SELECT device_group, platform, address, revoked, resync_since IS NOT NULL,"
      " EXISTS(SELECT 1 FROM pushes WHERE device = ?1 AND (state < 3) = 1)"
      " FROM devices WHERE id = ?1");
  if (!query) return fail(query.error());
  const auto row = query->bind(id.str()).next();
  if (!row) return fail(row.error());
  if (!*row) return std::nullopt;
  return Arrival{.group = query->text(0),
                 .platform = query->text(1),
                 .address = query->text(2),
                 .revoked = query->integer(3) != 0,
                 .resync = query->integer(4) != 0,
                 .pushes_wait = query->integer(5) != 0};
}

Result<std::vector<Disconnect>> disconnects(Database& database, const DeviceId& id) {
  auto query = database.query("SELECT disconnects FROM devices WHERE id = ?1");
  if (!query) return fail(query.error());
  const auto row = query->bind(id.str()).next();
  if (!row) return fail(row.error());
  if (!*row) return std::vector<Disconnect>();
  return decode_disconnects(query->text(0));
}

Result<DevicePage> list(Database& database, const DeviceFilter& filter, std::string_view after,
                        std::size_t limit) {
  auto query = database.query(kList);
  if (!query) return fail(query.error());
  query->bind(after, kMostExamined);
  DevicePage page;
  std::string last;
  for (std::size_t examined = 0; examined < kMostExamined; ++examined) {
    const auto row = query->next();
    if (!row) return fail(row.error());
    if (!*row) return page;
    if (page.devices.size() == limit) {
      page.next = std::move(last);
      return page;
    }
    last = query->text(0);
    if (!passes(*query, filter)) continue;
    auto device = read(*query);
    if (!device) return fail(device.error());
    page.devices.push_back(std::move(*device));
  }
  page.next = std::move(last);
  return page;
}

Result<std::size_t> count(Database& database) {
  const auto number = database.number("SELECT count(*) FROM devices");
  if (!number) return fail(number.error());
  return static_cast<std::size_t>(*number);
}

Result<DeviceCounts> count_by_group(Database& database) {
  auto query = database.query("SELECT device_group, count(*) FROM devices GROUP BY device_group");
  if (!query) return fail(query.error());
  DeviceCounts counts;
  for (;;) {
    const auto row = query->next();
    if (!row) return fail(row.error());
    if (!*row) return counts;
    counts.emplace(query->text(0), static_cast<std::uint64_t>(query->integer(1)));
  }
}

}  // namespace kscpush::server::devices
