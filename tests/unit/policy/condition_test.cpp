#include "policy/condition.hpp"

#include <doctest/doctest.h>

namespace kscpush::policy {
namespace {

const std::vector<std::string> kTags{"laptop", "vip"};
const DeviceFacts kDevice{"pc-7", "Managed devices/Berlin/Plant A", "linux", "10.1.2.3", kTags};

bool holds(std::string_view text, const DeviceFacts& device = kDevice) {
  const auto condition = Condition::parse(text);
  if (!condition) FAIL(condition.error().message);
  return condition->holds(device);
}

struct Wrong {
  std::string_view text;
  std::size_t column;
  std::string_view message;
};

}  // namespace

TEST_CASE("condition: each property with its operators") {
  CHECK(holds("id == pc-7"));
  CHECK_FALSE(holds("id == pc-8"));
  CHECK(holds("id != pc-8"));
  CHECK(holds("id matches pc-*"));
  CHECK(holds("id matches p?-7"));
  CHECK_FALSE(holds("id matches *8"));
  CHECK(holds("platform == linux"));
  CHECK(holds("group == 'Managed devices/Berlin/Plant A'"));
  CHECK(holds("group within \"Managed devices/Berlin\""));
  CHECK_FALSE(holds("group within 'Managed devices/Berl'"));
  CHECK(holds("tags contains vip"));
  CHECK_FALSE(holds("tags contains vi"));
  CHECK(holds("address == 10.1.2.3"));
  CHECK(holds("address within 10.0.0.0/8"));
  CHECK(holds("address within 10.1.2.2/31"));
  CHECK_FALSE(holds("address within 10.1.2.4/30"));
  CHECK(holds("address within 0.0.0.0/0"));
  CHECK_FALSE(holds("address within ::/128"));
}

TEST_CASE("condition: IPv6 networks, and IPv4 is not in them by accident") {
  const DeviceFacts v6{.address = "2001:db8::17"};
  CHECK(holds("address within 2001:db8::/32", v6));
  CHECK_FALSE(holds("address within 2001:db9::/32", v6));
  CHECK_FALSE(holds("address within 10.0.0.0/8", v6));
  CHECK(holds("address == 2001:DB8:0::17", v6));
}

TEST_CASE("condition: nothing holds of an unknown address but !=") {
  const DeviceFacts unknown{};
  CHECK_FALSE(holds("address within 0.0.0.0/0", unknown));
  CHECK_FALSE(holds("address == 10.0.0.1", unknown));
  CHECK(holds("address != 10.0.0.1", unknown));
}

TEST_CASE("condition: not binds tighter than and, and tighter than or") {
  for (int bits = 0; bits < 8; ++bits) {
    const bool a = (bits & 1) != 0;
    const bool b = (bits & 2) != 0;
    const bool c = (bits & 4) != 0;
    std::vector<std::string> tags;
    if (a) tags.emplace_back("a");
    if (b) tags.emplace_back("b");
    if (c) tags.emplace_back("c");
    const DeviceFacts device{.tags = tags};
    const auto check = [&](std::string text, bool expected) {
      // "A" stands for "tags contains a".
      std::string full;
      for (const char letter : text) {
        full += letter >= 'A' && letter <= 'C'
                    ? std::string("tags contains ") + static_cast<char>(letter - 'A' + 'a')
                    : std::string(1, letter);
      }
      CAPTURE(full);
      CAPTURE(bits);
      CHECK(holds(full, device) == expected);
    };
    check("A or B and C", a || (b && c));
    check("A and B or C", (a && b) || c);
    check("(A or B) and C", (a || b) && c);
    check("not A and B", !a && b);
    check("not (A and B)", !(a && b));
    check("not (A or B) or not C", !(a || b) || !c);
    check("not not A", a);
    check("A and (B or not (C and A))", a && (b || !(c && a)));
    check("A or B or C", a || b || c);
    check("A and B and C", a && b && c);
  }
}

TEST_CASE("condition: errors point at the column") {
  for (const Wrong& wrong : std::initializer_list<Wrong>{
           {"", 1, "a comparison is missing here"},
           {"tag contains x", 1, "'tag' is not a property of a device"},
           {"id = pc-7", 4, "'=' cannot stand here"},
           {"id pc-7", 4, "an operator is missing behind 'id'"},
           {"tags == laptop", 6, "'==' cannot be used with tags"},
           {"platform within x", 10, "'within' cannot be used with platform"},
           {"id ==", 6, "a value is missing behind '=='"},
           {"id == a and", 12, "a comparison is missing here"},
           {"id == a or or", 12, "'or' is not a property of a device"},
           {"(id == a", 1, "this '(' has no ')'"},
           {"id == a)", 8, "')' does not belong here"},
           {"id == a b", 9, "'b' does not belong here"},
           {"id == 'a", 7, "this quote is not closed"},
           {"address within 10.0.0.0/33", 16, "'10.0.0.0/33' is not a network"},
           {"address == 10.0.0.0/8", 12, "'10.0.0.0/8' is not an IP address"},
           {"address within berlin", 16, "'berlin' is not a network"},
       }) {
    CAPTURE(wrong.text);
    const auto condition = Condition::parse(wrong.text);
    REQUIRE_FALSE(condition.has_value());
    CHECK(condition.error().column == wrong.column);
    CHECK(condition.error().message == wrong.message);
  }
}

TEST_CASE("condition: depth and length are bounded") {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '(') + "id == a" +
           std::string(static_cast<std::size_t>(depth), ')');
  };
  CHECK(Condition::parse(nested(Condition::kDeepest)).has_value());
  CHECK_FALSE(Condition::parse(nested(Condition::kDeepest + 1)).has_value());
  std::string nots;
  for (int i = 0; i < 1000; ++i) nots += "not ";
  CHECK_FALSE(Condition::parse(nots + "id == a").has_value());
  CHECK_FALSE(Condition::parse("id == " + std::string(Condition::kLongest, 'a')).has_value());
}

}  // namespace kscpush::policy
