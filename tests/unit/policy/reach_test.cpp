// What keeps a device from its push connection, and what is left without one: a case a row.
#include "policy/reach.hpp"

#include <doctest/doctest.h>

#include "core/site/load.hpp"
#include "policy/check.hpp"

namespace kscpush::policy {
namespace {

using Reason = Gap::Reason;

constexpr WallTime kNow{std::chrono::hours(24 * 365 * 50)};

std::string text(const std::string& option = "!locked true", const std::string& more = "",
                 const std::string& enabled = "true",
                 const std::string& scope = "Managed devices") {
  return fmt::format(
      "version: 1\ngroups: [Managed devices/A, Managed devices/B]\ndistribution_points:\n"
      "  - {{name: dp-1, address: dp-1.example.com, scope: {{groups: [{}]}}, push_server: {{"
      "enabled: {}, max_connections: 100}}}}\n"
      "policies:\n  - name: P\n    group: Managed devices\n    settings: {{connectivity: {{network:"
      " {{use_distribution_point_to_force_connection: {}{}}}}}}}\n",
      scope, enabled, option, more);
}

class World {
 public:
  explicit World(const std::string& yaml = text())
      : document_(*yaml::Document::parse(yaml, "site.yaml")) {
    Diagnostics diagnostics;
    site_ = site::load(document_, diagnostics);
    check(site_, diagnostics);
    for (const Diagnostic& d : diagnostics) FAIL(to_string(d.origin) << ": " << d.message);
    device.facts = {.id = "pc-1", .group = "Managed devices/A", .address = "10.0.0.7"};
    device.local = &local;
    device.registered = device.enrolled = true;
    device.last_seen = kNow;
  }

  void connect() {
    device.connected_at = "dp-1";
    device.subscribed = device.is_agent = true;
  }

  [[nodiscard]] Diagnosis run() const { return diagnose(site_, device, servers, kNow); }

  // The one thing that is missing.
  [[nodiscard]] Gap only() const {
    const Diagnosis diagnosis = run();
    CAPTURE(diagnosis.gaps.size());
    REQUIRE(diagnosis.gaps.size() == 1);
    return diagnosis.gaps.front();
  }

  DeviceState device;
  LocalSettings local;
  std::vector<ServerState> servers{{.dp = "dp-1", .running = true}};
  std::vector<std::string> tags;

 private:
  yaml::Document document_;
  site::Site site_;
};

// "now by push connection, later by ..." of the four operations.
std::string ways(const Diagnosis& diagnosis) {
  std::vector<std::string> all;
  for (const Reachable& one : diagnosis.operations) {
    all.push_back(fmt::format("{} {}", to_string(one.when), to_string(one.way)));
  }
  return fmt::format("{}", fmt::join(all, ", "));
}

constexpr const char* kAllByPush =
    "now push connection, now push connection, now push connection, now push connection";

}  // namespace

TEST_CASE("connected and subscribed: everything works now, by the push connection") {
  World world;
  world.connect();
  const Diagnosis diagnosis = world.run();
  CHECK(ways(diagnosis) == kAllByPush);
  CHECK(diagnosis.all_now());
  CHECK(diagnosis.gaps.empty());
  CHECK(diagnosis.dp->name == "dp-1");
  CHECK(diagnosis.operations[1].note.empty());
}

TEST_CASE("of a stock client nobody knows whether it answers more than synchronization") {
  World world;
  world.connect();
  world.device.is_agent = false;
  const Diagnosis diagnosis = world.run();
  CHECK(ways(diagnosis) == kAllByPush);
  CHECK(diagnosis.operations[0].note.empty());
  CHECK(diagnosis.operations[3].note == "if it answers: the client is no kscpush agent");
}

TEST_CASE("connected without a subscription: nothing can be pushed") {
  World world;
  world.connect();
  world.device.subscribed = false;
  const Gap gap = world.only();
  CHECK(gap.reason == Reason::kNotSubscribed);
  CHECK(gap.stops);
  CHECK_FALSE(world.run().all_now());
}

TEST_CASE("nothing is missing and yet offline: the device or the way to it") {
  World world;
  world.device.last_end = "keep_alive_timeout";
  const Gap gap = world.only();
  CHECK(gap.reason == Reason::kOffline);
  CHECK(gap.what.find("ended: keep_alive_timeout") != std::string::npos);
  CHECK(gap.mend.find("kscpush agent --server dp-1.example.com:13295 --id pc-1") !=
        std::string::npos);
}

TEST_CASE("a device that is not registered") {
  World world;
  world.device.registered = false;
  const Gap gap = world.only();
  CHECK(gap.reason == Reason::kNotRegistered);
  CHECK(gap.mend == "kscpush device add pc-1 --group GROUP");
}

TEST_CASE("a device in a group that is not declared") {
  World world;
  world.device.facts.group = "Managed devices/Gone";
  const Gap gap = world.only();
  CHECK(gap.reason == Reason::kGroupNotDeclared);
  CHECK(gap.mend.find("kscpush group add \"Managed devices/Gone\"") == 0);
}

TEST_CASE("a revoked device") {
  World world;
  world.device.revoked = true;
  const Gap gap = world.only();
  CHECK(gap.reason == Reason::kRevoked);
  CHECK(gap.mend == "kscpush device restore pc-1");
}

TEST_CASE("the push server is off: the first half") {
  const Gap gap = World(text("!locked true", "", "false")).only();
  CHECK(gap.reason == Reason::kPushServerOff);
  CHECK(gap.mend == "kscpush dp enable dp-1");
}

TEST_CASE("no distribution point has the device in its scope") {
  const Gap gap = World(text("!locked true", "", "true", "Managed devices/B")).only();
  CHECK(gap.reason == Reason::kOutOfScope);
  CHECK(gap.mend == "kscpush dp scope add \"Managed devices/A\"");
}

TEST_CASE("the option is off: the other half") {
  const Gap gap = World(text("!locked false")).only();
  CHECK(gap.reason == Reason::kOptionOff);
  CHECK(gap.what == "policy 'P' leaves force-via-dp off (site.yaml:8:85)");
  CHECK(gap.mend == "kscpush policy set force-via-dp");
}

TEST_CASE("the option is open and a local setting switches it off") {
  World world(text("true"));
  world.local[std::string(kForceViaDp)] = "false";
  const Gap gap = world.only();
  CHECK(gap.reason == Reason::kOptionOverridden);
  CHECK(gap.mend == "kscpush policy set force-via-dp");
}

TEST_CASE("the option is open: it works, until the device says otherwise") {
  World world(text("true"));
  world.connect();
  const Gap gap = world.only();
  CHECK(gap.reason == Reason::kOptionOpen);
  CHECK_FALSE(gap.stops);
  CHECK(world.run().all_now());
  // Off in the policy, but open, and switched on on the device itself.
  World own(text("false"));
  own.local[std::string(kForceViaDp)] = "true";
  own.connect();
  CHECK(own.only().reason == Reason::kOptionOpen);
}

TEST_CASE("a locked option stands against every local setting") {
  World world;
  world.local[std::string(kForceViaDp)] = "false";
  CHECK(world.only().reason == Reason::kOffline);
}

TEST_CASE("no active policy acts on the device's group") {
  const std::string all = text();
  const Gap gap = World(all.substr(0, all.find("policies:"))).only();
  CHECK(gap.reason == Reason::kNoPolicy);
  CHECK(gap.mend.find("kscpush policy add NAME --group \"Managed devices/A\"") == 0);
}

TEST_CASE("a device without a certificate, and one whose certificate has expired") {
  World world;
  world.device.enrolled = false;
  world.device.last_seen = std::nullopt;
  CHECK(world.only().reason == Reason::kNotEnrolled);
  CHECK(world.only().mend.find("kscpush device enroll pc-1 --token") == 0);
  world.device.enrolled = true;
  world.device.certificate_ends = kNow;
  CHECK(world.only().reason == Reason::kCertificateExpired);
  world.device.certificate_ends = kNow + std::chrono::seconds(1);
  CHECK(world.only().reason == Reason::kOffline);
}

TEST_CASE("a certificate of another authority may be the device's: it was here before") {
  World world;
  world.device.enrolled = false;
  const Diagnosis diagnosis = world.run();
  REQUIRE(diagnosis.gaps.size() == 2);
  CHECK_FALSE(diagnosis.gaps[0].stops);
  CHECK(diagnosis.gaps[1].reason == Reason::kOffline);
}

TEST_CASE("a push server that does not run, or runs something else") {
  World world;
  world.servers[0].running = false;
  CHECK(world.only().reason == Reason::kNotRunning);
  CHECK(world.only().mend == "kscpush serve --dp dp-1");
  world.servers[0] = {.dp = "dp-1", .running = true, .same_configuration = false};
  CHECK(world.only().reason == Reason::kNotApplied);
  CHECK(world.only().mend == "kscpush apply --dp dp-1");
  // One that nobody looked for is not judged.
  world.servers.clear();
  CHECK(world.only().reason == Reason::kOffline);
}

TEST_CASE("a push server that is full, or draining") {
  World world;
  world.servers[0].connected = 100;
  CHECK(world.only().reason == Reason::kFull);
  world.servers[0].connected = 99;
  CHECK(world.only().reason == Reason::kOffline);
  world.servers[0].draining = true;
  CHECK(world.only().reason == Reason::kDraining);
  CHECK(world.only().mend == "kscpush dp drain dp-1 --cancel");
  world.connect();
  CHECK_FALSE(world.only().stops);
}

TEST_CASE("without a push connection synchronization alone is left: by UDP, else by schedule") {
  World world;
  CHECK(ways(world.run()) == "now UDP packet, no none, no none, no none");
  CHECK(world.run().operations[0].note.find("10.0.0.7 port 15000 UDP") != std::string::npos);
  world.device.facts.address = "";
  CHECK(ways(world.run()) == "later scheduled synchronization, no none, no none, no none");
}

TEST_CASE("no UDP behind NAT, nor where the policy switches it off") {
  World world;
  world.tags = {std::string(kNatTag)};
  world.device.facts.tags = world.tags;
  CHECK(world.run().operations[0].note == "within 15 minutes; no UDP packet passes NAT");
  World off(text("!locked true", ", use_udp_port: !locked false"));
  CHECK(off.run().operations[0].note == "within 15 minutes; the policy switches the UDP port off");
}

TEST_CASE("a local setting decides on the UDP port where the policy leaves it open") {
  World world;
  world.local[std::string(kUdpPort)] = "15002";
  CHECK(world.run().operations[0].note.find("port 15002") != std::string::npos);
}

TEST_CASE("a connection that is not to be disconnected serves all operations") {
  World world;
  world.tags = {std::string(kKeptTag)};
  world.device.facts.tags = world.tags;
  CHECK(ways(world.run()) ==
        "now do not disconnect, now do not disconnect, now do not disconnect, now do not "
        "disconnect");
  CHECK(world.only().reason == Reason::kOffline);  // of the push connection, all the same
  world.connect();
  CHECK(ways(world.run()) == kAllByPush);
}

TEST_CASE("KasperskyOS: by push or not at all") {
  World world;
  world.tags = {std::string(kKeptTag)};
  world.device.facts.tags = world.tags;
  world.device.facts.platform = "kasperskyos";
  CHECK(ways(world.run()) == "no none, no none, no none, no none");
  world.connect();
  CHECK(ways(world.run()) == kAllByPush);
}

TEST_CASE("several halves that are missing are all told, in the order in which to mend them") {
  World world(text("!locked false", "", "false"));
  world.device.enrolled = false;
  world.device.last_seen = std::nullopt;
  std::vector<Reason> reasons;
  for (const Gap& gap : world.run().gaps) reasons.push_back(gap.reason);
  CHECK(reasons == std::vector{Reason::kPushServerOff, Reason::kOptionOff, Reason::kNotEnrolled});
}

}  // namespace kscpush::policy
