// What the tests of stored pushes share: a store that knows pc-1 and pc-2, and short ways to push.
#pragma once

#include <optional>
#include <vector>

#include "tests/unit/server/store_support.hpp"

namespace kscpush::server {

inline std::optional<WallTime> reached(const PushRecord& push, PushState state) {
  return push.reached.at(static_cast<std::size_t>(state));
}

inline PushRecord find(Store& store, const PushRecord& push) {
  const auto found = store.find_push(push.id);
  REQUIRE(found.has_value());
  REQUIRE(found->has_value());
  return **found;
}

inline std::vector<std::int64_t> seqs(const Result<std::vector<PushRecord>>& pushes) {
  REQUIRE(pushes.has_value());
  std::vector<std::int64_t> result;
  for (const PushRecord& push : *pushes) result.push_back(push.seq);
  return result;
}

struct PushStore : TestStore {
  explicit PushStore(StoreLimits with = {}) : TestStore(with) {
    REQUIRE(store->add_device({device("pc-1"), ""}).has_value());
    REQUIRE(store->add_device({device("pc-2"), ""}).has_value());
  }
  // Pushes to pc-1 unless told otherwise.
  PushRecord add_one(std::string_view id = "pc-1",
                     std::chrono::seconds ttl = std::chrono::minutes(15)) {
    return add(*store, push_to(id, clock, ttl)).value();
  }
  void move_to(const PushRecord& push, PushState state) {
    REQUIRE(step(*store, {.seq = push.seq, .state = state, .at = clock.wall()}).has_value());
  }
  [[nodiscard]] std::vector<std::int64_t> waiting(std::string_view id = "pc-1",
                                                  std::int64_t after = 0,
                                                  std::size_t limit = 100) const {
    return seqs(store->pending(device(id), clock.wall(), after, limit));
  }
};

}  // namespace kscpush::server
