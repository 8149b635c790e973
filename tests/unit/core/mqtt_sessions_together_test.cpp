// The client session and the server session, talking to each other.
#include <algorithm>
#include <memory>
#include <utility>

#include "core/mqtt/client_session.hpp"
#include "core/mqtt/session.hpp"
#include "tests/unit/core/mqtt_testing.hpp"

namespace kscpush::mqtt {

using namespace testing;
using Phase = ClientSession::Phase;
using Publishing = ClientSession::Publishing;

namespace {

bool has(const Calls& calls, const std::string& call) {
  return std::ranges::find(calls, call) != calls.end();
}

// A client and a server session joined by two buffers, moved over in pieces of so many bytes.
struct Pair {
  explicit Pair(std::size_t piece_bytes) : client(client_options()), piece(piece_bytes) {}

  void connect() {
    server = std::make_unique<Session>(limits, now);
    server_log = std::make_unique<Recorder>();
    client.start(now, client_log);
    run();
    server->accept(std::move(kept), has_kept, wall, *server_log);
    run();
  }
  void cut() {
    client.connection_lost(client_log);
    server->connection_lost(*server_log);
    kept = server->take_state();
    has_kept = true;
    to_server.clear();
    to_client.clear();
    client_log.output_.clear();
  }
  void run() {
    for (int i = 0; i < 100'000; ++i) {
      to_server += std::exchange(client_log.output_, {});
      to_client += std::exchange(server_log->output_, {});
      const std::size_t moved = move(to_server, at_server) + move(to_client, at_client);
      at_server.erase(0, server->receive(at_server, now, *server_log));
      at_client.erase(0, client.receive(at_client, now, client_log));
      if (moved == 0 && client_log.output_.empty() && server_log->output_.empty()) return;
    }
    FAIL("client and server never come to rest");
  }
  std::size_t move(std::string& from, std::string& to) const {
    const std::size_t count = std::min(piece, from.size());
    to.append(from, 0, count);
    from.erase(0, count);
    return count;
  }

  MonoTime now{1h};
  WallTime wall{std::chrono::milliseconds(1'700'000'000'000)};
  Limits limits;
  ClientSession client;
  ClientRecorder client_log;
  std::unique_ptr<Session> server;
  std::unique_ptr<Recorder> server_log;
  SessionState kept;
  bool has_kept = false;
  std::size_t piece;
  std::string to_server, at_server, to_client, at_client;
};

}  // namespace

TEST_CASE("client and server sessions understand each other, in pieces of any size") {
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{64}, std::size_t{100'000}}) {
    CAPTURE(piece);
    Pair pair(piece);
    pair.connect();
    CHECK(pair.client.phase() == Phase::kReady);
    CHECK(pair.server_log->calls_ ==
          Calls{"connect pc-1 v5 resume keep_alive=100 expiry=172800 agent=0.1.0", "subscribed"});
    CHECK(pair.client_log.calls_ == Calls{"ready"});
    pair.client_log.calls_.clear();
    pair.server_log->calls_.clear();

    const std::string large(6'000, 'x');
    CHECK(pair.server->deliver(push(1, large, pair.wall + 10s, *Ulid::parse(kPushId)), pair.wall,
                               *pair.server_log) == Session::Delivery::kSent);
    CHECK(pair.client.publish(UpTopic::kResult, "{\"ok\":true}", 1, 5, pair.now, pair.client_log) ==
          Publishing::kSent);
    CHECK(pair.client.publish(UpTopic::kState, "s", 0, 0, pair.now, pair.client_log) ==
          Publishing::kSent);
    pair.run();
    CHECK(pair.client_log.calls_.size() == 2);
    CHECK(has(pair.client_log.calls_, "push " + large + " " + std::string(kPushId)));
    CHECK(has(pair.client_log.calls_, "published 5 success"));
    CHECK(has(pair.server_log->calls_, "message result {\"ok\":true}"));
    CHECK(has(pair.server_log->calls_, "message state s"));
    CHECK(has(pair.server_log->calls_, "acked 1 success"));
  }
}

TEST_CASE("client and server sessions: both sides send again after a cut") {
  Pair pair(16);
  pair.connect();
  CHECK(pair.server->deliver(push(1, "p1"), pair.wall, *pair.server_log) ==
        Session::Delivery::kSent);
  pair.client.publish(UpTopic::kEvent, "e1", 1, 7, pair.now, pair.client_log);
  pair.server_log->output_.clear();  // lost on the way, both
  pair.client_log.output_.clear();
  pair.client_log.calls_.clear();
  pair.cut();
  pair.connect();
  CHECK(pair.client_log.calls_ ==
        Calls{"end connection_lost 0x00", "ready resumed", "push p1 dup", "published 7 success"});
  CHECK(pair.server_log->calls_ ==
        Calls{"connect pc-1 v5 resume keep_alive=100 expiry=172800 agent=0.1.0", "subscribed",
              "message event e1", "acked 1 success"});
  CHECK(pair.server->state().in_flight.empty());
}

TEST_CASE("client and server sessions: an idle hour of pings") {
  Pair pair(16);
  pair.connect();
  int pings = 0;
  const MonoTime end = pair.now + 1h;
  while (pair.now < end) {
    pair.now = std::min(pair.client.deadline(), pair.server->keep_alive_deadline());
    pair.client.tick(pair.now, pair.client_log);
    pair.server->tick(pair.now, *pair.server_log);
    ++pings;
    pair.run();
  }
  CHECK(pings == 40);
  CHECK(pair.client.phase() == Phase::kReady);
  CHECK(pair.server->phase() == Session::Phase::kActive);
}

}  // namespace kscpush::mqtt
