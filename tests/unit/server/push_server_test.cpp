// The whole push server in this process: its threads, its store, real sockets.
#include "server/push_server.hpp"

#include <atomic>
#include <future>
#include <thread>

#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>

#include "server/metrics.hpp"
#include "tests/support/net/shard_rig.hpp"
#include "tests/support/net/socket_device.hpp"

namespace kscpush::test {
namespace {

using server::PingReport;
using server::PushRecord;
using server::PushRequest;
using server::PushServer;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A callback's answer, waited for.
template <class T>
struct Answer {
  std::promise<T> promise;
  auto take() {
    return [this](T value) { promise.set_value(std::move(value)); };
  }
  T get() {
    auto future = promise.get_future();
    if (future.wait_for(kPatience) != std::future_status::ready) {
      throw std::runtime_error("no answer");
    }
    return future.get();
  }
};

Result<PushRecord> push(PushServer& server, std::string_view id,
                        const PushRequest& request = {.kind = "sync"}) {
  Answer<Result<server::OncePush>> answer;
  server.push(device_id(id), request, answer.take());
  return answer.get().map([](auto pushed) { return std::move(pushed.push); });
}

Result<PingReport> ping(PushServer& server, std::string_view id, Duration timeout = seconds(10)) {
  Answer<Result<PingReport>> answer;
  server.ping(device_id(id), timeout, answer.take());
  return answer.get();
}

std::optional<server::DeviceView> view(PushServer& server, std::string_view id) {
  Answer<std::optional<server::DeviceView>> answer;
  server.view(device_id(id), answer.take());
  return answer.get();
}

// With a plain listener, which the tests that are not about TLS use.
struct Plain {
  explicit Plain(std::uint32_t pending_per_device = 50) {
    site.config.dp.push_server.limits.pending_per_device = pending_per_device;
    site.config.dp.push_server.plain_listener = site::ListenAddress{"127.0.0.1", free_port()};
    server = site.start();
  }
  [[nodiscard]] Port port() const { return site.config.dp.push_server.plain_listener->port; }
  TestSite site;
  std::unique_ptr<PushServer> server;
};

PushState state(PushServer& server, const PushRecord& push) {
  server.store().drain();
  return server.store().find_push(push.id).value()->state;
}

}  // namespace

TEST_CASE("server: a device over TLS gets a push, acknowledges it, is pinged") {
  TestSite site;
  const auto server = site.start();
  const Port port = site.config.dp.push_server.port;
  SocketDevice device(port, {}, site, site.enroll("pc-1"));
  device.go_online();
  CHECK(server->connected() == 1);
  const auto seen = view(*server, "pc-1");
  REQUIRE(seen.has_value());
  CHECK(seen->subscribed);

  const auto stored = push(*server, "pc-1");
  REQUIRE(stored.has_value());
  CHECK(stored->state == PushState::kStored);
  CHECK(device.next_line() == "publish 1 " + shown(*stored));
  device.ack(1);
  device.send(pingreq_bytes());
  CHECK(device.next_line() == "pingresp");
  CHECK(state(*server, *stored) == PushState::kAcked);

  auto pinged = std::async(std::launch::async, [&] { return ping(*server, "pc-1"); });
  device.ack(device.next().packet_id);
  const auto report = pinged.get();
  REQUIRE(report.has_value());
  CHECK(report->probe.puback.has_value());
}

TEST_CASE("server: the certificate's name is the only one a device may use") {
  TestSite site;
  const auto server = site.start();
  SocketDevice device(site.config.dp.push_server.port, {.id = "pc-2"}, site, site.enroll("pc-1"));
  device.connect();
  CHECK(device.next_line() == "connack 87");
  CHECK(device.wait_for_end());
}

TEST_CASE("server: devices that come to any shard are found on theirs") {
  Plain plain;
  std::vector<std::unique_ptr<SocketDevice>> devices;
  // The kernel picks the shard by the connection's port: with 24 both have been picked.
  for (int round = 0; round < 8; ++round) {
    for (const char* id : {"pc-1", "pc-2", "pc-3"}) {
      devices.push_back(std::make_unique<SocketDevice>(plain.port(), ConnectSpec{.id = id}));
      devices.back()->go_online();
      REQUIRE(view(*plain.server, id).has_value());
    }
  }
  CHECK(plain.server->connected() == 3);
  Answer<std::vector<std::optional<server::DeviceView>>> answer;
  plain.server->views({device_id("pc-3"), device_id("none"), device_id("pc-1")}, answer.take());
  const auto views = answer.get();
  CHECK(views[0].has_value());
  CHECK_FALSE(views[1].has_value());
  CHECK(views[2].has_value());
}

TEST_CASE("server: what makes no sense is refused before anything is stored") {
  Plain plain;
  PushServer& server = *plain.server;
  CHECK(push(server, "pc-1", {.kind = "nonsense"}).error().code == ErrorCode::kUsage);
  CHECK(push(server, "none").error().code == ErrorCode::kNotFound);
  CHECK(push(server, "pc-1", {.kind = "sync", .ttl = seconds(-1)}).error().code ==
        ErrorCode::kUsage);
  CHECK(push(server, "pc-1", {.kind = "sync", .ttl = kMaxTtl + seconds(1)}).error().code ==
        ErrorCode::kUsage);
  const std::string large = R"({"x":")" + std::string(70'000, 'x') + "\"}";
  CHECK(push(server, "pc-1", {.kind = "sync", .params = large}).error().code ==
        ErrorCode::kTooLarge);
  CHECK(ping(server, "none").error().code == ErrorCode::kNotFound);
  CHECK(ping(server, "pc-1").error().code == ErrorCode::kOffline);
  CHECK(ping(server, "pc-1", seconds(0)).error().code == ErrorCode::kUsage);
  CHECK(ping(server, "pc-1", seconds(61)).error().code == ErrorCode::kUsage);
  CHECK(server.store().list_pushes({.device = device_id("pc-1")}, 0, 10)->pushes.empty());
}

TEST_CASE("server: a kind that needs the device now is not stored for one that is away") {
  Plain plain;
  CHECK(push(*plain.server, "pc-1", {.kind = "ping"}).error().code == ErrorCode::kOffline);
  CHECK(push(*plain.server, "pc-1", {.kind = "ping", .ttl = seconds(60)}).has_value());
  SocketDevice device(plain.port(), {.id = "pc-2"});
  device.go_online();
  const auto stored = push(*plain.server, "pc-2", {.kind = "ping"});
  REQUIRE(stored.has_value());
  CHECK(device.next_line() == "publish 1 " + shown(*stored));
}

TEST_CASE("server: a second wake takes the place of one that waits") {
  Plain plain;
  const auto first = push(*plain.server, "pc-1").value();
  const auto second = push(*plain.server, "pc-1").value();
  CHECK(state(*plain.server, first) == PushState::kSuperseded);
  SocketDevice device(plain.port(), {});
  device.go_online();
  CHECK(device.next_line() == "publish 1 " + shown(second));
}

TEST_CASE("server: a client that a full queue had miss something is brought level when it comes") {
  Plain plain(2);
  PushServer& server = *plain.server;
  const PushRequest question{.kind = "ping", .ttl = seconds(60)};
  REQUIRE(push(server, "pc-1", question).has_value());
  REQUIRE(push(server, "pc-1", question).has_value());
  CHECK(push(server, "pc-1").error().code == ErrorCode::kOverloaded);
  const auto resync = [&] { return server.store().find_device(device_id("pc-1")).value()->resync; };
  REQUIRE(resync().has_value());
  CHECK(resync()->reason == server::ResyncReason::kOverflow);
  CHECK(render_metrics(server).find("kscpush_devices_resync_required 1\n") != std::string::npos);
  const auto next_sync = [](SocketDevice& device, bool acknowledged) {
    for (;;) {
      const ServerPacket packet = device.next();
      const auto message = decode_push(packet.payload).value();
      if (message.kind != "sync" || acknowledged) device.ack(packet.packet_id);
      if (message.kind == "sync") return std::string(message.id.str());
    }
  };
  std::string sent;
  {
    SocketDevice device(plain.port(), {});
    device.go_online();
    sent = next_sync(device, false);
  }
  // Not acknowledged, it comes again, and no other with it.
  SocketDevice device(plain.port(), {});
  device.go_online();
  CHECK(next_sync(device, true) == sent);
  device.send(pingreq_bytes());
  // The second ping may come late: its acknowledgements overtook the sync's way to the disk.
  std::string line = device.next_line();
  if (line.find(" ping ") != std::string::npos) line = device.next_line();
  CHECK(line == "pingresp");
  server.store().drain();
  CHECK_FALSE(resync().has_value());
}

TEST_CASE("server: stop tells the devices and what is stored outlives it") {
  Plain plain;
  SocketDevice device(plain.port(), {});
  device.go_online();
  const auto waiting = push(*plain.server, "pc-2").value();
  plain.server->stop();
  CHECK_FALSE(plain.server->ready());
  CHECK(device.next_line() == "disconnect 8b");
  CHECK(device.wait_for_end());
  plain.server.reset();
  plain.server = plain.site.start();
  SocketDevice other(plain.port(), {.id = "pc-2"});
  other.go_online();
  CHECK(other.next_line() == "publish 1 " + shown(waiting));
}

TEST_CASE("server: stopped, it answers that it is") {
  Plain plain;
  plain.server->stop();
  CHECK(push(*plain.server, "pc-1").error().code == ErrorCode::kUnreachable);
  CHECK(ping(*plain.server, "pc-1").error().code == ErrorCode::kUnreachable);
  CHECK_FALSE(view(*plain.server, "pc-1").has_value());
  CHECK(plain.server->connected() == 0);
  plain.server->stop();
}

TEST_CASE("regression: stopping while others ask answers each of them once, and ends") {
  Plain plain;
  PushServer& server = *plain.server;
  SocketDevice device(plain.port(), {});
  device.go_online();
  std::atomic<int> asked = 0;
  std::atomic<int> answered = 0;
  std::atomic<bool> enough = false;
  const auto ask = [&] {
    for (int i = 0; i < 2000 && !enough; ++i) {
      asked += 4;
      server.push(device_id("pc-1"), {.kind = "ping"}, [&](const auto&) { ++answered; });
      server.ping(device_id("pc-1"), seconds(5), [&](const auto&) { ++answered; });
      server.view(device_id("pc-1"), [&](const auto&) { ++answered; });
      server.views({device_id("pc-1"), device_id("pc-2")}, [&](const auto&) { ++answered; });
      static_cast<void>(render_metrics(server));
    }
  };
  std::thread first(ask);
  std::thread second(ask);
  // The first push shows that the two have begun.
  CHECK(device.next().type == mqtt::PacketType::kPublish);
  server.stop();
  enough = true;
  first.join();
  second.join();
  CHECK(answered == asked);
}

TEST_CASE("server: does not start when something is wrong, and says what") {
  TestSite site;
  auto& settings = site.config.dp.push_server;
  SUBCASE("it is off") {
    settings.enabled = false;
    const Error error = site.try_start().error();
    CHECK(error.code == ErrorCode::kInvalidConfig);
    CHECK(error.hint.find("kscpush dp enable dp-1") != std::string::npos);
  }
  SUBCASE("the port is taken") {
    asio::io_context loop;
    const asio::ip::tcp::acceptor other(
        loop, {asio::ip::make_address("127.0.0.1"), settings.port.value()});
    CHECK(site.try_start().error().code == ErrorCode::kConflict);
  }
  SUBCASE("the plain port is taken") {
    asio::io_context loop;
    const Port port = free_port();
    const asio::ip::tcp::acceptor other(loop, {asio::ip::make_address("127.0.0.1"), port.value()});
    settings.plain_listener = site::ListenAddress{"127.0.0.1", port};
    CHECK(site.try_start().error().code == ErrorCode::kConflict);
  }
  SUBCASE("the state directory is another's") {
    const auto running = site.start();
    settings.port = free_port();
    CHECK(site.try_start().error().code == ErrorCode::kConflict);
  }
  SUBCASE("the key is another's") {
    site.config.paths.key = site.enroll("pc-1").key;
    CHECK(site.try_start().error().code == ErrorCode::kInvalidConfig);
  }
}

TEST_CASE("server: a device that resets while it is written to does no harm") {
  TestSite site;
  const auto server = site.start();
  const Port port = site.config.dp.push_server.port;
  const auto files = site.enroll("pc-1");
  for (int i = 0; i < 5; ++i) {
    SocketDevice device(port, {}, site, files);
    device.go_online();
    REQUIRE(push(*server, "pc-1", {.kind = "ping", .ttl = seconds(900)}).has_value());
    device.reset();
  }
  SocketDevice device(port, {}, site, files);
  device.go_online();
  CHECK(device.next().type == mqtt::PacketType::kPublish);
}

TEST_CASE("metrics: sums of all shards, each family with help and type") {
  Plain plain;
  SocketDevice first(plain.port(), {.id = "pc-1"});
  SocketDevice second(plain.port(), {.id = "pc-2"});
  first.go_online();
  second.go_online();
  SocketDevice stranger(plain.port(), {.id = "stranger"});
  stranger.connect();
  CHECK(stranger.next_line() == "connack 87");
  first.send(disconnect_bytes(first.spec));
  CHECK(first.wait_for_end());
  const std::string text = render_metrics(*plain.server);
  const auto has = [&](const std::string& line) {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
  };
  CHECK(has("kscpush_connections_accepted_total 3"));
  CHECK(has("kscpush_devices_connected 1"));
  CHECK(has("kscpush_handshakes 0"));
  CHECK(has("kscpush_connects_refused_total 1"));
  CHECK(has("kscpush_connections_ended_total{reason=\"device_disconnected\"} 1"));
  CHECK(has("kscpush_connections_ended_total{reason=\"refused\"} 1"));
  CHECK(has("kscpush_connections_ended_total{reason=\"slow_reader\"} 0"));
  CHECK(has("kscpush_max_connections 50000"));
  CHECK(has("kscpush_pushes_pending 0"));
  CHECK(has("kscpush_oldest_pending_seconds 0"));
  CHECK(has("kscpush_database_limit_bytes 4294967296"));
  CHECK(has("kscpush_push_step_failures_total 0"));
  CHECK(has("kscpush_store_queued_changes 0"));
  CHECK(text.find("\nkscpush_database_used_bytes ") != std::string::npos);

  // Every sample belongs to the family whose HELP and TYPE stand before it.
  std::istringstream lines(text);
  std::string family;
  std::string type;
  std::size_t samples = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      CHECK(line.size() > 7 + family.size() + 1);
    } else if (line.starts_with("# TYPE ")) {
      CHECK(line.starts_with("# TYPE " + family + " "));
      type = line.substr(line.rfind(' ') + 1);
    } else {
      ++samples;
      CHECK(line.substr(0, line.find_first_of(" {")) == family);
      CHECK((type == "counter") == family.ends_with("_total"));
      CHECK_NOTHROW(static_cast<void>(std::stod(line.substr(line.rfind(' ') + 1))));
    }
  }
  CHECK(samples > 20);
}

TEST_CASE("server: drained, it sends devices to the next push server in their order, evenly") {
  TestSite site;
  site::Site whole;
  whole.groups.push_back({"Managed devices/Berlin", {}});
  site::DistributionPoint other = site.config.dp;
  other.name = "dp-2";
  other.address = "dp-2.example.com";
  site.config.dp.push_server.plain_listener = site::ListenAddress{"127.0.0.1", free_port()};
  whole.distribution_points = {site.config.dp, other};
  site.config.site = std::make_shared<const site::Site>(whole);
  const auto server = site.start();
  const Port port = site.config.dp.push_server.plain_listener->port;
  SocketDevice first(port, {.id = "pc-1"});
  first.go_online();
  SocketDevice second(port, {.id = "pc-2", .version = mqtt::Version::kV311});
  second.go_online();
  server->drain(std::chrono::seconds(1));
  CHECK_FALSE(server->ready());
  const ServerPacket told = first.next();
  CHECK(to_string(told) == "disconnect 9c");
  CHECK(told.server_reference ==
        fmt::format("dp-2.example.com:{}", other.push_server.port.value()));
  CHECK(second.wait_for_end());
  SocketDevice late(port, {.id = "pc-3"});
  late.connect();
  CHECK(late.next_line() == "connack 9c");
  server->stop_draining();
  CHECK(server->ready());
  SocketDevice back(port, {.id = "pc-3"});
  back.go_online();
}

TEST_CASE("server: one that has stopped takes no configuration and ends no rollout") {
  Plain plain;
  plain.server->stop();
  bool committed = false;
  const auto changed = plain.server->reconfigure(plain.site.config, [&]() -> Status {
    committed = true;
    return {};
  });
  CHECK(changed.error().code == ErrorCode::kUnreachable);
  CHECK_FALSE(committed);
  Answer<Result<server::RolloutProgress>> cancelled;
  plain.server->cancel_rollout(Ulid::generate(system_clock().wall()), "", cancelled.take());
  CHECK(cancelled.get().error().code == ErrorCode::kUnreachable);
}

TEST_CASE("server: a rollout that is being stored is stored when it has stopped") {
  Plain plain;
  PushServer& server = *plain.server;
  // Two parts more than the change that begins it.
  std::vector<DeviceId> many;
  for (int i = 0; i < 40'000; ++i) many.push_back(device_id(fmt::format("many-{}", i)));
  std::optional<Result<server::RolloutProgress>> stored;
  std::future<void> stopped;
  while_store_waits(server, device_id("pc-1"), [&] {
    server.roll_out(
        std::move(many), {.kind = "sync"}, {},
        [&](const Result<server::RolloutProgress>& progress, bool) { stored = progress; });
    stopped = std::async(std::launch::async, [&] { server.stop(); });
    wait_until([&] { return server.store().queued_changes() > 1; });
  });
  stopped.get();
  REQUIRE(stored.has_value());
  REQUIRE_MESSAGE(stored->has_value(), stored->error().message);
  CHECK(stored->value().rollout.total == 40'000);
}

}  // namespace kscpush::test
