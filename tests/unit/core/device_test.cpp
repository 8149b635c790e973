#include "core/device.hpp"

#include <doctest/doctest.h>

namespace kscpush {

TEST_CASE("tags: separated by semicolons, commas or blanks, sorted, each once") {
  CHECK(parse_tags("")->empty());
  CHECK(parse_tags(" ; ,\t")->empty());
  CHECK(parse_tags("vip;laptop") == Tags{"laptop", "vip"});
  CHECK(parse_tags(" vip  laptop, vip ") == Tags{"laptop", "vip"});
  CHECK(parse_tags("büro site:berlin a=b") == Tags{"a=b", "büro", "site:berlin"});
  CHECK(join(*parse_tags("b a")) == "a b");
}

TEST_CASE("tags: what is none says why") {
  for (const char* bad : {"+a", "-a", "=a", "a\"b", "a'b", "a\x01", "\xff", "a b", ""}) {
    CAPTURE(bad);
    const auto status = check_tag(bad);
    REQUIRE_FALSE(status.has_value());
    CHECK(status.error().code == ErrorCode::kUsage);
    CHECK(status.error().message.find("is no tag: ") != std::string::npos);
  }
  CHECK(check_tag(std::string(kLongestTag, 'x')).has_value());
  CHECK_FALSE(check_tag(std::string(kLongestTag + 1, 'x')).has_value());
  CHECK_FALSE(parse_tags("ok -bad").has_value());
}

TEST_CASE("tags: at most so many of one device") {
  std::vector<std::string> tags(kMostTags + 5, "same");
  CHECK(make_tags(tags)->size() == 1);
  for (std::size_t i = 0; i < tags.size(); ++i) tags[i] = fmt::format("t{}", i);
  CHECK_FALSE(make_tags(tags).has_value());
}

TEST_CASE("platform: a word, in lower case") {
  CHECK(parse_platform("") == "");
  CHECK(parse_platform("Windows") == "windows");
  CHECK(parse_platform("linux-6.1_x") == "linux-6.1_x");
  for (const char* bad : {"two words", "a/b", "ü", "a\n"}) {
    CHECK_FALSE(parse_platform(bad).has_value());
  }
  CHECK_FALSE(parse_platform(std::string(33, 'a')).has_value());
  CHECK_FALSE(parse_platform(std::string(1000, 'a')).has_value());
}

TEST_CASE("address: of either family, in its usual form") {
  CHECK(parse_address("") == "");
  CHECK(parse_address("192.0.2.1") == "192.0.2.1");
  CHECK(parse_address("2001:DB8:0:0::1") == "2001:db8::1");
  for (const char* bad : {"192.0.2", "192.0.2.1:80", "192.0.2.256", "host", "[::1]", "::1%lo"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_address(bad).has_value());
  }
  CHECK_FALSE(parse_address(std::string(1000, '1')).has_value());
}

}  // namespace kscpush
