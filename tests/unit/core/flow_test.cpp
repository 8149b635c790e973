#include "core/flow.hpp"

#include <array>
#include <deque>

#include <doctest/doctest.h>

namespace kscpush {
namespace {

using Kind = IoResult::Kind;
using Next = Flow::Next;

constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};

// Gives its pieces one by one, and then what END says.
struct Source {
  std::deque<std::string> pieces;
  Kind end = Kind::kWantRead;
  int reads = 0;

  IoResult read(std::span<char> into) {
    ++reads;
    if (pieces.empty()) return {end, 0};
    std::string& piece = pieces.front();
    const std::size_t n = std::min(piece.size(), into.size());
    std::copy_n(piece.begin(), n, into.begin());
    piece.erase(0, n);
    if (piece.empty()) pieces.pop_front();
    return {Kind::kBytes, n};
  }
};

// Takes as many bytes as it has room for.
struct Sink {
  std::string taken;
  std::size_t room = 1'000'000;
  bool can_shut = true;
  bool shut = false;
  bool broken = false;

  IoResult write(std::string_view bytes) {
    if (broken) return {Kind::kError, 0};
    const std::size_t n = std::min(room, bytes.size());
    if (n == 0) return {Kind::kWantWrite, 0};
    taken += bytes.substr(0, n);
    room -= n;
    return {Kind::kBytes, n};
  }
  IoResult shutdown_write() {
    if (!can_shut) return {Kind::kWantWrite, 0};
    shut = true;
    return {Kind::kBytes, 0};
  }
};

struct Run {
  Next run(std::size_t budget = 1'000'000, std::uint64_t most = kNoLimit) {
    return flow.run(source, sink, scratch, budget, most);
  }
  Flow flow;
  Source source;
  Sink sink;
  std::array<char, 8> scratch{};
};

}  // namespace

TEST_CASE("flow: what comes is passed on, and then it waits for more") {
  Run run;
  run.source.pieces = {"one ", "two ", "three four five"};
  CHECK(run.run() == Next::kReadSource);
  CHECK(run.sink.taken == "one two three four five");
  CHECK(run.flow.bytes() == 23);
  CHECK_FALSE(run.sink.shut);
}

TEST_CASE("flow: the end comes after the last byte, and once") {
  Run run;
  run.source.pieces = {"all of it"};
  run.source.end = Kind::kEnd;
  CHECK(run.run() == Next::kDone);
  CHECK(run.sink.taken == "all of it");
  CHECK(run.sink.shut);
  CHECK(run.flow.done());
  run.sink.shut = false;
  CHECK(run.run() == Next::kDone);
  CHECK_FALSE(run.sink.shut);
}

TEST_CASE("flow: a sink that takes nothing stops the reading") {
  Run run;
  run.source.pieces = {"0123456789", "abcdef"};
  run.source.end = Kind::kEnd;
  run.sink.room = 3;
  CHECK(run.run() == Next::kWriteSink);
  CHECK(run.flow.bytes() == 3);
  const int reads = run.source.reads;
  CHECK(run.run() == Next::kWriteSink);
  CHECK(run.source.reads == reads);
  run.sink.room = 2;
  CHECK(run.run() == Next::kWriteSink);
  CHECK(run.source.reads == reads);
  run.sink.room = 100;
  run.sink.can_shut = false;
  CHECK(run.run() == Next::kWriteSink);  // for the word that it is the end
  CHECK_FALSE(run.flow.done());
  run.sink.can_shut = true;
  CHECK(run.run() == Next::kDone);
  CHECK(run.sink.taken == "0123456789abcdef");
}

TEST_CASE("flow: what was read before a source is lost still arrives") {
  Run run;
  run.source.pieces = {"last words"};
  run.source.end = Kind::kError;
  CHECK(run.run() == Next::kSourceLost);
  CHECK(run.sink.taken == "last words");
  CHECK_FALSE(run.sink.shut);
}

TEST_CASE("flow: a sink that is lost ends it") {
  Run run;
  run.source.pieces = {"for nobody"};
  run.sink.broken = true;
  CHECK(run.run() == Next::kSinkLost);
  CHECK(run.flow.bytes() == 0);
}

TEST_CASE("flow: others have their turn after its budget") {
  Run run;
  run.source.pieces = {std::string(20, 'x')};
  CHECK(run.run(/*budget=*/8) == Next::kAgain);
  CHECK(run.flow.bytes() == 8);
  CHECK(run.run(8) == Next::kAgain);
  CHECK(run.run(8) == Next::kReadSource);
  CHECK(run.flow.bytes() == 20);
}

TEST_CASE("flow: others have their turn after so many reads, however little each gave") {
  Run run;
  run.source.pieces = std::deque<std::string>(600, "x");
  CHECK(run.run() == Next::kAgain);
  CHECK(run.source.reads == Flow::kMostReads);
  CHECK(run.flow.bytes() == Flow::kMostReads);
  CHECK(run.run() == Next::kAgain);
  CHECK(run.run() == Next::kReadSource);
  CHECK(run.sink.taken == std::string(600, 'x'));
}

TEST_CASE("flow: no byte passes beyond its cap, and the cap itself is no end") {
  Run run;
  run.source.pieces = {"0123456789"};
  CHECK(run.run(100, /*most=*/4) == Next::kCapped);
  CHECK(run.sink.taken == "0123");
  Run exact;
  exact.source.pieces = {"0123456789"};
  exact.source.end = Kind::kEnd;
  CHECK(exact.run(100, 10) == Next::kDone);
  CHECK(exact.sink.taken == "0123456789");
}

TEST_CASE("flow: TLS may want the other of the two") {
  Run run;
  run.source.end = Kind::kWantWrite;
  CHECK(run.run() == Next::kWriteSource);
  run.source.end = Kind::kWantRead;
  CHECK(run.run() == Next::kReadSource);
}

TEST_CASE("flow: what was read already goes first") {
  Run run;
  run.flow = Flow("before ");
  run.source.pieces = {"after"};
  CHECK(run.run() == Next::kReadSource);
  CHECK(run.sink.taken == "before after");
  CHECK(run.flow.bytes() == 12);
}

}  // namespace kscpush
