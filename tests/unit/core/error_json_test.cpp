#include "core/error_json.hpp"

#include <doctest/doctest.h>

#include "core/json_text.hpp"

namespace kscpush {

TEST_CASE("error json: an error comes back as it went") {
  const Error error{ErrorCode::kOverloaded, "too many", "try again in a moment", "rate"};
  const Error read = error_from_json(to_json(error));
  CHECK(read.code == error.code);
  CHECK(read.message == error.message);
  CHECK(read.hint == error.hint);
  CHECK(read.field == error.field);
  CHECK(to_json(Error{}).at("field").is_null());
}

TEST_CASE("error json: what is not as it should be is a failure without words") {
  const Error read = error_from_json(parse_json(R"({"code":"??","message":5,"hint":null})"));
  CHECK(read.code == ErrorCode::kFailed);
  CHECK(read.message.empty());
  CHECK(read.hint.empty());
}

}  // namespace kscpush
