#include "core/prometheus.hpp"

#include <doctest/doctest.h>

namespace kscpush::prometheus {

TEST_CASE("metrics: read and written, the same is meant") {
  const std::string text =
      "# HELP requests_total All \\\\ of\\nthem.\n"
      "# TYPE requests_total counter\n"
      "requests_total{code=\"200\",path=\"a\\\"b\\\\c\\nd\"} 5\n"
      "requests_total{code=\"500\"} 1e+06\n"
      "# TYPE latency histogram\n"
      "latency_bucket{le=\"0.5\"} 1\n"
      "latency_bucket{le=\"+Inf\"} 2\n"
      "latency_sum 0.7\n"
      "latency_count 2\n"
      "# TYPE plain untyped\n"
      "plain NaN\n";
  const auto families = parse(text);
  REQUIRE(families.has_value());
  REQUIRE(families->size() == 3);
  CHECK((*families)[0].help == "All \\ of\nthem.");
  CHECK((*families)[0].samples[0].labels[1].second == "a\"b\\c\nd");
  CHECK((*families)[1].samples.size() == 4);
  CHECK(render(*families) == text);
}

TEST_CASE("metrics: blanks, comments, timestamps, values as they may be written") {
  const auto families = parse(
      "\n  # a comment\n#\n \t up \t 1 1700000000000 \n"
      "a{ } +5\nb{x = \"y\" , } -.5e-3\nc +Inf\nd -Inf\ne 1.\nf 1e999\n"
      "# TYPE empty gauge\n# HELP empty Nothing.");
  REQUIRE(families.has_value());
  CHECK(families->size() == 7);
  CHECK((*families)[0].samples[0].value == "1");
  CHECK((*families)[2].samples[0].labels == Labels{{"x", "y"}});
}

TEST_CASE("metrics: what is not of the format is refused, with its line") {
  for (const char* line : {"1a 5",
                           "a",
                           "a b",
                           "a 5x",
                           "a 0x10",
                           "a 5 5 5",
                           "a 5 1.5",
                           "a{",
                           "a{} ",
                           "a{b} 5",
                           "a{b=c} 5",
                           "a{b=\"c} 5",
                           "a{b=\"c\\x\"} 5",
                           "a{b=\"c\" d=\"e\"} 5",
                           "a{b=\"c\",b=\"d\"} 5",
                           "a{1b=\"c\"} 5",
                           "a{__name__=\"c\"} 5",
                           "a{b=\"c\"}5 6 7",
                           "a-b 5",
                           "# TYPE a thing",
                           "# TYPE 1a gauge",
                           "# HELP",
                           "a 5\r",
                           "a nan",
                           "a{b=\"\x1B[2J\"} 5",
                           "a - 5",
                           "a +-5",
                           "ok 7"}) {
    CAPTURE(std::string(line));
    const auto read = parse(std::string("ok 1\n") + line + "\n");
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().code == ErrorCode::kUsage);
  }
  CHECK(parse("ok 1\na\n").error().message.starts_with("line 2: "));
  CHECK_FALSE(parse("a 1\n# TYPE a gauge\n").has_value());
  CHECK_FALSE(parse("a_sum 1\n# TYPE a summary\n").has_value());
  CHECK_FALSE(parse("# TYPE a gauge\n# TYPE a gauge\n").has_value());
  CHECK_FALSE(parse("# HELP a b\n# HELP a b\n").has_value());
  CHECK_FALSE(parse("a{b=\"c\",d=\"e\"} 1\na{d=\"e\",b=\"c\"} 2\n").has_value());
  CHECK_FALSE(parse("a{b=\"\xC3\"} 1\n").has_value());
  std::string many;
  for (std::size_t i = 0; i <= kMostSamples; ++i) many += fmt::format("a{{i=\"{}\"}} 1\n", i);
  CHECK_FALSE(parse(many).has_value());
}

TEST_CASE("metrics: of many, each family once, and whose a sample is") {
  Collection all;
  const std::string text = "# TYPE a counter\n# HELP a Help.\na{device=\"sda\"} 1\nb 2\n";
  all.add(parse(text).value(), {{"device", "pc-2"}});
  all.add(parse(text).value(), {{"device", "pc-1"}});
  all.add(parse("# TYPE b gauge\nb 3\n").value(), {{"device", "pc-3"}});
  all.add(parse("b 4\n").value(), {{"device", "pc-3"}});
  CHECK(all.left_out() == 1);
  CHECK(render(all.take()) ==
        "# HELP a Help.\n# TYPE a counter\n"
        "a{device=\"pc-2\",exported_device=\"sda\"} 1\n"
        "a{device=\"pc-1\",exported_device=\"sda\"} 1\n"
        "# TYPE b untyped\nb{device=\"pc-2\"} 2\nb{device=\"pc-1\"} 2\nb{device=\"pc-3\"} 3\n");
  Collection twice;
  twice.add(parse("a{device=\"x\",exported_device=\"y\"} 1\n").value(), {{"device", "pc"}});
  CHECK(render(twice.take()) ==
        "# TYPE a untyped\n"
        "a{device=\"pc\",exported_exported_device=\"x\",exported_device=\"y\"} 1\n");
}

TEST_CASE("metrics: any bytes as a label are written so that they can be read") {
  std::string value;
  for (int c = 1; c < 128; ++c) value += static_cast<char>(c);
  const std::string text = render({{"a", "gauge", "", {{"a", {{"x", value}}, "1"}}}});
  const auto again = parse(text);
  REQUIRE(again.has_value());
  CHECK(again->at(0).samples.at(0).labels.at(0).second.size() == value.size());
}

}  // namespace kscpush::prometheus
