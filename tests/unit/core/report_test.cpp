#include "core/report.hpp"

#include <doctest/doctest.h>

namespace kscpush {

TEST_CASE("report: policy and local settings, each may be missing") {
  const auto report = decode_report(R"({"v":1,"policy":{"revision":"0a1b","result":"applied"},)"
                                    R"("local":{"a.b":"x","c":5,"d":true}})");
  REQUIRE(report.has_value());
  CHECK(report->policy->revision == "0a1b");
  CHECK(report->policy->result == "applied");
  CHECK(*report->local == ReportedSettings{{"a.b", "x"}, {"c", "5"}, {"d", "true"}});
  CHECK(encode_settings(*report->local) == R"({"a.b":"x","c":"5","d":"true"})");
  CHECK_FALSE(decode_report("{}")->policy.has_value());
  CHECK_FALSE(decode_report("{}")->local.has_value());
  CHECK(decode_report(R"({"local":{}})")->local->empty());
  CHECK(encode_settings({}).empty());
}

TEST_CASE("report: what is none is refused") {
  for (const char* bad :
       {"", "[]", "null", "{", R"({"policy":5})", R"({"policy":{}})",
        R"({"policy":{"revision":"a b","result":"applied"}})", R"({"policy":{"revision":"a"}})",
        R"({"policy":{"revision":"","result":"x"}})",
        R"({"policy":{"revision":"a","result":"\u001b[31m"}})", R"({"local":{"a":"\u0007"}})",
        R"({"local":[]})", R"({"local":{"a":[]}})", R"({"local":{"a b":1}})", R"({"local":{"":1}})",
        R"({"local":{"a":null}})", "{\"local\":{\"a\":\"\xff\"}}"}) {
    CAPTURE(bad);
    CHECK_FALSE(decode_report(bad).has_value());
  }
}

TEST_CASE("report: bounded in every direction") {
  const auto local = [](int count, std::size_t path, std::size_t value) {
    std::string text = R"({"local":{)";
    for (int i = 0; i < count; ++i) {
      text += fmt::format(R"({}"{:0>{}}":"{:x>{}}")", i == 0 ? "" : ",", i, path, "", value);
    }
    return decode_report(text + "}}").has_value();
  };
  CHECK(local(256, 10, 10));
  CHECK_FALSE(local(257, 10, 10));
  CHECK(local(1, 200, 1024));
  CHECK_FALSE(local(1, 201, 10));
  CHECK_FALSE(local(1, 10, 1025));
  CHECK_FALSE(local(20, 10, 1000));
  const std::string r64(64, 'r');
  CHECK(decode_report(R"({"policy":{"result":"x","revision":")" + r64 + "\"}}").has_value());
  CHECK_FALSE(decode_report(R"({"policy":{"result":"x","revision":")" + r64 + "r\"}}").has_value());
}

}  // namespace kscpush
