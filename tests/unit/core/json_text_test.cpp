#include "core/json_text.hpp"

#include <doctest/doctest.h>

#include "core/push.hpp"
#include "core/report.hpp"
#include "core/sync.hpp"

namespace kscpush {
namespace {

std::string nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

}  // namespace

TEST_CASE("json: nested up to a depth that anything of ours has") {
  CHECK_FALSE(parse_json(nested(64)).is_discarded());
  CHECK(parse_json(nested(65)).is_discarded());
  // Brackets in a text are none, whatever is escaped in it.
  CHECK_FALSE(parse_json("\"" + std::string(100, '[') + "\"").is_discarded());
  CHECK(parse_json(R"("\"[")").is_string());
  CHECK(parse_json(R"(["\\", "[", {"]": 1}])").is_array());
  for (const char* bad : {"", "]", "\"", "\"\\", "{\"a\":", "[1,]"}) {
    CAPTURE(bad);
    CHECK(parse_json(bad).is_discarded());
  }
}

// Regression: writing out what half a million brackets became took the stack of the shard.
TEST_CASE("json: what a device nests without end is refused, not written out") {
  const std::string deep = nested(500'000);
  CHECK_FALSE(decode_answer(R"({"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","status":"completed","result":)" +
                            deep + "}")
                  .has_value());
  CHECK_FALSE(
      decode_push(R"({"v":1,"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","kind":"ping","params":{"a":)" +
                  deep + "}}")
          .has_value());
  CHECK_FALSE(decode_report(R"({"local":{"a":)" + deep + "}}").has_value());
  CHECK_FALSE(decode_sync(deep).has_value());
  CHECK_FALSE(
      decode_policy(R"({"revision":"a","settings":{"a":{"locked":true,"value":)" + deep + "}}}")
          .has_value());
}

}  // namespace kscpush
