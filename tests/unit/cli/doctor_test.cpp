// The checks of `kscpush doctor` on a /proc and units that the test makes up.
#include <fstream>

#include <doctest/doctest.h>

#include "cli/doctor/checks.hpp"
#include "cli/doctor/deadline.hpp"
#include "cli/support/time.hpp"
#include "tests/support/temp_dir.hpp"

namespace kscpush::cli {
namespace {

using Level = Finding::Level;

class FakeHost {
 public:
  FakeHost() : host_{dir_ / "proc", {dir_ / "etc", dir_ / "usr"}} {}

  void write(const std::string& path, const std::string& text) const {
    const auto file = dir_ / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  // PID listens on port 13295, hex 33EF.
  void listen(const std::string& pid, const std::string& name) const {
    write("proc/net/tcp",
          "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
          "timeout inode\n"
          "   0: 0100007F:33EF 00000000:0000 01 00000000:00000000 00:00000000 00000000  0 0 77 1\n"
          "   1: 00000000:33EF 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 4711 "
          "1\n");
    write("proc/" + pid + "/comm", name + "\n");
    std::filesystem::create_directories(dir_ / "proc" / pid / "fd");
    std::filesystem::create_symlink("socket:[4711]", dir_ / "proc" / pid / "fd" / "5");
  }
  [[nodiscard]] const Host& host() const { return host_; }

 private:
  test::TempDir dir_;
  Host host_;
};

site::DistributionPoint point() {
  site::DistributionPoint dp;
  dp.name = "dp-1";
  dp.push_server.enabled = true;
  dp.push_server.max_connections = 2000;
  return dp;
}

}  // namespace

TEST_CASE("doctor: who listens on a port") {
  const FakeHost fake;
  CHECK_FALSE(port_holder(fake.host(), Port::of<13295>()).has_value());
  fake.listen("812", "nginx");
  const auto holder = port_holder(fake.host(), Port::of<13295>());
  REQUIRE(holder.has_value());
  CHECK(holder->pid == 812);
  CHECK(holder->name == "nginx");
  CHECK_FALSE(port_holder(fake.host(), Port::of<13296>()).has_value());
}

TEST_CASE("doctor: the running server's descriptors against max_connections") {
  const FakeHost fake;
  fake.listen("812", "kscpush");
  fake.write("proc/812/limits",
             "Limit                     Soft Limit           Hard Limit           Units\n"
             "Max open files            1024                 4096                 files\n");
  const Findings low = check_descriptors(fake.host(), point(), true);
  REQUIRE(low.size() == 1);
  CHECK(low[0].level == Level::kWarning);
  CHECK(low[0].what.find("process 812") != std::string::npos);
  CHECK(low[0].mend.find("ulimit -n 3000") != std::string::npos);
  fake.write("proc/812/limits",
             "Max open files            3000                 4096       files\n");
  CHECK(check_descriptors(fake.host(), point(), true)[0].level == Level::kOk);
}

TEST_CASE("doctor: the last LimitNOFILE of unit and drop-ins counts") {
  const FakeHost fake;
  fake.write("usr/kscpush.service", "[Service]\nLimitNOFILE=51000\n");
  CHECK(check_descriptors(fake.host(), point(), false)[0].level == Level::kOk);
  fake.write("etc/kscpush.service.d/10-low.conf", "[Service]\nLimitNOFILE=500\n");
  const Findings low = check_descriptors(fake.host(), point(), false);
  CHECK(low[0].level == Level::kWarning);
  CHECK(low[0].mend.find("LimitNOFILE=3000") != std::string::npos);
  fake.write("etc/kscpush.service.d/20-high.conf", "[Service]\nLimitNOFILE=infinity\n");
  CHECK(check_descriptors(fake.host(), point(), false)[0].level == Level::kOk);
  // What systemd does not understand either, it ignores.
  fake.write("etc/kscpush.service.d/30-none.conf", "[Service]\nLimitNOFILE=many\n");
  CHECK(check_descriptors(fake.host(), point(), false)[0].level == Level::kOk);
  fake.write("etc/kscpush.service.d/40-soft.conf", "[Service]\nLimitNOFILE=500:51000 \n");
  CHECK(check_descriptors(fake.host(), point(), false)[0].level == Level::kWarning);
}

TEST_CASE("doctor: somaxconn") {
  const FakeHost fake;
  CHECK(check_backlog(fake.host()).empty());  // not Linux, or hidden
  fake.write("proc/sys/net/core/somaxconn", "128\n");
  CHECK(check_backlog(fake.host())[0].level == Level::kWarning);
  fake.write("proc/sys/net/core/somaxconn", "4096\n");
  CHECK(check_backlog(fake.host())[0].level == Level::kOk);
}

TEST_CASE("doctor: what hangs is not waited for") {
  std::promise<void> never;
  auto blocked = std::make_shared<std::future<void>>(never.get_future());
  const auto none = within_deadline(
      [blocked] {
        blocked->wait();
        return 1;
      },
      std::chrono::milliseconds(1));
  CHECK_FALSE(none.has_value());
  never.set_value();
  CHECK(within_deadline([] { return 2; }) == 2);
}

TEST_CASE("times as the admin API writes them read back") {
  const WallTime time{std::chrono::milliseconds(1'772'366'400'123)};
  CHECK(parse_rfc3339(to_rfc3339(time)) == time);
  for (const char* bad : {"", "2026-03-01", "2026-02-30T12:00:00.000Z", "2026-03-01T24:00:00.000Z",
                          "2026-03-01T12:00:00.000Zx", "2026-03-01 12:00:00.000Z"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_rfc3339(bad).has_value());
  }
}

TEST_CASE("lengths of time as people write them") {
  using std::chrono::seconds;
  CHECK(parse_duration("90").value() == seconds(90));
  CHECK(parse_duration("15m").value() == seconds(900));
  CHECK(parse_duration("24h").value() == seconds(86'400));
  CHECK(parse_duration("7d").value() == seconds(604'800));
  for (const char* bad : {"", "h", "0s", "-1h", "1.5h", "1 h", "1w", "99999999999d"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_duration(bad).has_value());
  }
}

}  // namespace kscpush::cli
