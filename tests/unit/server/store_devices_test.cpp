#include <doctest/doctest.h>

#include "server/store/database.hpp"
#include "server/store/store.hpp"
#include "tests/unit/server/store_support.hpp"

namespace kscpush::server {
namespace {

std::vector<std::string> ids(const std::vector<DeviceRecord>& devices) {
  std::vector<std::string> result;
  result.reserve(devices.size());
  for (const DeviceRecord& record : devices) result.push_back(record.id.str());
  return result;
}

// As it is on disk, past the store.
std::int64_t last_seen_on_disk(const std::filesystem::path& state) {
  auto database = Database::open(state / "store.db", Database::Access::kReadOnly);
  REQUIRE(database.has_value());
  return database->number("SELECT coalesce(max(last_seen), 0) FROM devices").value();
}

}  // namespace

TEST_CASE("registry: what was added is there, also after a restart") {
  TestStore store;
  REQUIRE(store->add_device(device("pc-1"), "Managed devices/Berlin").has_value());
  store.reopen();
  const auto found = store->find_device(device("pc-1"));
  REQUIRE(found.has_value());
  REQUIRE(found->has_value());
  CHECK((*found)->id.str() == "pc-1");
  CHECK((*found)->group == "Managed devices/Berlin");
  CHECK((*found)->fingerprint.empty());
  CHECK_FALSE((*found)->revoked);
  CHECK((*found)->added == store.clock.wall());
  CHECK_FALSE((*found)->last_seen.has_value());
  CHECK_FALSE(store->find_device(device("pc-2"))->has_value());
}

TEST_CASE("registry: a device is added once") {
  TestStore store;
  REQUIRE(store->add_device(device("pc-1"), "A").has_value());
  const auto again = store->add_device(device("pc-1"), "B");
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().code == ErrorCode::kConflict);
  CHECK((*store->find_device(device("pc-1")))->group == "A");
}

TEST_CASE("registry: ids differ in case") {
  TestStore store;
  REQUIRE(store->add_device(device("pc-1"), "").has_value());
  CHECK(store->add_device(device("PC-1"), "").has_value());
  CHECK(store->count_devices().value() == 2);
}

TEST_CASE("registry: group, fingerprint and revocation can be changed, of devices that exist") {
  TestStore store;
  REQUIRE(store->add_device(device("pc-1"), "A").has_value());
  REQUIRE(store->add_device(device("pc-2"), "A").has_value());
  CHECK(store->set_group(device("pc-1"), "B").has_value());
  CHECK(store->set_fingerprint(device("pc-1"), "abc").has_value());
  CHECK(store->set_revoked(device("pc-1"), true).has_value());
  auto found = store->find_device(device("pc-1")).value().value();
  CHECK(found.group == "B");
  CHECK(found.fingerprint == "abc");
  CHECK(found.revoked);
  CHECK(store->set_revoked(device("pc-1"), false).has_value());
  CHECK_FALSE(store->find_device(device("pc-1")).value().value().revoked);
  CHECK(store->find_device(device("pc-2")).value().value().group == "A");
  for (const Status& status :
       {store->set_group(device("none"), "B"), store->set_fingerprint(device("none"), "abc"),
        store->set_revoked(device("none"), true), store->remove_device(device("none"))}) {
    REQUIRE_FALSE(status.has_value());
    CHECK(status.error().code == ErrorCode::kNotFound);
    CHECK(status.error().message == "no device 'none'");
  }
}

TEST_CASE("registry: a removed device takes its pushes along") {
  TestStore store;
  REQUIRE(store->add_device(device("pc-1"), "").has_value());
  REQUIRE(store->add_device(device("pc-2"), "").has_value());
  const auto gone = add(*store, push_to("pc-1", store.clock)).value();
  const auto kept = add(*store, push_to("pc-2", store.clock)).value();
  REQUIRE(store->remove_device(device("pc-1")).has_value());
  CHECK_FALSE(store->find_device(device("pc-1"))->has_value());
  CHECK_FALSE(store->find_push(gone.id)->has_value());
  CHECK(store->find_push(kept.id)->has_value());
  CHECK(store->count_devices().value() == 1);
}

TEST_CASE("registry: listed in order of id, in pages or at once") {
  TestStore store;
  for (const char* id : {"d", "b", "a", "e", "c"}) {
    REQUIRE(store->add_device(device(id), "").has_value());
  }
  CHECK(ids(store->list_devices().value()) == std::vector<std::string>{"a", "b", "c", "d", "e"});
  CHECK(ids(store->list_devices("", 2).value()) == std::vector<std::string>{"a", "b"});
  CHECK(ids(store->list_devices("b", 2).value()) == std::vector<std::string>{"c", "d"});
  CHECK(ids(store->list_devices("d", 2).value()) == std::vector<std::string>{"e"});
  CHECK(store->list_devices("e", 2)->empty());
}

TEST_CASE("registry: an import shares transactions and answers for each device") {
  TestStore store;
  constexpr int kCount = 3000;
  std::vector<std::promise<Status>> answers(kCount);
  for (int i = 0; i < kCount; ++i) {
    store->add_device(device("pc-" + std::to_string(i % 2000)), "", [&answers, i](Status done) {
      answers[static_cast<std::size_t>(i)].set_value(std::move(done));
    });
  }
  for (int i = 0; i < kCount; ++i) {
    const Status added = answers[static_cast<std::size_t>(i)].get_future().get();
    CHECK(added.has_value() == (i < 2000));
    if (!added) CHECK(added.error().code == ErrorCode::kConflict);
  }
  CHECK(store->count_devices().value() == 2000);
}

TEST_CASE("last seen: readable at once, never goes back, survives a restart") {
  TestStore store;
  REQUIRE(store->add_device(device("pc-1"), "").has_value());
  const WallTime seen = store.clock.wall();
  store->touch_device(device("pc-1"), seen);
  store->touch_device(device("pc-1"), seen - std::chrono::hours(1));
  store->touch_device(device("unknown"), seen);
  CHECK(store->find_device(device("pc-1")).value()->last_seen == seen);
  CHECK(store->list_devices().value().at(0).last_seen == seen);
  store.reopen();
  CHECK(store->find_device(device("pc-1")).value()->last_seen == seen);
  CHECK(store->count_devices().value() == 1);
  store->touch_device(device("pc-1"), seen - std::chrono::hours(1));
  store.reopen();
  CHECK(store->find_device(device("pc-1")).value()->last_seen == seen);
}

TEST_CASE("last seen: written with the changes of others once five seconds have passed") {
  TestStore store;
  REQUIRE(store->add_device(device("pc-1"), "").has_value());
  const WallTime seen = store.clock.wall();
  store->touch_device(device("pc-1"), seen);
  REQUIRE(store->set_group(device("pc-1"), "A").has_value());
  CHECK(last_seen_on_disk(store.dir / "state") == 0);
  store.clock.advance(std::chrono::seconds(5));
  REQUIRE(store->set_group(device("pc-1"), "B").has_value());
  CHECK(last_seen_on_disk(store.dir / "state") == seen.time_since_epoch().count());
  CHECK(store->find_device(device("pc-1")).value()->last_seen == seen);
}

TEST_CASE("last seen: of more devices than one group takes, none is forgotten") {
  TestStore store;
  constexpr int kCount = 4500;
  std::promise<Status> last;
  for (int i = 0; i < kCount; ++i) {
    store->add_device(
        device("pc-" + std::to_string(i)), "",
        i + 1 < kCount ? Store::Done() : [&last](Status done) { last.set_value(std::move(done)); });
  }
  REQUIRE(last.get_future().get().has_value());
  const WallTime seen = store.clock.wall();
  for (int i = 0; i < kCount; ++i) store->touch_device(device("pc-" + std::to_string(i)), seen);
  store.reopen();
  std::size_t fresh = 0;
  const auto devices = store->list_devices().value();
  for (const auto& record : devices) fresh += record.last_seen == seen ? 1 : 0;
  CHECK(fresh == kCount);
}

TEST_CASE("last seen: noted for so many devices and no more") {
  TestStore store({.queued_changes = 2});
  for (const char* id : {"a", "b", "c"}) REQUIRE(store->add_device(device(id), "").has_value());
  for (const char* id : {"a", "b", "c"}) store->touch_device(device(id), store.clock.wall());
  CHECK(store->find_device(device("b")).value()->last_seen.has_value());
  CHECK_FALSE(store->find_device(device("c")).value()->last_seen.has_value());
}

}  // namespace kscpush::server
