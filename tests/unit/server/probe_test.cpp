#include "server/probe.hpp"

#include <doctest/doctest.h>

namespace kscpush::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr MonoTime kStart{std::chrono::hours(1)};

Ulid id(int number) {
  return Ulid::parse(fmt::format("{:026}", number)).value();
}

struct Pings {
  // A ping of a device, which for an agent waits for its answer as well.
  Probe& add(int number, std::string device, bool agent = false, bool wants_puback = true) {
    return table.add(std::make_unique<Probe>(
                         table, id(number), std::move(device), Probe::Awaited{wants_puback, agent},
                         [this](const Result<ProbeReport>& result) { results.push_back(result); }),
                     kStart);
  }
  void acked(int number, Duration after = {}, std::string_view device = "pc-1") {
    table.acked(device, ProbeTable::token_of(id(number)), kStart + after);
  }
  ProbeTable table;
  std::vector<Result<ProbeReport>> results;
};

}  // namespace

TEST_CASE("probe: of a plain client ends with its PUBACK, which is timed") {
  Pings pings;
  pings.add(1, "pc-1");
  pings.acked(1, milliseconds(20));
  REQUIRE(pings.results.size() == 1);
  CHECK(pings.results[0]->puback == milliseconds(20));
  CHECK_FALSE(pings.results[0]->answer.has_value());
}

TEST_CASE("probe: of an agent waits for the PUBACK and the answer, whichever comes first") {
  Pings pings;
  pings.add(1, "pc-1", /*agent=*/true);
  pings.add(2, "pc-1", /*agent=*/true);
  pings.acked(1, milliseconds(20));
  CHECK(pings.table.answered("pc-1", PushAnswer{id(2)}, kStart + milliseconds(25)));
  CHECK(pings.results.empty());
  CHECK(pings.table.answered("pc-1", PushAnswer{id(1)}, kStart + milliseconds(30)));
  pings.acked(2, milliseconds(40));
  REQUIRE(pings.results.size() == 2);
  CHECK(pings.results[0]->puback == milliseconds(20));
  CHECK(pings.results[0]->answer == milliseconds(30));
  CHECK(pings.results[1]->puback == milliseconds(40));
  CHECK(pings.results[1]->answer == milliseconds(25));
}

TEST_CASE("probe: an agent that subscribed at QoS 0 has no PUBACK, its answer is all") {
  Pings pings;
  pings.add(1, "pc-1", /*agent=*/true, /*wants_puback=*/false);
  CHECK(pings.table.answered("pc-1", PushAnswer{id(1)}, kStart + milliseconds(30)));
  REQUIRE(pings.results.size() == 1);
  CHECK_FALSE(pings.results[0]->puback.has_value());
}

TEST_CASE("probe: another device's answer is none") {
  Pings pings;
  pings.add(1, "pc-1", /*agent=*/true);
  CHECK_FALSE(pings.table.answered("pc-2", PushAnswer{id(1)}, kStart));
  CHECK_FALSE(pings.table.answered("pc-1", PushAnswer{id(7)}, kStart));
  pings.acked(1);
  CHECK(pings.results.empty());
}

TEST_CASE("probe: what comes after its end is ignored") {
  Pings pings;
  pings.add(1, "pc-1");
  pings.acked(1);
  pings.acked(1);
  CHECK_FALSE(pings.table.answered("pc-1", PushAnswer{id(1)}, kStart));
  CHECK(pings.results.size() == 1);
}

TEST_CASE("probe: no answer in time says how far it came") {
  Pings pings;
  TimerWheel wheel(kStart);
  wheel.set(pings.add(1, "pc-1", /*agent=*/true), kStart + seconds(5));
  wheel.set(pings.add(2, "pc-1", /*agent=*/true), kStart + seconds(5));
  pings.acked(2, milliseconds(20));
  wheel.advance(kStart + seconds(4));
  CHECK(pings.results.empty());
  wheel.advance(kStart + seconds(7));
  REQUIRE(pings.results.size() == 2);
  for (const auto& result : pings.results) {
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::kNoAnswer);
  }
  CHECK(pings.results[0].error().message ==
        "device 'pc-1' is connected but did not answer in time");
  CHECK(pings.results[1].error().message ==
        "device 'pc-1' acknowledged after 20.0 ms, but its agent did not answer in time");
}

TEST_CASE("probe: the end of a connection ends those of its device alone") {
  Pings pings;
  pings.add(1, "pc-1");
  pings.add(2, "pc-2");
  pings.add(3, "pc-1");
  pings.table.fail_all_of("pc-1", [] { return Error{ErrorCode::kOffline, "gone", ""}; });
  CHECK(pings.results.size() == 2);
  pings.acked(2, {}, "pc-2");
  REQUIRE(pings.results.size() == 3);
  CHECK(pings.results[2].has_value());
}

TEST_CASE("probe: tokens are not those of stored pushes") {
  for (int i = 0; i < 100; ++i) {
    CHECK((ProbeTable::token_of(id(i)) & ProbeTable::kTokenBit) != 0);
  }
}

TEST_CASE("probe: the table is bounded") {
  Pings pings;
  for (std::size_t i = 0; i < ProbeTable::kMost; ++i) {
    CHECK_FALSE(pings.table.full());
    pings.add(static_cast<int>(i), "pc-1");
  }
  CHECK(pings.table.full());
  pings.table.fail_all(Error{ErrorCode::kUnreachable, "stopping", ""});
  CHECK(pings.results.size() == ProbeTable::kMost);
  CHECK_FALSE(pings.table.full());
}

}  // namespace kscpush::server
