// GET /v1/events: who listens, what they are told, and what a slow one costs.
#include "tests/unit/server/api_support.hpp"

namespace kscpush::test {
namespace {

using server::EventFeed;
using server::EventFeedOptions;
using server::EventFilter;

// A client at the other end of a stream; takes what it is sent unless it is told not to.
class Client final : public server::HttpStream {
 public:
  void on_progress(std::function<void()> call) override { progress_ = std::move(call); }
  void send(std::string text) override {
    const std::scoped_lock lock(mutex_);
    text_ += text;
    if (!reads_) unsent_ += text.size();
  }
  void end() override { ended_ = true; }
  [[nodiscard]] std::size_t unsent() const override { return unsent_; }
  [[nodiscard]] bool gone() const override { return gone_; }

  void stop_reading() { reads_ = false; }
  void read_again() {
    reads_ = true;
    unsent_ = 0;
    progress_();
  }
  void go_away() {
    gone_ = true;
    progress_();
  }
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] std::string text() const {
    const std::scoped_lock lock(mutex_);
    return text_;
  }
  void wait_for(const std::string& words) const {
    wait_until([&] { return text().find(words) != std::string::npos; });
  }
  [[nodiscard]] std::size_t count(const std::string& words) const {
    std::size_t found = 0;
    const std::string all = text();
    for (std::size_t at = all.find(words); at != std::string::npos; at = all.find(words, at + 1)) {
      ++found;
    }
    return found;
  }
  // The id of the last event.
  [[nodiscard]] std::string last_id() const {
    const std::string all = text();
    const std::size_t at = all.rfind("id: ") + 4;
    return all.substr(at, all.find('\n', at) - at);
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
  std::function<void()> progress_;
  std::atomic<bool> reads_ = true;
  std::atomic<bool> ended_ = false;
  std::atomic<bool> gone_ = false;
  std::atomic<std::size_t> unsent_ = 0;
};

std::shared_ptr<Client> follow(EventFeed& feed, const EventFilter& filter = {},
                               const std::string& last_id = "") {
  const auto response = feed.listen(filter, last_id);
  REQUIRE(response.has_value());
  CHECK(response->content_type == "text/event-stream");
  auto client = std::make_shared<Client>();
  response->stream(client);
  // It listens from its first words on.
  wait_until([&] { return !client->text().empty(); });
  return client;
}

struct Feed {
  explicit Feed(const EventFeedOptions& options = {}) : server(site.start()) {
    feed = std::make_unique<EventFeed>(*server, options);
  }
  [[nodiscard]] WallTime now() const { return server->clock().wall(); }
  void connected(std::string_view device) const {
    server->events().device(server::EventType::kDeviceConnected, device, now());
  }
  TestSite site;
  std::unique_ptr<server::PushServer> server;
  std::unique_ptr<EventFeed> feed;
};

std::string of_device(std::string_view id) {
  return fmt::format("\"device\":\"{}\"", id);
}

}  // namespace

TEST_CASE("events: what happens once somebody is said to listen is told, however late it begins") {
  const Feed feed;
  feed.connected("before");
  const auto response = feed.feed->listen({}, "");
  REQUIRE(response.has_value());
  CHECK(feed.feed->listeners() == 1);
  feed.connected("meanwhile");
  auto client = std::make_shared<Client>();
  response->stream(client);
  client->wait_for(of_device("meanwhile"));
  CHECK(client->text().find(of_device("before")) == std::string::npos);
}

TEST_CASE("events: a device that comes and goes, and the life of a push") {
  const Api api;
  const auto response = api.ask("GET", "/v1/events");
  REQUIRE(response.status == 200);
  auto client = std::make_shared<Client>();
  response.stream(client);
  wait_until([&] { return !client->text().empty(); });
  std::string id;
  {
    SocketDevice device(api.plain_port(), {.id = "pc-1"});
    device.go_online();
    client->wait_for("event: device.connected\ndata: {\"at\":");
    const auto pushed = api.ask("POST", "/v1/devices/pc-1/pushes", R"({"kind":"sync"})");
    id = json::parse(pushed.body)["id"];
    CHECK(device.next_line() == "publish 1 sync " + id);
    device.ack(1);
    client->wait_for("event: push.acked");
  }
  client->wait_for("event: device.disconnected");
  CHECK(client->text().find("\"reason\":\"connection_lost\"") != std::string::npos);
  const std::string text = client->text();
  CHECK(text.find("event: push.stored") < text.find("event: push.sent"));
  CHECK(text.find("event: push.sent") < text.find("event: push.acked"));
  CHECK(client->count("\"id\":\"" + id + "\"") == 3);
}

TEST_CASE("events: filters of type, device and group") {
  const Feed feed;
  const auto one = follow(*feed.feed, EventFilter::parse("device", "pc-1", "").value());
  const auto types = follow(*feed.feed, EventFilter::parse("server,push.acked", "", "").value());
  const auto group = follow(*feed.feed, EventFilter::parse("", "", "Managed devices").value());
  feed.connected("pc-2");
  feed.connected("none");
  feed.connected("pc-1");
  feed.server->drain(std::chrono::seconds(60));
  one->wait_for(of_device("pc-1"));
  CHECK(one->count("event: ") == 1);
  types->wait_for("event: server.draining");
  CHECK(types->count("event: ") == 1);
  group->wait_for(of_device("pc-1"));
  CHECK(group->count(of_device("pc-2")) == 1);
  CHECK(group->count(of_device("none")) == 0);
  CHECK(EventFilter::parse("push.lost", "", "").error().field == "type");
  CHECK(EventFilter::parse("", "a b", "").error().field == "device");
}

TEST_CASE("events: who was away for a moment goes on where it was") {
  const Feed feed;
  std::string last;
  {
    const auto client = follow(*feed.feed);
    feed.connected("pc-1");
    client->wait_for(of_device("pc-1"));
    last = client->last_id();
    client->go_away();
    wait_until([&] { return feed.feed->listeners() == 0; });
  }
  feed.connected("pc-2");
  feed.connected("pc-3");
  const auto again = follow(*feed.feed, {}, last);
  again->wait_for(of_device("pc-3"));
  CHECK(again->count("event: ") == 2);
  CHECK(again->count("event: reset") == 0);
}

TEST_CASE("events: who has missed some is told so") {
  const Feed feed;
  feed.connected("pc-1");
  for (const char* last : {"1-1", "nonsense", "-", "99999999999999999999-1"}) {
    CAPTURE(last);
    const auto client = follow(*feed.feed, {}, last);
    client->wait_for("event: reset");
    client->wait_for(of_device("pc-1"));  // with all that there is of this run
  }
  const std::string run = follow(*feed.feed)->last_id();
  const std::string first = run.substr(0, run.find('-')) + "-1";
  const std::string future = run.substr(0, run.find('-')) + "-1000000";
  follow(*feed.feed, {}, future)->wait_for("event: reset");
  for (std::size_t i = 0; i < server::EventLog::kKept + 1; ++i) feed.connected("pc-2");
  const auto late = follow(*feed.feed, {}, first);
  late->wait_for("event: reset");
  CHECK(late->text().find("too much has happened") != std::string::npos);
}

TEST_CASE("events: that a device has missed something, and that it is made up for") {
  const Feed feed;
  const auto client = follow(*feed.feed, EventFilter::parse("device", "pc-1", "").value());
  server::EventLog& log = feed.server->events();
  using server::ResyncChange;
  const auto id = device_id("pc-1");
  log.resyncs({ResyncChange{device_id("pc-2"), {}, server::ResyncReason::kExpired},
               ResyncChange{id, {}, server::ResyncReason::kOverflow}, ResyncChange{id, {}, {}}});
  client->wait_for("event: device.resynchronized\ndata: {\"at\":");
  CHECK(client->count("event: device.resync_required") == 1);
  CHECK(client->count(R"("device":"pc-1","reason":"overflow"})") == 1);
}

TEST_CASE("events: a reader that does not read is let go when it would miss something") {
  const Feed feed({.unsent_bytes = 1000});
  const auto slow = follow(*feed.feed);
  const auto quick = follow(*feed.feed);
  slow->stop_reading();
  feed.connected("first");
  slow->wait_for(of_device("first"));
  std::size_t sent = 1;
  for (; sent < server::EventLog::kKept; ++sent) feed.connected("pc-1");
  quick->wait_for(of_device("pc-1"));
  wait_until([&] { return quick->count("event: device.connected") == sent; });
  CHECK(slow->unsent() < 200'000);  // one batch beyond the bound at most
  CHECK_FALSE(slow->ended());
  for (; sent < 2 * server::EventLog::kKept + 500; ++sent) {
    feed.connected("pc-2");
    // The quick one keeps up.
    if (sent % 1000 == 0) {
      wait_until([&] { return quick->count("event: device.connected") > sent; });
    }
  }
  slow->read_again();
  slow->wait_for("event: overflow");
  wait_until([&] { return slow->ended(); });
  wait_until([&] { return feed.feed->listeners() == 1; });
  CHECK(feed.feed->overflows() == 1);
  CHECK(quick->count("event: overflow") == 0);
}

TEST_CASE("events: a reader that was slow for a while gets all of it") {
  const Feed feed({.unsent_bytes = 1000});
  const auto slow = follow(*feed.feed);
  slow->stop_reading();
  for (int i = 0; i < 1000; ++i) feed.connected("pc-1");
  wait_until([&] { return slow->unsent() >= 1000; });
  slow->read_again();
  wait_until([&] { return slow->count("event: device.connected") == 1000; });
}

TEST_CASE("events: heartbeats while nothing happens, with the newest id") {
  const Feed feed({.heartbeat = std::chrono::milliseconds(5)});
  const auto client = follow(*feed.feed, EventFilter::parse("push", "", "").value());
  feed.connected("pc-1");
  wait_until([&] { return client->count(": alive\n") > 2; });
  const std::string id = client->last_id();
  CHECK(id.substr(id.find('-')) == "-1");
}

TEST_CASE("events: no more listeners than there may be, and room again when one goes") {
  const Feed feed({.listeners = 2});
  const auto first = follow(*feed.feed);
  const auto second = follow(*feed.feed);
  CHECK(feed.feed->listen({}, "").error().code == ErrorCode::kOverloaded);
  first->go_away();
  wait_until([&] { return feed.feed->listeners() == 1; });
  follow(*feed.feed);
}

TEST_CASE("events: stopping ends the streams") {
  const Feed feed;
  const auto client = follow(*feed.feed);
  feed.feed->stop();
  CHECK(client->ended());
  const auto late = feed.feed->listen({}, "");
  REQUIRE(late.has_value());
  auto latecomer = std::make_shared<Client>();
  late->stream(latecomer);
  CHECK(latecomer->ended());
}

}  // namespace kscpush::test
