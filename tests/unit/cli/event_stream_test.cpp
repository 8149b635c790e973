#include "cli/support/event_stream.hpp"

#include <vector>

#include <doctest/doctest.h>

namespace kscpush::cli {
namespace {

struct Seen {
  std::vector<ServerEvent> events;
  EventStream stream{[this](const ServerEvent& event) { events.push_back(event); }};
};

}  // namespace

TEST_CASE("event stream: events in whatever pieces they come") {
  const std::string text =
      ": a comment\r\nid: 7-1\nevent: push.acked\ndata: {\"a\":\ndata:1}\n\ndata: second\n\n";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    Seen seen;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      seen.stream.feed(std::string_view(text).substr(at, piece));
    }
    REQUIRE(seen.events.size() == 2);
    CHECK(seen.events[0].id == "7-1");
    CHECK(seen.events[0].type == "push.acked");
    CHECK(seen.events[0].data == "{\"a\":\n1}");
    CHECK(seen.events[1].id == "7-1");
    CHECK(seen.events[1].type.empty());
    CHECK(seen.events[1].data == "second");
  }
}

TEST_CASE("event stream: a heartbeat moves the id and is no event") {
  Seen seen;
  seen.stream.feed(": alive\nid: 7-9\n\n");
  CHECK(seen.events.empty());
  CHECK(seen.stream.last_id() == "7-9");
}

TEST_CASE("event stream: another connection begins anew, behind the last event") {
  Seen seen;
  seen.stream.feed("id: 7-1\ndata: x\n\nevent: half\ndata: of an ev");
  seen.stream.restart();
  CHECK(seen.stream.last_id() == "7-1");
  seen.stream.feed("data: y\n\n");
  REQUIRE(seen.events.size() == 2);
  CHECK(seen.events[1].type.empty());
  CHECK(seen.events[1].data == "y");
}

TEST_CASE("event stream: a line without an end does not fill the memory") {
  Seen seen;
  for (int i = 0; i < 5; ++i) seen.stream.feed(std::string(std::size_t{1} << 19U, 'x'));
  seen.stream.feed("\n\ndata: y\n\n");
  CHECK(seen.events.size() == 1);
}

}  // namespace kscpush::cli
