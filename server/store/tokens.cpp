#include "server/store/tokens.hpp"

#include "server/store/devices.hpp"

namespace kscpush::server::tokens {
namespace {

constexpr std::chrono::days kKept{7};  // after its end

tl::unexpected<Error> refused(std::string why) {
  return fail(
      {ErrorCode::kDenied, std::move(why), "ask for a new one: kscpush device enroll ID --token"});
}

}  // namespace

Status add(Database& database, const NewToken& token) {
  const auto device = devices::find(database, token.device);
  if (!device) return fail(device.error());
  if (!device->has_value()) return fail(unknown_device(token.device));
  if ((*device)->revoked) {
    return fail({ErrorCode::kDenied,
                 fmt::format("device '{}' has been revoked", token.device.str()),
                 fmt::format("kscpush device restore {}", token.device.str())});
  }
  return database.run(
      "INSERT OR REPLACE INTO enrolment_tokens(device, hash, expires, used, used_key)"
      " VALUES(?1, ?2, ?3, NULL, '')",
      token.device.str(), token.hash, token.expires);
}

Result<DeviceId> check(Database& database, const TokenShown& shown, WallTime now) {
  auto query = database.query(
      "SELECT device, expires, used, used_key, revoked FROM enrolment_tokens"
      " JOIN devices ON id = device WHERE hash = ?1");
  if (!query) return fail(query.error());
  const auto row = query->bind(shown.hash).next();
  if (!row) return fail(row.error());
  if (!*row) {
    return refused(
        "the token is not known here: it is another server's, or a newer one has taken "
        "its place");
  }
  auto id = DeviceId::parse(query->text(0));
  if (!id) return fail(within("the database is damaged", id.error()));
  if (shown.device && *shown.device != *id) return refused("the token is of another device");
  if (query->time(1) <= now) {
    return refused(fmt::format("the token has expired at {}", to_rfc3339(query->time(1))));
  }
  const auto used = query->optional_time(2);
  if (used && query->text(3) != shown.key) {
    return refused(fmt::format("the token has been used at {}", to_rfc3339(*used)));
  }
  if (query->integer(4) != 0) {
    return fail({ErrorCode::kDenied, fmt::format("device '{}' has been revoked", id->str()), ""});
  }
  return std::move(*id);
}

Result<DeviceRecord> use(Database& database, const TokenShown& shown,
                         const DeviceChange& certificate, WallTime now) {
  const auto id = check(database, shown, now);
  if (!id) return fail(id.error());
  auto noted = database.run(
      "UPDATE enrolment_tokens SET used = coalesce(used, ?2), used_key = ?3 WHERE hash = ?1",
      shown.hash, now, shown.key);
  if (!noted) return fail(noted.error());
  return devices::change(database, *id, certificate).map([](ChangedDevice&& changed) {
    return std::move(changed.after);
  });
}

Result<bool> forget(Database& database, std::size_t limit, WallTime now) {
  auto done = database.run(
      "DELETE FROM enrolment_tokens WHERE device IN"
      " (SELECT device FROM enrolment_tokens WHERE expires < ?1 LIMIT ?2)",
      WallTime(now - kKept), limit);
  if (!done) return fail(done.error());
  return static_cast<std::size_t>(database.changes()) == limit;
}

}  // namespace kscpush::server::tokens
