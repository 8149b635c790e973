// Enrolment tokens: each works once, for one device, until it expires.
#include <doctest/doctest.h>

#include "tests/unit/server/store_support.hpp"

namespace kscpush::server {
namespace {

constexpr std::chrono::hours kDay{24};

class Tokens {
 public:
  Tokens() {
    REQUIRE(store->add_device({device("pc-1"), ""}).has_value());
    REQUIRE(store->add_device({device("pc-2"), ""}).has_value());
  }
  [[nodiscard]] Status add(const char* id, const char* hash) {
    return store->add_token({hash, device(id), store.clock.wall() + kDay});
  }
  [[nodiscard]] Status use(const char* hash, const char* key,
                           std::optional<DeviceId> of = std::nullopt) {
    return store->use_token({hash, std::move(of), key},
                            {.fingerprint = key, .certificate_ends = store.clock.wall() + kDay});
  }
  [[nodiscard]] std::string fingerprint(const char* id) {
    return store->find_device(device(id)).value().value().fingerprint;
  }

  TestStore store;
};

std::string refusal(const Status& status) {
  REQUIRE_FALSE(status.has_value());
  CHECK(status.error().code == ErrorCode::kDenied);
  return status.error().message;
}

}  // namespace

TEST_CASE("a token gives its device one certificate, and the registry knows which") {
  Tokens tokens;
  REQUIRE(tokens.add("pc-1", "t1").has_value());
  CHECK(tokens.store->check_token({"t1", std::nullopt, "k"}).value() == device("pc-1"));
  CHECK(tokens.fingerprint("pc-1").empty());  // looking uses nothing up
  REQUIRE(tokens.use("t1", "k1").has_value());
  CHECK(tokens.fingerprint("pc-1") == "k1");
  CHECK(tokens.store->find_device(device("pc-1")).value().value().certificate_ends ==
        tokens.store.clock.wall() + kDay);
  CHECK(refusal(tokens.use("t1", "k2")).find("has been used") != std::string::npos);
  CHECK(tokens.fingerprint("pc-1") == "k1");
}

TEST_CASE("an answer that was lost is given again to the same key") {
  Tokens tokens;
  REQUIRE(tokens.add("pc-1", "t1").has_value());
  REQUIRE(tokens.use("t1", "k1").has_value());
  CHECK(tokens.use("t1", "k1").has_value());
  tokens.store.clock.advance(kDay);
  CHECK(refusal(tokens.use("t1", "k1")).find("has expired") != std::string::npos);
}

TEST_CASE("tokens that are not known, expired, or another device's") {
  Tokens tokens;
  REQUIRE(tokens.add("pc-1", "t1").has_value());
  CHECK(refusal(tokens.use("t9", "k")).find("not known here") != std::string::npos);
  CHECK(refusal(tokens.use("t1", "k", device("pc-2"))).find("another device") != std::string::npos);
  tokens.store.clock.advance(kDay);
  CHECK(refusal(tokens.use("t1", "k")).find("has expired") != std::string::npos);
  CHECK(tokens.fingerprint("pc-1").empty());
}

TEST_CASE("a newer token takes the place of the one before") {
  Tokens tokens;
  REQUIRE(tokens.add("pc-1", "t1").has_value());
  REQUIRE(tokens.add("pc-1", "t2").has_value());
  CHECK(refusal(tokens.use("t1", "k")).find("not known here") != std::string::npos);
  CHECK(tokens.use("t2", "k").has_value());
}

TEST_CASE("no token for a device that is revoked, removed or was never there") {
  Tokens tokens;
  REQUIRE(tokens.add("pc-1", "t1").has_value());
  REQUIRE(tokens.store->change_device(device("pc-1"), {.revoked = true}).has_value());
  CHECK(refusal(tokens.use("t1", "k")).find("revoked") != std::string::npos);
  CHECK(refusal(tokens.add("pc-1", "t2")).find("revoked") != std::string::npos);
  const auto none = tokens.add("pc-9", "t3");
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().code == ErrorCode::kNotFound);
  REQUIRE(tokens.add("pc-2", "t4").has_value());
  REQUIRE(tokens.store->remove_device(device("pc-2")).has_value());
  CHECK(refusal(tokens.use("t4", "k")).find("not known here") != std::string::npos);
}

TEST_CASE("expired tokens are forgotten in the end") {
  Tokens tokens;
  REQUIRE(tokens.add("pc-1", "t1").has_value());
  tokens.store.clock.advance(kDay * 2);
  REQUIRE(expire(*tokens.store, tokens.store.clock.wall()).has_value());
  CHECK(refusal(tokens.use("t1", "k")).find("has expired") != std::string::npos);
  tokens.store.clock.advance(kDay * 7);
  REQUIRE(expire(*tokens.store, tokens.store.clock.wall()).has_value());
  CHECK(refusal(tokens.use("t1", "k")).find("not known here") != std::string::npos);
}

}  // namespace kscpush::server
