// What the agent makes of its policy: what it asks, keeps, tells, and whether it stays.
#include "agent/sync/synchronizer.hpp"

#include <algorithm>

#include <doctest/doctest.h>
#include <spdlog/sinks/null_sink.h>

#include "core/file.hpp"
#include "policy/schema.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/temp_dir.hpp"

namespace kscpush::test {
namespace {

using namespace agent;
using nlohmann::json;
using std::chrono::milliseconds;

const std::string kInterval(policy::kSynchronizationInterval);
const std::string kForce(policy::kForceViaDp);

struct Published {
  mqtt::UpTopic topic;
  json body;
};

class FakeUplink final : public Uplink {
 public:
  Status publish(mqtt::UpTopic topic, std::string payload) override {
    sent.push_back({topic, json::parse(payload)});
    return {};
  }
  [[nodiscard]] const Endpoint& server() const override { return endpoint_; }
  std::vector<Published> sent;

 private:
  const Endpoint endpoint_{"localhost", Port::of<13295>()};
};

class FakePresence final : public Presence {
 public:
  void use_servers(const std::vector<Endpoint>& list) override { servers = list; }
  void leave_for(milliseconds time) override { away = time; }
  void stay() override { away.reset(); }
  std::vector<Endpoint> servers;
  std::optional<milliseconds> away;
};

// An agent's device around its synchronizer, on a state directory that outlives it.
struct Rig {
  explicit Rig(const TempDir& folder, ReportedSettings local = {}, SyncOptions options = {})
      : config{.local = std::move(local)}, state(StateDirectory::open(folder / "state").value()) {
    synchronizer.emplace(services, presence, options);
    synchronizer->add_to(handlers);
  }

  void connect() {
    for (const auto& call : services.on_connected) call();
  }
  PushMessage push(const std::string& kind, json params = json::object()) {
    return {Ulid::generate(clock.wall()), kind, 1, std::chrono::seconds(60), std::move(params)};
  }
  // What is published because of it.
  std::vector<Published> policy(const PolicyMessage& message) {
    uplink.sent.clear();
    handlers.handle(push("policy", json::parse(encode(message))),
                    [](PushState, const json&) { FAIL("a policy is not answered"); });
    return uplink.sent;
  }
  void sync() {
    handlers.handle(push("sync"), [this](PushState status, const json& result) {
      answers.emplace_back(status, result);
    });
  }
  [[nodiscard]] json settings() const {
    return json::parse(state.read("settings.json", 1 << 20).value().value());
  }
  [[nodiscard]] json asked() const {
    REQUIRE_FALSE(uplink.sent.empty());
    CHECK(uplink.sent.back().topic == mqtt::UpTopic::kSync);
    return uplink.sent.back().body["revision"];
  }

  asio::io_context loop{1};
  FakeClock clock;
  spdlog::logger log{"test", std::make_shared<spdlog::sinks::null_sink_mt>()};
  AgentConfig config;
  StateDirectory state;
  FakeUplink uplink;
  FakePresence presence;
  StatusBoard board;
  Services services{loop, clock, log, config, state, uplink, board};
  PushHandlers handlers;
  std::optional<Synchronizer> synchronizer;
  std::vector<std::pair<PushState, json>> answers;
};

PolicyMessage wanted(const std::string& revision, bool stay, const std::string& minutes = "15",
                     bool locked = true) {
  return {revision,
          PolicyValues{{kForce, {stay ? "true" : "false", true}}, {kInterval, {minutes, locked}}},
          {"dp-1:13295"}};
}

json policy_of(const std::vector<Published>& sent) {
  const auto found = std::ranges::find(sent, mqtt::UpTopic::kState, &Published::topic);
  REQUIRE(found != sent.end());
  return found->body["policy"];
}

}  // namespace

TEST_CASE("synchronizer: without a policy it asks for one, applies it and says so") {
  const TempDir folder;
  Rig rig(folder);
  rig.connect();
  CHECK(rig.asked() == "");
  const auto told = rig.policy(wanted("r1", true));
  CHECK(policy_of(told) == json{{"revision", "r1"}, {"result", "applied"}});
  CHECK(rig.settings()[kForce] == "true");
  CHECK_FALSE(rig.presence.away.has_value());
  CHECK(rig.presence.servers == std::vector<Endpoint>{{"dp-1", Port::of<13295>()}});
  rig.connect();
  CHECK(rig.asked() == "r1");
}

TEST_CASE("synchronizer: by its connection schedule it is kept away, until it shall stay") {
  const TempDir folder;
  Rig rig(folder);
  CHECK(rig.synchronizer->closed_for() == milliseconds(0));
  // An hour of the day that is not now, wherever the test runs.
  const auto now =
      std::chrono::floor<std::chrono::hours>(agent::local_time_of_day(rig.clock.wall()));
  const auto hour = (now.count() + 3) % 24;
  PolicyMessage policy = wanted("r1", false);
  policy.settings->emplace(std::string(policy::kConnect),
                           PolicyValue{std::string(policy::kAtGivenIntervals), true});
  policy.settings->emplace(std::string(policy::kIntervals),
                           PolicyValue{fmt::format("[\"{:02}:00-{:02}:30\"]", hour, hour), true});
  rig.policy(policy);
  const auto closed = rig.synchronizer->closed_for();
  CHECK(closed >= std::chrono::hours(2));
  CHECK(closed <= std::chrono::hours(3) + std::chrono::minutes(15));
  rig.clock.advance(std::chrono::hours(1));
  CHECK(rig.synchronizer->closed_for() == closed - std::chrono::hours(1));
  rig.clock.advance(closed - std::chrono::hours(1));
  CHECK(rig.synchronizer->closed_for() == milliseconds(0));
  rig.clock.advance(std::chrono::hours(2));
  CHECK(rig.synchronizer->closed_for() > std::chrono::hours(20));
  rig.policy(wanted("r2", true));
  CHECK(rig.synchronizer->closed_for() == milliseconds(0));
}

TEST_CASE("synchronizer: off it leaves for its interval, and by one policy it stays") {
  const TempDir folder;
  Rig rig(folder);
  rig.connect();
  rig.policy(wanted("r1", false, "30"));
  REQUIRE(rig.presence.away.has_value());
  CHECK(*rig.presence.away >= std::chrono::minutes(27));
  CHECK(*rig.presence.away <= std::chrono::minutes(33));
  rig.presence.away.reset();
  rig.connect();
  rig.policy({.revision = "r1"});
  CHECK(rig.presence.away.has_value());
  rig.connect();
  rig.policy(wanted("r2", true));
  CHECK_FALSE(rig.presence.away.has_value());
}

TEST_CASE("synchronizer: a push is answered by what was asked after it came") {
  const TempDir folder;
  Rig rig(folder);
  rig.connect();
  rig.sync();  // the question that is open may have been answered before
  rig.policy(wanted("r1", false));
  CHECK(rig.answers.empty());
  CHECK(rig.asked() == "r1");
  CHECK_FALSE(rig.presence.away.has_value());
  rig.policy(wanted("r2", true));
  REQUIRE(rig.answers.size() == 1);
  CHECK(rig.answers[0].first == PushState::kCompleted);
  CHECK(rig.answers[0].second == json{{"revision", "r2"}, {"result", "applied"}});
  rig.sync();
  rig.policy({.revision = "r2"});
  CHECK(rig.answers.back().second == json{{"revision", "r2"}, {"result", "unchanged"}});
}

TEST_CASE("synchronizer: more pushes than may wait are refused") {
  const TempDir folder;
  Rig rig(folder);
  for (std::size_t i = 0; i <= Synchronizer::kMostWaiting; ++i) rig.sync();
  REQUIRE(rig.answers.size() == 1);
  CHECK(rig.answers[0].first == PushState::kFailed);
}

TEST_CASE("synchronizer: a server that does not answer fails the push") {
  const TempDir folder;
  Rig rig(folder, {}, {.answer_within = milliseconds(1)});
  rig.sync();
  rig.loop.run();
  REQUIRE(rig.answers.size() == 1);
  CHECK(rig.answers[0].first == PushState::kFailed);
  CHECK(rig.answers[0].second["error"] == "the server did not answer in time");
}

TEST_CASE("synchronizer: what cannot be applied leaves the policy before in force") {
  const TempDir folder;
  Rig rig(folder);
  rig.connect();
  rig.policy(wanted("r1", true));
  rig.sync();
  const auto told = rig.policy(wanted("r2", false, "99999"));
  CHECK(policy_of(told)["revision"] == "r2");
  CHECK(policy_of(told)["result"].get<std::string>().find(kInterval) == 0);
  CHECK(rig.answers.back().first == PushState::kFailed);
  CHECK(rig.settings()[kInterval] == "15");
  CHECK_FALSE(rig.presence.away.has_value());
  rig.connect();
  CHECK(rig.asked() == "r1");
  // What was tried is not wanted any more.
  CHECK(policy_of(rig.policy({.revision = "r1"})) ==
        json{{"revision", "r1"}, {"result", "applied"}});
}

TEST_CASE("synchronizer: local settings stand while they are not locked") {
  const TempDir folder;
  Rig rig(folder, {{kInterval, "5"}});
  rig.connect();
  rig.policy(wanted("r1", false, "30", /*locked=*/false));
  CHECK(rig.settings()[kInterval] == "5");
  const auto told = rig.policy(wanted("r2", false, "30", /*locked=*/true));
  CHECK(rig.settings()[kInterval] == "30");
  CHECK(told.front().body["local"] == json{{kInterval, "5"}});
}

TEST_CASE("synchronizer: an agent that starts again is where it was") {
  const TempDir folder;
  {
    Rig rig(folder);
    rig.connect();
    rig.policy(wanted("r1", false));
  }
  Rig rig(folder, {{kInterval, "99999"}});
  CHECK(rig.presence.servers.size() == 1);
  rig.connect();
  CHECK(rig.asked() == "r1");
  rig.policy({.revision = "r1"});
  CHECK(rig.presence.away.has_value());
}

TEST_CASE("synchronizer: local settings that do not fit any more are told") {
  const TempDir folder;
  {
    Rig rig(folder);
    rig.connect();
    rig.policy(wanted("r1", false, "15", /*locked=*/false));
  }
  Rig rig(folder, {{kInterval, "99999"}});
  rig.connect();
  const auto told = rig.policy({.revision = "r1"});
  CHECK(policy_of(told)["result"] != "applied");
}

TEST_CASE("synchronizer: a policy file that is damaged is asked for again") {
  const TempDir folder;
  for (const char* text : {"", "{", R"({"revision":"r1"})", R"({"revision":"r1","settings":5})"}) {
    CAPTURE(text);
    {
      Rig rig(folder);
      rig.connect();
      rig.policy(wanted("r1", true));
      REQUIRE(rig.state.write("policy.json", text).has_value());
    }
    Rig rig(folder);
    rig.connect();
    CHECK(rig.asked() == "");
    CHECK(policy_of(rig.policy(wanted("r1", true)))["result"] == "applied");
  }
}

TEST_CASE("synchronizer: a policy that is none fails the push, and nothing else") {
  const TempDir folder;
  Rig rig(folder);
  rig.sync();
  rig.handlers.handle(rig.push("policy", {{"revision", "a b"}}), nullptr);
  CHECK(rig.answers.back().first == PushState::kFailed);
  CHECK_FALSE(rig.presence.away.has_value());
}

}  // namespace kscpush::test
