#include "core/sync.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

namespace kscpush {

TEST_CASE("sync: what a device asks") {
  CHECK(encode(SyncRequest{"0a1b"}) == R"({"revision":"0a1b","v":1})");
  CHECK(decode_sync(R"({"v":1,"revision":"0a1b"})")->revision == "0a1b");
  CHECK(decode_sync(R"({"v":1,"revision":""})")->revision.empty());
  CHECK(decode_sync("{}")->revision.empty());
  CHECK(decode_sync(R"({"revision":")" + std::string(64, 'r') + "\"}").has_value());
  for (const std::string bad : {"", "[]", "null", "{", R"({"revision":5})", R"({"revision":"a b"})",
                                R"({"revision":null})"}) {
    CAPTURE(bad);
    CHECK_FALSE(decode_sync(bad).has_value());
  }
  CHECK_FALSE(decode_sync(R"({"revision":")" + std::string(65, 'r') + "\"}").has_value());
}

TEST_CASE("policy message: there and back, each value of its own type on the way") {
  PolicyMessage message{"0a1b", PolicyValues{}, {"dp-1:13295", "dp-2:13295"}};
  *message.settings = {{"a.bool", {"true", true}},          {"a.number", {"15", false}},
                       {"a.list", {R"(["x","y"])", false}}, {"a.text", {"1e5", false}},
                       {"a.null", {"null", true}},          {"a.empty", {"", true}}};
  const auto body = nlohmann::json::parse(encode(message));
  CHECK(body["settings"]["a.bool"] == nlohmann::json{{"value", true}, {"locked", true}});
  CHECK(body["settings"]["a.number"]["value"] == 15);
  CHECK(body["settings"]["a.list"]["value"] == nlohmann::json{"x", "y"});
  CHECK(body["settings"]["a.text"]["value"] == "1e5");
  CHECK(body["settings"]["a.null"]["value"] == "null");
  const auto again = decode_policy(encode(message));
  REQUIRE(again.has_value());
  CHECK(again->revision == "0a1b");
  CHECK(again->settings == message.settings);
  CHECK(again->servers == message.servers);
}

TEST_CASE("policy message: with the revision alone the device has it already") {
  CHECK(encode(PolicyMessage{.revision = "0a1b"}) == R"({"revision":"0a1b"})");
  const auto same = decode_policy(R"({"revision":"0a1b"})");
  REQUIRE(same.has_value());
  CHECK_FALSE(same->settings.has_value());
  CHECK(same->servers.empty());
}

TEST_CASE("policy message: what is none is refused") {
  for (const char* bad :
       {"", "[]", "{}", R"({"revision":""})", R"({"revision":"a","settings":[]})",
        R"({"revision":"a","settings":{"p":5}})", R"({"revision":"a","settings":{"p":{}}})",
        R"({"revision":"a","settings":{"p":{"value":1}}})",
        R"({"revision":"a","settings":{"p":{"value":null,"locked":true}}})",
        R"({"revision":"a","settings":{"p":{"value":1,"locked":"no"}}})",
        R"({"revision":"a","settings":{"p q":{"value":1,"locked":true}}})",
        R"({"revision":"a","servers":"dp-1"})", R"({"revision":"a","servers":[5]})",
        R"({"revision":"a","servers":[""]})", R"({"revision":"a","servers":["a\u001b"]})"}) {
    CAPTURE(bad);
    CHECK_FALSE(decode_policy(bad).has_value());
  }
}

TEST_CASE("policy message: bounded in every direction") {
  PolicyMessage message{"a", PolicyValues{}, {}};
  for (int i = 0; i < 256; ++i) message.settings->emplace(fmt::format("p{}", i), PolicyValue{"1"});
  CHECK(decode_policy(encode(message)).has_value());
  message.settings->emplace("p256", PolicyValue{"1"});
  CHECK_FALSE(decode_policy(encode(message)).has_value());
  message.settings = PolicyValues{{"p", {std::string(64 * 1024 + 1, 'x'), false}}};
  CHECK_FALSE(decode_policy(encode(message)).has_value());
  message = {"a", std::nullopt, std::vector<std::string>(65, "dp-1:13295")};
  CHECK_FALSE(decode_policy(encode(message)).has_value());
}

}  // namespace kscpush
