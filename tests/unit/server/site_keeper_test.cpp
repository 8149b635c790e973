// Configurations taken up by a push server that runs, with devices that are connected.
#include "server/site_keeper.hpp"

#include <fstream>
#include <future>

#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>

#include "tests/support/net/shard_rig.hpp"
#include "tests/support/net/socket_device.hpp"

namespace kscpush::test {
namespace {

using server::RunningSite;
using server::SiteChange;
using server::SiteFiles;
using server::SiteKeeper;
using server::SiteRequest;
using server::SiteResult;
using server::Store;

// What the options of Text fill in.
struct Text {
  std::uint16_t port = 13295;
  std::uint16_t plain = 0;  // 0: none
  std::string scope = "Managed devices";
  bool enabled = true;
  int max_connections = 50'000;
  std::string dp = "dp-1";
  std::string interval = "15";
  std::string more_points;
};

SiteFiles files(const Text& text) {
  return {
      {"kscpush.yaml",
       fmt::format(
           R"(version: 1
groups: [Managed devices/Berlin]
distribution_points:
  - name: {}
    address: localhost
    scope: {{groups: [{}]}}
    push_server:
      enabled: {}
      listen: 127.0.0.1
      port: {}
      max_connections: {}
{}      limits: {{shards: 2}}
{}policies:
  - name: Network Agent
    group: Managed devices
    settings: {{connectivity: {{schedule: {{synchronization_interval: {}}}}}}}
)",
           text.dp, text.scope, text.enabled, text.port, text.max_connections,
           text.plain == 0 ? "" : fmt::format("      plain_listener: 127.0.0.1:{}\n", text.plain),
           text.more_points, text.interval)}};
}

struct Kept {
  Kept() {
    auto& push_server = site.config.dp.push_server;
    push_server.plain_listener = ListenAddress{"127.0.0.1", free_port()};
    server = site.start();
    text.port = push_server.port.value();
    text.plain = push_server.plain_listener->port.value();
    const auto running =
        SiteKeeper::choose(server->store(), files(text), "dp-1", false, system_clock().wall());
    REQUIRE(running.has_value());
    keeper = std::make_unique<SiteKeeper>(*server, *running, site.folder.path(), silent_log());
  }

  SiteResult<SiteChange> submit(SiteRequest request) {
    std::promise<SiteResult<SiteChange>> promise;
    keeper->submit(std::move(request),
                   [&](SiteResult<SiteChange> change) { promise.set_value(std::move(change)); });
    return promise.get_future().get();
  }
  SiteResult<SiteChange> apply(const Text& wanted) {
    SiteRequest request;
    request.files = files(wanted);
    request.how = "apply";
    return submit(std::move(request));
  }
  [[nodiscard]] Port plain_port() const { return *Port::from(text.plain); }

  using ListenAddress = site::ListenAddress;
  TestSite site;
  Text text;
  std::unique_ptr<server::PushServer> server;
  std::unique_ptr<SiteKeeper> keeper;
};

}  // namespace

TEST_CASE("keeper: what is applied runs, is the newest revision, and says what it changed") {
  Kept kept;
  kept.text.interval = "30";
  const auto change = kept.apply(kept.text);
  REQUIRE(change.has_value());
  CHECK(change->from == 1);
  CHECK(change->to == 2);
  REQUIRE(change->plan.changes.size() == 1);
  CHECK(change->plan.changes[0].what ==
        "connectivity.schedule.synchronization_interval: 15, open -> 30, open");
  CHECK(change->plan.policy_changes == 3);
  CHECK(kept.keeper->running()->revision.number == 2);
  const auto stored = kept.server->store().newest_revision().value();
  CHECK(stored->number == 2);
  CHECK(stored->how == "apply");
  CHECK(stored->files.find("synchronization_interval: 30") != std::string::npos);
}

TEST_CASE("keeper: those whose policy changes are told to synchronize, at a pace") {
  Kept kept;
  REQUIRE(kept.server->store().change_device(device_id("pc-2"), {.revoked = true}).has_value());
  SiteRequest request;
  kept.text.interval = "30";
  request.files = files(kept.text);
  request.sync = server::SyncPace{.rate = 7, .max_failures = 1, .canary = 1};
  const auto change = kept.submit(std::move(request));
  REQUIRE(change.has_value());
  CHECK(change->plan.policy_changes == 3);
  REQUIRE(change->sync.has_value());
  CHECK(change->sync->devices == 2);
  REQUIRE(change->sync->rollout.has_value());
  const server::RolloutRecord& rollout = change->sync->rollout->rollout;
  CHECK(rollout.total == 2);
  CHECK(rollout.order.kind == "sync");
  CHECK(rollout.order.collapse_key == "sync");
  CHECK(rollout.order.targets == R"({"revision":2})");
  CHECK(rollout.order.rate == 7);
  CHECK(rollout.order.max_failures == 1);
  CHECK(rollout.order.canary == 1);
}

TEST_CASE("keeper: nobody is told of what concerns nobody, nor when that is not wanted") {
  Kept kept;
  kept.text.max_connections = 40'000;
  CHECK_FALSE(kept.apply(kept.text)->sync.has_value());
  SiteRequest request;
  kept.text.interval = "30";
  request.files = files(kept.text);
  request.sync.reset();
  const auto change = kept.submit(std::move(request));
  CHECK(change->plan.policy_changes == 3);
  CHECK_FALSE(change->sync.has_value());
  CHECK(kept.server->rollouts().list(0, 10)->empty());
}

TEST_CASE("keeper: those who get another list of push servers are told, if they can be here") {
  Kept kept;
  kept.text.more_points = R"(  - name: dp-2
    address: dp-2.example.com
    scope: {groups: [Managed devices]}
    push_server: {enabled: true}
)";
  const auto spare = kept.apply(kept.text);
  REQUIRE(spare.has_value());
  CHECK(spare->plan.policy_changes == 0);
  CHECK(spare->plan.moved + spare->plan.relisted == 3);
  REQUIRE(spare->sync.has_value());
  CHECK(spare->sync->devices == 3);
  // Nobody is here when the server is off, and who comes when it is on again asks by itself.
  kept.text.enabled = false;
  CHECK_FALSE(kept.apply(kept.text)->sync.has_value());
  kept.text.enabled = true;
  CHECK_FALSE(kept.apply(kept.text)->sync.has_value());
}

TEST_CASE("keeper: a trial changes nothing") {
  Kept kept;
  SiteRequest request;
  kept.text.interval = "30";
  request.files = files(kept.text);
  request.trial = true;
  const auto change = kept.submit(std::move(request));
  REQUIRE(change.has_value());
  CHECK(change->plan.changes.size() == 1);
  CHECK(change->to == 1);
  CHECK(kept.keeper->running()->revision.number == 1);
  CHECK(kept.server->store().newest_revision().value()->number == 1);
}

TEST_CASE("keeper: the same text again is no new revision") {
  Kept kept;
  const auto change = kept.apply(kept.text);
  REQUIRE(change.has_value());
  CHECK(change->plan.empty());
  CHECK(change->to == 1);
}

TEST_CASE("keeper: a configuration with an error is refused whole, with every error") {
  Kept kept;
  SiteRequest request;
  request.files = files(kept.text);
  request.files[0].text += "nonsense: 1\nmore: 2\n";
  const auto change = kept.submit(std::move(request));
  REQUIRE_FALSE(change.has_value());
  CHECK(change.error().error.code == ErrorCode::kInvalidConfig);
  CHECK(change.error().diagnostics.size() == 2);
  CHECK(kept.keeper->running()->revision.number == 1);
}

TEST_CASE("keeper: a configuration without the distribution point that is served is refused") {
  Kept kept;
  kept.text.dp = "dp-2";
  const auto change = kept.apply(kept.text);
  REQUIRE_FALSE(change.has_value());
  CHECK(change.error().error.code == ErrorCode::kNotFound);
  CHECK(change.error().error.message.find("'dp-1'") != std::string::npos);
}

TEST_CASE("keeper: a port that another program holds refuses all of it") {
  Kept kept;
  const Port taken = free_port();
  asio::io_context loop;
  const asio::ip::tcp::acceptor holder(
      loop, asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"), taken.value()));
  kept.text.port = taken.value();
  kept.text.interval = "30";
  const auto change = kept.apply(kept.text);
  REQUIRE_FALSE(change.has_value());
  CHECK(change.error().error.code == ErrorCode::kConflict);
  CHECK(kept.keeper->running()->revision.number == 1);
  CHECK(kept.server->store().newest_revision().value()->number == 1);
  SocketDevice device(kept.plain_port(), {});
  device.go_online();
}

TEST_CASE("keeper: a certificate that is gone refuses all of it") {
  Kept kept;
  std::filesystem::remove(kept.site.config.paths.certificate);
  kept.text.interval = "30";
  const auto change = kept.apply(kept.text);
  REQUIRE_FALSE(change.has_value());
  CHECK(change.error().error.code == ErrorCode::kInvalidConfig);
  CHECK(kept.server->store().newest_revision().value()->number == 1);
}

TEST_CASE("keeper: devices stay connected while ports and limits change") {
  Kept kept;
  SocketDevice before(kept.plain_port(), {.id = "pc-1"});
  before.go_online();
  const Port old = kept.plain_port();
  kept.text.plain = free_port().value();
  kept.text.max_connections = 2;
  REQUIRE(kept.apply(kept.text).has_value());
  before.send(pingreq_bytes());
  CHECK(before.next_line() == "pingresp");
  SocketDevice after(kept.plain_port(), {.id = "pc-2"});
  after.go_online();
  CHECK(kept.server->connected() == 2);
  SocketDevice third(kept.plain_port(), {.id = "pc-3"});
  third.connect();
  CHECK(third.next_line() == "connack 97");
  CHECK(server::check_port_free("127.0.0.1", old).has_value());
}

TEST_CASE("keeper: a device that is out of scope now is told and may not come back") {
  Kept kept;
  REQUIRE(kept.server->store()
              .change_device(device_id("pc-2"), {.group = "Managed devices/Berlin"})
              .has_value());
  SocketDevice leaves(kept.plain_port(), {.id = "pc-1"});
  leaves.go_online();
  SocketDevice stays(kept.plain_port(), {.id = "pc-2"});
  stays.go_online();
  kept.text.scope = "Managed devices/Berlin";
  const auto change = kept.apply(kept.text);
  REQUIRE(change.has_value());
  CHECK(change->plan.lost == 2);
  CHECK(leaves.next_line() == "disconnect 87");
  stays.send(pingreq_bytes());
  CHECK(stays.next_line() == "pingresp");
  SocketDevice again(kept.plain_port(), {.id = "pc-1"});
  again.connect();
  CHECK(again.next_line() == "connack 87");
}

TEST_CASE("keeper: the push server is switched off and on again") {
  Kept kept;
  // More than once, as those who come back must not be sent away by what ended the others.
  for (int i = 0; i < 5; ++i) {
    SocketDevice device(kept.plain_port(), {});
    device.go_online();
    kept.text.enabled = false;
    REQUIRE(kept.apply(kept.text).has_value());
    CHECK(device.next_line() == "disconnect 8b");
    CHECK(server::check_port_free("127.0.0.1", kept.plain_port()).has_value());
    kept.text.enabled = true;
    REQUIRE(kept.apply(kept.text).has_value());
  }
  SocketDevice back(kept.plain_port(), {});
  back.go_online();
}

TEST_CASE("keeper: an earlier revision runs again as a new one") {
  Kept kept;
  kept.text.interval = "30";
  REQUIRE(kept.apply(kept.text).has_value());
  SiteRequest back;
  back.revision = 1;
  back.how = "rollback to 1";
  const auto change = kept.submit(back);
  REQUIRE(change.has_value());
  CHECK(change->to == 3);
  CHECK(kept.keeper->running()->revision.hash ==
        kept.server->store().find_revision(1).value()->hash);
  SiteRequest none;
  none.revision = 99;
  CHECK(kept.submit(none).error().error.code == ErrorCode::kNotFound);
}

TEST_CASE("keeper: what only a start can change is said") {
  Kept kept;
  SiteRequest request;
  request.files = files(kept.text);
  auto& text = request.files[0].text;
  text.replace(text.find("shards: 2"), 9, "shards: 3");
  request.trial = true;
  const auto change = kept.submit(std::move(request));
  REQUIRE(change.has_value());
  REQUIRE(change->notes.size() == 1);
  CHECK(change->notes[0].find("limits.shards") != std::string::npos);
}

TEST_CASE("keeper: at a start the files or what ran last count, whichever changed later") {
  const TempDir folder;
  const auto store = Store::open(folder / "state", system_clock()).value();
  const auto choose = [&](const std::string& interval, bool force = false) {
    Text text;
    text.interval = interval;
    const auto chosen =
        SiteKeeper::choose(*store, files(text), "dp-1", force, system_clock().wall());
    REQUIRE(chosen.has_value());
    return chosen->revision.number;
  };
  CHECK(choose("15") == 1);
  CHECK(choose("15") == 1);
  CHECK(choose("20") == 2);  // the files have changed
  // Something else is applied from elsewhere.
  server::SiteRevision applied = *store->find_revision(1).value();
  applied.how = "apply";
  REQUIRE(store->add_revision(applied, std::nullopt).has_value());
  CHECK(choose("20") == 3);  // the files have not
  CHECK(choose("25") == 4);  // now they have
  CHECK(choose("15") == 5);  // back to what they were
  REQUIRE(store->add_revision(*store->find_revision(2).value(), std::nullopt).has_value());
  CHECK(choose("15") == 6);
  CHECK(choose("15", /*force=*/true) == 7);
}

TEST_CASE("keeper: what ran last and cannot run any more says how to go on") {
  const TempDir folder;
  const auto store = Store::open(folder / "state", system_clock()).value();
  const Text text;
  REQUIRE(SiteKeeper::choose(*store, files(text), "dp-1", false, system_clock().wall()));
  server::SiteRevision damaged = *store->newest_revision().value();
  damaged.files = R"([{"name": "kscpush.yaml", "text": "version: 7"}])";
  damaged.hash = "other";
  REQUIRE(store->add_revision(damaged, std::nullopt).has_value());
  const auto chosen = SiteKeeper::choose(*store, files(text), "dp-1", false, system_clock().wall());
  REQUIRE_FALSE(chosen.has_value());
  CHECK(chosen.error().error.message.starts_with("revision 2, which ran last"));
  CHECK(chosen.error().error.hint.find("--from-file") != std::string::npos);
  CHECK(SiteKeeper::choose(*store, files(text), "dp-1", true, system_clock().wall()).has_value());
}

}  // namespace kscpush::test
