// Requests that are done once however often they are sent. A client gives its request a key; the
// key is remembered with what was made of the request, in the same transaction, for the longest
// time to live of a push.
#pragma once

#include <optional>
#include <string>

#include "server/store/database.hpp"

namespace kscpush::server {

struct IdempotencyKey {
  static constexpr std::size_t kLongest = 128;
  // 1 to kLongest visible ASCII characters. REQUEST: all that the client asked for: method, path,
  // body. kUsage.
  [[nodiscard]] static Result<IdempotencyKey> make(std::string_view key, std::string_view request);

  std::string key;
  std::string request;  // its hash
};

namespace idempotency {

// The id of what was made with the key; nothing when it is new. kConflict: it was another request.
[[nodiscard]] Result<std::optional<std::string>> find(Database& database, const IdempotencyKey& key,
                                                      WallTime now);
[[nodiscard]] Status remember(Database& database, const IdempotencyKey& key,
                              std::string_view object, WallTime now);
// Forgets up to BATCH keys past their time; true: there may be more.
[[nodiscard]] Result<bool> forget(Database& database, std::size_t batch, WallTime now);

}  // namespace idempotency
}  // namespace kscpush::server
