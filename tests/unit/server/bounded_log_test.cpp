#include "server/bounded_log.hpp"

#include <fstream>
#include <sstream>

#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>

#include "server/crl_watch.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/net/crl.hpp"
#include "tests/support/net/shard_rig.hpp"
#include "tests/support/net/test_site.hpp"

namespace kscpush::test {
namespace {

using server::BoundedLog;
using std::chrono::hours;
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

TEST_CASE("bounded log: a device whose answers and reports are none fills no disk") {
  ShardRig rig;
  Written written;
  rig.log.sinks() = written.log.sinks();
  SimDevice device = online(rig);
  for (int i = 0; i < 50; ++i) {
    device.publish("no answer", mqtt::UpTopic::kResult);
    device.publish("no report", mqtt::UpTopic::kState);
    device.publish("no request", mqtt::UpTopic::kSync);
  }
  CHECK(written.lines().size() == BoundedLog::kBurst);
  CHECK(rig.count(&server::Counters::stray_messages) == 150);
  CHECK(rig.count(&server::Counters::warnings_left_out) == 150 - BoundedLog::kBurst);
}

TEST_CASE("regression: an answer of a device's forges no line of the log") {
  ShardRig rig;
  Written written;
  rig.log.sinks() = written.log.sinks();
  rig.log.set_pattern("%v");
  SimDevice device = online(rig);
  device.publish(R"({"id":"1\n[error] forged \u001b[31m","status":"completed"})");
  CHECK(written.lines() ==
        Lines{"pc-1: an answer that is none: '1?[error] forged ?[31m' is not a push id"});
}

TEST_CASE("bounded log: a warning is cut to a bound") {
  Written written;
  FakeClock clock;
  server::Counter left_out;
  BoundedLog log(written.log, clock, left_out);
  log.warn("{}", std::string(100'000, 'x'));
  CHECK(written.lines() == Lines{"warning: " + std::string(BoundedLog::kLongest, 'x')});
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

TEST_CASE("regression: a revocation list that runs out while it is used is told of, once a day") {
  const TestSite site;
  const auto path = site.folder / "crl.pem";
  const std::int64_t now = unix_seconds(system_clock().wall());
  std::ofstream(path) << make_crl(site.authority, {.age = hours(1), .lasts = hours(3)});
  const auto trust = server::TlsTrust::load(site.config.paths.client_ca, path, now).value();
  Written written;
  server::CrlWatch watch(written.log);
  CHECK_FALSE(watch.left(system_clock().wall()).has_value());
  watch.use(*trust);
  const WallTime end(seconds(trust->crl_expires()));
  CHECK(watch.left(end - hours(1)) == seconds(3600));
  CHECK(watch.left(end + hours(1)) == seconds(-3600));
  watch.tick(end - seconds(1));
  CHECK(written.lines().empty());
  watch.tick(end);
  const auto told = written.lines();
  REQUIRE(told.size() == 1);
  CHECK(told[0].find("warning: the revocation list (push_server.tls.crl) is out of date") == 0);
  watch.tick(end + hours(23));
  CHECK(written.lines().empty());
  watch.tick(end + hours(24));
  CHECK(written.lines().size() == 1);
  // A newer one is there.
  std::ofstream(path) << make_crl(site.authority, {.age = hours(1), .lasts = hours(300)});
  watch.use(*server::TlsTrust::load(site.config.paths.client_ca, path, now).value());
  watch.tick(end + hours(72));
  CHECK(written.lines().empty());
}

}  // namespace kscpush::test
