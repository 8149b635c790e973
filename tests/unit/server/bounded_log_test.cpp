#include "server/bounded_log.hpp"

#include <sstream>

#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>

#include "tests/support/fake_clock.hpp"

namespace kscpush::test {
namespace {

using server::BoundedLog;
using std::chrono::seconds;

// A logger and what it wrote since it was last asked.
class Written {
 public:
  Written() { log.set_pattern("%l: %v"); }
  std::vector<std::string> lines() {
    std::istringstream text(out_.str());
    out_.str("");
    std::vector<std::string> all;
    for (std::string line; std::getline(text, line);) all.push_back(line);
    return all;
  }

 private:
  std::ostringstream out_;

 public:
  spdlog::logger log{"test", std::make_shared<spdlog::sinks::ostream_sink_st>(out_)};
};

}  // namespace

TEST_CASE("bounded log: a flood of warnings is cut, counted and told") {
  Written written;
  FakeClock clock;
  server::Counter left_out;
  BoundedLog log(written.log, clock, left_out);
  for (int i = 0; i < 1000; ++i) log.warn("refused: {}", i);
  auto lines = written.lines();
  REQUIRE(lines.size() == BoundedLog::kBurst);
  CHECK(lines.front() == "warning: refused: 0");
  CHECK(left_out.get() == 1000 - BoundedLog::kBurst);
  clock.advance(BoundedLog::kWindow - seconds(1));
  log.tick();
  CHECK(written.lines().empty());
  clock.advance(seconds(1));
  log.tick();
  lines = written.lines();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("warning: 980 more warnings") == 0);
  log.tick();
  CHECK(written.lines().empty());
}

TEST_CASE("bounded log: a few warnings now and then are all written, and nothing is told") {
  Written written;
  FakeClock clock;
  server::Counter left_out;
  BoundedLog log(written.log, clock, left_out);
  for (int i = 0; i < 100; ++i) {
    log.warn("refused");
    clock.advance(seconds(1));
    log.tick();
  }
  CHECK(written.lines().size() == 100);
  CHECK(left_out.get() == 0);
}

TEST_CASE("bounded log: at level debug nothing is left out") {
  Written written;
  FakeClock clock;
  server::Counter left_out;
  written.log.set_level(spdlog::level::debug);
  BoundedLog log(written.log, clock, left_out);
  for (int i = 0; i < 50; ++i) log.warn("refused: {}", i);
  const auto lines = written.lines();
  REQUIRE(lines.size() == 50);
  CHECK(lines.back() == "debug: refused: 49");
}

}  // namespace kscpush::test
