#include "core/ids.hpp"

#include <set>

#include <doctest/doctest.h>

namespace kscpush {

TEST_CASE("device id: 1 to 128 of letters, digits and . _ : -") {
  CHECK(DeviceId::parse("pc-7.berlin_A:1").has_value());
  CHECK(DeviceId::parse(std::string(128, 'a')).has_value());
  for (const std::string& text : {std::string(), std::string(129, 'a'), std::string("a b"),
                                  std::string("a/b"), std::string("+"), std::string("#"),
                                  std::string("*"), std::string("ä"), std::string("a\0b", 3)}) {
    CAPTURE(text);
    CHECK_FALSE(DeviceId::parse(text).has_value());
  }
}

TEST_CASE("port: 1 to 65535 and nothing else") {
  CHECK(Port::parse("13295")->value() == 13295);
  CHECK(Port::parse("1")->value() == 1);
  CHECK(Port::parse("65535")->value() == 65535);
  for (const char* text : {"0", "65536", "70000", "-1", "", "abc", "1x", " 1", "1.0"}) {
    CAPTURE(text);
    const auto port = Port::parse(text);
    REQUIRE_FALSE(port.has_value());
    CHECK(port.error().code == ErrorCode::kUsage);
    CHECK_FALSE(port.error().hint.empty());
  }
}

TEST_CASE("ulid: 26 characters, sorts by time, does not repeat") {
  const WallTime now{std::chrono::milliseconds(1'700'000'000'000)};
  CHECK(Ulid::generate(now).str().substr(0, 10) == "01HF7YAT00");
  CHECK(Ulid::generate(now) < Ulid::generate(now + std::chrono::milliseconds(1)));
  std::set<Ulid> seen;
  for (int i = 0; i < 1000; ++i) CHECK(seen.insert(Ulid::generate(now)).second);
  CHECK(Ulid::parse(seen.begin()->str()).has_value());
  CHECK_FALSE(Ulid::parse("8ZZZZZZZZZZZZZZZZZZZZZZZZZ").has_value());
  CHECK_FALSE(Ulid::parse("01HF7YAT0").has_value());
  CHECK_FALSE(Ulid::parse("01HF7YAT00IIIIIIIIIIIIIIII").has_value());
}

}  // namespace kscpush
