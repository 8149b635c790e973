#include "server/store/idempotency.hpp"

#include <algorithm>

#include "core/pki.hpp"
#include "core/push.hpp"

namespace kscpush::server {

Result<IdempotencyKey> IdempotencyKey::make(std::string_view key, std::string_view request) {
  const bool visible = std::ranges::all_of(key, [](char c) { return c > ' ' && c < '\x7f'; });
  if (key.empty() || key.size() > kLongest || !visible) {
    return fail_field("Idempotency-Key",
                      "an idempotency key has 1 to {} visible ASCII characters and no blanks",
                      std::size_t{kLongest});
  }
  return IdempotencyKey{std::string(key), pki::sha256_hex(request)};
}

namespace idempotency {

Result<std::optional<std::string>> find(Database& database, const IdempotencyKey& key,
                                        WallTime now) {
  auto query = database.query(
      "SELECT request, object FROM idempotency_keys WHERE key = ?1 AND expires > ?2");
  if (!query) return fail(query.error());
  const auto row = query->bind(key.key, now).next();
  if (!row) return fail(row.error());
  if (!*row) return std::nullopt;
  if (query->text(0) == key.request) return query->text(1);
  return fail(Error{ErrorCode::kConflict,
                    fmt::format("the idempotency key '{}' was used for another request", key.key),
                    "send each request with a key of its own, and the same request with the same",
                    "Idempotency-Key"});
}

Status remember(Database& database, const IdempotencyKey& key, std::string_view object,
                WallTime now) {
  return database.run(
      "INSERT OR REPLACE INTO idempotency_keys(key, request, object, expires)"
      " VALUES(?1, ?2, ?3, ?4)",
      key.key, key.request, object, now + kMaxTtl);
}

Result<bool> forget(Database& database, std::size_t batch, WallTime now) {
  auto done = database.run(
      "DELETE FROM idempotency_keys WHERE key IN"
      " (SELECT key FROM idempotency_keys WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
      now, batch);
  if (!done) return fail(done.error());
  return database.changes() == static_cast<std::int64_t>(batch);
}

}  // namespace idempotency
}  // namespace kscpush::server
