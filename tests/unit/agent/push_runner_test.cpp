// That each push runs once and its answer arrives, also over restarts of the agent.
#include "agent/push_runner.hpp"

#include <array>
#include <fstream>

#include <doctest/doctest.h>
#include <spdlog/sinks/null_sink.h>

#include "core/file.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/temp_dir.hpp"

namespace kscpush::agent {
namespace {

using nlohmann::json;

// What one run of the agent has: all but its directory goes with it.
struct Life {
  Life(const std::filesystem::path& path, test::FakeClock& clock)
      : state(StateDirectory::open(path).value()), journal(PushJournal::open(state).value()) {
    handlers.add("once", [this](const PushMessage& push, const Answer& answer) {
      ran.emplace_back(push.id.str());
      kept.push_back(answer);
    });
    handlers.add(
        "often", [this](const PushMessage&, const Answer& answer) { finish(answer, ++often); },
        Repeated::kRunsAgain);
    runner.emplace(handlers, journal, clock, log);
    runner->send_with([this](const PushAnswer& answer, std::uint64_t token) {
      if (refuse) return *refuse;
      sent.push_back(answer);
      tokens.push_back(token);
      return Sending::kQueued;
    });
  }

  StateDirectory state;
  PushJournal journal;
  PushHandlers handlers;
  spdlog::logger log{"test", std::make_shared<spdlog::sinks::null_sink_mt>()};
  std::optional<PushRunner> runner;
  std::vector<std::string> ran;
  std::vector<Answer> kept;
  int often = 0;
  std::optional<Sending> refuse;
  std::vector<PushAnswer> sent;
  std::vector<std::uint64_t> tokens;
};

struct Fixture {
  test::TempDir folder;
  test::FakeClock clock;
  Life begin() { return {folder / "state", clock}; }
  PushMessage push(const std::string& kind) {
    clock.advance(std::chrono::milliseconds(1));
    return {Ulid::generate(clock.wall()), kind, 1, std::chrono::seconds(60), json::object()};
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "runner: a push that comes again is not run again") {
  Life life = begin();
  const PushMessage first = push("once");
  life.runner->take(first);
  life.runner->take(first);
  CHECK(life.ran.size() == 1);
  CHECK(life.sent.empty());  // it still runs
  finish(life.kept.at(0), json{{"n", 1}});
  REQUIRE(life.sent.size() == 1);
  life.runner->acknowledged(life.tokens[0], PushRunner::Taken::kTaken);
  life.runner->take(first);
  REQUIRE(life.sent.size() == 2);
  CHECK(life.sent[1].status == PushState::kCompleted);
  CHECK(life.sent[1].result == json{{"n", 1}});
  CHECK(life.ran.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "runner: nor after a restart of the agent") {
  const PushMessage first = push("once");
  {
    Life life = begin();
    life.runner->take(first);
    finish(life.kept.at(0), json{{"n", 1}});
    life.runner->acknowledged(life.tokens.at(0), PushRunner::Taken::kTaken);
  }
  Life life = begin();
  life.runner->connected();
  CHECK(life.sent.empty());
  life.runner->take(first);
  CHECK(life.ran.empty());
  REQUIRE(life.sent.size() == 1);
  CHECK(life.sent[0].result == json{{"n", 1}});
}

TEST_CASE_FIXTURE(Fixture, "runner: what was cut by the agent's end is told as lost, unasked") {
  const PushMessage first = push("once");
  {
    Life life = begin();
    life.runner->take(first);
  }
  Life life = begin();
  life.runner->connected();
  REQUIRE(life.sent.size() == 1);
  CHECK(life.sent[0].id == first.id);
  CHECK(life.sent[0].status == PushState::kFailed);
  CHECK(life.sent[0].result.at("error").get<std::string>().starts_with("lost with the agent"));
  life.runner->acknowledged(life.tokens[0], PushRunner::Taken::kTaken);
  life.runner->connected();
  CHECK(life.sent.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "runner: an answer that the server has not taken is given again") {
  const PushMessage first = push("once");
  {
    Life life = begin();
    life.runner->take(first);
    finish(life.kept.at(0), json{{"n", 1}});
    life.runner->connected();
    CHECK(life.sent.size() == 1);  // it is on its way already
  }
  Life life = begin();
  life.refuse = Sending::kLater;
  life.runner->connected();
  life.refuse.reset();
  life.runner->connected();
  REQUIRE(life.sent.size() == 1);
  CHECK(life.sent[0].result == json{{"n", 1}});
}

TEST_CASE_FIXTURE(Fixture,
                  "runner: an answer that is too large is exchanged for one that says so") {
  Life life = begin();
  life.runner->take(push("once"));
  finish(life.kept.at(0), json{{"n", 1}});
  life.runner->acknowledged(life.tokens.at(0), PushRunner::Taken::kTooLarge);
  REQUIRE(life.sent.size() == 2);
  CHECK(life.sent[1].status == PushState::kFailed);
  CHECK(life.sent[1].result.at("error") == "the answer is larger than the server takes");
}

TEST_CASE_FIXTURE(Fixture, "runner: a kind that changes nothing runs again and leaves no trace") {
  Life life = begin();
  const PushMessage asked = push("often");
  life.runner->take(asked);
  life.runner->take(asked);
  CHECK(life.often == 2);
  CHECK(life.journal.entries().empty());
}

TEST_CASE_FIXTURE(Fixture, "runner: too many that are not answered are refused, not run") {
  Life life = begin();
  for (std::size_t i = 0; i < PushJournal::kMostPushes; ++i) life.runner->take(push("once"));
  CHECK(life.ran.size() == PushJournal::kMostPushes);
  CHECK(life.sent.empty());
  life.runner->take(push("once"));
  CHECK(life.ran.size() == PushJournal::kMostPushes);
  REQUIRE(life.sent.size() == 1);
  CHECK(life.sent[0].status == PushState::kFailed);
}

TEST_CASE_FIXTURE(Fixture, "journal: bounded, and what is not answered outlives what is") {
  Life life = begin();
  const PushMessage slow = push("once");
  life.runner->take(slow);
  for (std::size_t i = 0; i < 2 * PushJournal::kMostPushes; ++i) {
    life.runner->take(push("once"));
    finish(life.kept.back(), json{{"i", i}});
    life.runner->acknowledged(life.tokens.back(), PushRunner::Taken::kTaken);
  }
  CHECK(life.journal.entries().size() == PushJournal::kMostPushes);
  CHECK(life.journal.find(slow.id) != nullptr);
}

TEST_CASE_FIXTURE(Fixture, "regression: journal: to forget one answer tells no other as taken") {
  const json large(std::string(PushJournal::kMostBytes * 2 / 3, 'x'));
  const std::array pushes{push("once"), push("once"), push("once")};
  {
    Life life = begin();
    for (const PushMessage& one : pushes) {
      REQUIRE(life.journal.begin(one.id, one.kind, clock.wall()));
      const bool first = one.id == pushes[0].id;
      REQUIRE(life.journal.finish(one.id, PushState::kCompleted, first ? json(1) : large));
    }
    REQUIRE(life.journal.told(pushes[1].id));
    CHECK(life.journal.find(pushes[1].id) == nullptr);
  }
  Life life = begin();
  CHECK(life.journal.find(pushes[1].id) == nullptr);
  for (const std::size_t open : {0U, 2U}) {
    REQUIRE(life.journal.find(pushes.at(open).id) != nullptr);
    CHECK_FALSE(life.journal.find(pushes.at(open).id)->told);
  }
  life.runner->connected();
  CHECK(life.sent.size() == 2);
}

TEST_CASE_FIXTURE(Fixture, "journal: a file that a crash has cut is read as far as it goes") {
  const PushMessage first = push("once");
  const PushMessage second = push("once");
  {
    Life life = begin();
    life.runner->take(first);
    finish(life.kept.at(0), json{{"n", 1}});
    life.runner->take(second);
    finish(life.kept.at(1), json{{"n", 2}});
  }
  const auto file = folder / "state" / "pushes";
  const std::string whole = read_file(file, 1 << 20).value();
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    std::ofstream(file, std::ios::trunc) << whole.substr(0, cut);
    const auto state = StateDirectory::open(folder / "state").value();
    const auto journal = PushJournal::open(state);
    REQUIRE(journal.has_value());
    CHECK(journal->entries().size() <= 2);
  }
  std::ofstream(file, std::ios::trunc) << "not JSON\n[1]\n{\"id\":5}\n{\"id\":\"x\"}\n" << whole;
  const auto state = StateDirectory::open(folder / "state").value();
  CHECK(PushJournal::open(state).value().find(second.id)->result == json{{"n", 2}});
}

TEST_CASE_FIXTURE(Fixture, "regression: journal: a disk that takes nothing keeps no agent away") {
  const PushMessage first = push("once");
  {
    Life life = begin();
    life.runner->take(first);
    finish(life.kept.at(0), json{{"n", 1}});
  }
  // As nothing keeps root from writing: what cannot be removed is in the way of the new file.
  std::filesystem::create_directories(folder / "state/.pushes.new/full");
  {
    Life life = begin();
    CHECK_FALSE(life.journal.problem().empty());
    life.runner->connected();
    REQUIRE(life.sent.size() == 1);
    CHECK(life.sent[0].result == json{{"n", 1}});
    life.runner->take(push("once"));
    CHECK(life.ran.empty());
    REQUIRE(life.sent.size() == 2);
    CHECK(life.sent[1].status == PushState::kFailed);
    std::filesystem::remove_all(folder / "state/.pushes.new");
    life.runner->take(push("once"));
    CHECK(life.ran.size() == 1);
  }
  Life life = begin();
  CHECK(life.journal.problem().empty());
  CHECK(life.journal.find(first.id) != nullptr);
}

TEST_CASE_FIXTURE(Fixture, "state directory: one agent at a time, and nobody else reads it") {
  const auto state = StateDirectory::open(folder / "state").value();
  REQUIRE(state.write("name", "old").has_value());
  REQUIRE(state.write("name", "new").has_value());
  CHECK(state.read("name", 100).value() == "new");
  CHECK_FALSE(state.read("none", 100).value().has_value());
  CHECK(std::filesystem::status(state.path()).permissions() == std::filesystem::perms::owner_all);
  CHECK(std::filesystem::status(state / "name").permissions() ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  const auto second = StateDirectory::open(folder / "state");
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().code == ErrorCode::kConflict);
}

}  // namespace kscpush::agent
