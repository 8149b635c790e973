#include "policy/schema.hpp"

#include <set>

#include <doctest/doctest.h>

namespace kscpush::policy {

TEST_CASE("every setting has a unique name, both labels, help and a default that fits") {
  std::set<std::string_view> names;
  for (const SettingRow& row : settings()) {
    CAPTURE(row.path);
    CHECK(names.insert(row.path).second);
    if (!row.short_name.empty()) CHECK(names.insert(row.short_name).second);
    CHECK_FALSE(row.english.empty());
    CHECK_FALSE(row.german.empty());
    CHECK_FALSE(row.help.empty());
    if (row.type.kind == Kind::kRecords || row.type.kind == Kind::kTexts) {
      CHECK(row.default_value == "[]");
    } else {
      CHECK(parse_value(row, row.default_value) == std::string(row.default_value));
    }
  }
}

TEST_CASE("force-via-dp is the product's option, off by default") {
  const SettingRow* row = find_setting("force-via-dp");
  REQUIRE(row != nullptr);
  CHECK(row == find_setting(kForceViaDp));
  CHECK(row->default_value == "false");
  CHECK(row->english == "Use distribution point to force connection to the Administration Server");
  CHECK(row->german ==
        "Verteilungspunkt zum Erzwingen der Verbindung mit dem Administrationsserver verwenden");
}

TEST_CASE("values: words for booleans, ranges for numbers") {
  const SettingRow& boolean = *find_setting("force-via-dp");
  for (const char* word : {"true", "on", "yes"}) CHECK(*parse_value(boolean, word) == "true");
  for (const char* word : {"false", "off", "no"}) CHECK(*parse_value(boolean, word) == "false");
  CHECK_FALSE(parse_value(boolean, "1").has_value());
  CHECK_FALSE(parse_value(boolean, "").has_value());
  const SettingRow& minutes = *find_setting("connectivity.schedule.synchronization_interval");
  CHECK(*parse_value(minutes, "015") == "15");
  for (const char* word : {"0", "1441", "-5", "abc", "5m", ""}) {
    CAPTURE(word);
    CHECK_FALSE(parse_value(minutes, word).has_value());
  }
}

TEST_CASE("values: lists of texts by commas, choices, and what no command line holds") {
  const SettingRow& periods = *find_setting(kIntervals);
  CHECK(*parse_value(periods, "22:00-06:00") == R"(["22:00-06:00"])");
  CHECK(*parse_value(periods, "00:00-02:30, 22:00-24:00") == R"(["00:00-02:30","22:00-24:00"])");
  CHECK(*parse_value(periods, "none") == "[]");
  for (const char* text : {"", ",", "22:00", "22:00-22:00", "24:01-02:00", "25:00-26:00",
                           "2:00-3:00", "aa:bb-cc:dd"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_value(periods, text).has_value());
  }
  const SettingRow& connect = *find_setting(kConnect);
  CHECK(*parse_value(connect, "at_given_intervals") == "at_given_intervals");
  CHECK(parse_value(connect, "always").error().message ==
        "connectivity.schedule.connect must be when_necessary or at_given_intervals, not 'always'");
  const auto records =
      parse_value(*find_setting("connectivity.connection_profiles.profiles"), "Office");
  REQUIRE_FALSE(records.has_value());
  CHECK(records.error().hint == "write it in the file: kscpush policy edit");
}

TEST_CASE("an unknown setting comes with the one that was meant") {
  const auto typo = require_setting("force-via-pd");
  REQUIRE_FALSE(typo.has_value());
  CHECK(typo.error().code == ErrorCode::kNotFound);
  CHECK(typo.error().message == "no setting 'force-via-pd'; did you mean 'force-via-dp'?");
  CHECK(require_setting("udp_port").error().message ==
        "no setting 'udp_port'; did you mean 'connectivity.network.udp_port'?");
}

}  // namespace kscpush::policy
