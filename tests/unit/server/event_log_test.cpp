#include "server/events/event_log.hpp"

#include <doctest/doctest.h>

namespace kscpush::server {
namespace {

std::vector<std::int64_t> subjects(const EventLog& log, std::uint64_t after, std::size_t count) {
  std::vector<Event> events;
  REQUIRE(log.read(after, count, events));
  std::vector<std::int64_t> all;
  for (const Event& event : events) all.push_back(event.subject);
  return all;
}

using Subjects = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("event log: the last ones are kept, in order, from any of them on") {
  EventLog log(3);
  CHECK(subjects(log, 0, 10).empty());
  CHECK(log.oldest() == 1);
  for (int i = 1; i <= 2; ++i) log.other(EventType::kSiteApplied, WallTime(), i);
  CHECK(subjects(log, 0, 10) == Subjects{1, 2});
  for (int i = 3; i <= 5; ++i) log.other(EventType::kSiteApplied, WallTime(), i);
  CHECK(log.newest() == 5);
  CHECK(log.oldest() == 3);
  CHECK(subjects(log, 2, 10) == Subjects{3, 4, 5});
  CHECK(subjects(log, 2, 2) == Subjects{3, 4});
  CHECK(subjects(log, 4, 2) == Subjects{5});
  CHECK(subjects(log, 5, 2).empty());
  std::vector<Event> none;
  CHECK_FALSE(log.read(1, 10, none));
  CHECK(none.empty());
}

TEST_CASE("event log: what it is about, also where an older one was") {
  EventLog log(2);
  log.device(EventType::kDeviceDisconnected, "a-device-with-a-long-name", WallTime(),
             mqtt::EndReason::kTakenOver);
  log.pushes({{7, PushState::kStored, WallTime()}, {7, PushState::kSent, WallTime()}});
  log.device(EventType::kDeviceConnected, "pc-1", WallTime());
  std::vector<Event> events;
  REQUIRE(log.read(2, 10, events));
  REQUIRE(events.size() == 2);
  CHECK(events[0].type == EventType::kPush);
  CHECK(events[0].subject == 7);
  CHECK(events[0].state == PushState::kSent);
  CHECK(events[1].type == EventType::kDeviceConnected);
  CHECK(events[1].device == "pc-1");
  CHECK(events[1].number == 4);
}

TEST_CASE("event log: wakes once for each time that it is expected to") {
  EventLog log;
  int woken = 0;
  log.on_event([&] { ++woken; });
  log.other(EventType::kServerDraining, WallTime());
  CHECK(woken == 0);
  log.expect();
  log.other(EventType::kServerDraining, WallTime());
  log.other(EventType::kServerServing, WallTime());
  CHECK(woken == 1);
  log.expect();
  log.pushes({{1, PushState::kStored, WallTime()}});
  CHECK(woken == 2);
}

}  // namespace kscpush::server
