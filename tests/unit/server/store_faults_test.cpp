// The store on a disk that fills up, fails and loses power.
#include <algorithm>
#include <set>

#include <doctest/doctest.h>

#include "server/store/store.hpp"
#include "tests/support/net/faulty_vfs.hpp"
#include "tests/unit/server/store_support.hpp"

namespace kscpush::server {
namespace {

// All pushes that a store holds of pc-1.
std::set<std::string> held(const Store& store) {
  std::set<std::string> ids;
  for (const PushRecord& push : all_pushes(store, "pc-1")) ids.emplace(push.id.str());
  return ids;
}

bool contains_all(const std::set<std::string>& whole, const std::set<std::string>& part) {
  return std::includes(whole.begin(), whole.end(), part.begin(), part.end());
}

}  // namespace

TEST_CASE("disk full: a clear error, nothing accepted lost, and on it goes when there is room") {
  test::FaultyVfs disk;
  TestStore store;
  REQUIRE(store->add_device({device("pc-1"), ""}).has_value());
  const auto before = add(*store, push_to("pc-1", store.clock)).value();
  disk.fail_writes(SQLITE_FULL);
  const auto refused = add(*store, push_to("pc-1", store.clock));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::kFailed);
  const std::string state = (store.dir / "state").string();
  CHECK(refused.error().message == "the database " + state + "/store.db: the disk is full");
  CHECK(refused.error().hint ==
        "free some space: df -h " + state + "; what was accepted before is safe");
  CHECK_FALSE(store->add_device({device("pc-2"), ""}).has_value());
  CHECK(held(*store) == std::set<std::string>{std::string(before.id.str())});
  CHECK_FALSE(store->find_device(device("pc-2"))->has_value());
  disk.recover();
  const auto after = add(*store, push_to("pc-1", store.clock)).value();
  store.reopen();
  CHECK(held(*store) ==
        std::set<std::string>{std::string(before.id.str()), std::string(after.id.str())});
}

TEST_CASE("disk full: what is seen last is kept for later") {
  test::FaultyVfs disk;
  TestStore store;
  REQUIRE(store->add_device({device("pc-1"), ""}).has_value());
  const WallTime seen = store.clock.wall();
  store->touch_device(device("pc-1"), seen, "");
  store.clock.advance(std::chrono::seconds(10));
  disk.fail_writes(SQLITE_FULL);
  CHECK_FALSE(store->change_device(device("pc-1"), {.group = "A"}).has_value());
  disk.recover();
  store.reopen();
  CHECK(store->find_device(device("pc-1")).value()->last_seen == seen);
}

TEST_CASE("a disk that fails at any write or sync: accepted is what is there") {
  for (const bool syncs : {false, true}) {
    int failures = 0;
    for (int after = 0; after < 60; ++after) {
      CAPTURE(syncs);
      CAPTURE(after);
      test::FaultyVfs disk;
      TestStore store({.pending_per_device = 1000});
      REQUIRE(store->add_device({device("pc-1"), ""}).has_value());
      if (syncs) {
        disk.fail_syncs(SQLITE_IOERR_FSYNC, after);
      } else {
        disk.fail_writes(SQLITE_IOERR_WRITE, after);
      }
      std::set<std::string> accepted;
      for (int i = 0; i < 15; ++i) {
        const auto stored = add(*store, push_to("pc-1", store.clock));
        if (stored) accepted.emplace(stored->id.str());
        if (!stored) {
          CHECK(stored.error().message.find("the disk reports an error") != std::string::npos);
          ++failures;
        }
      }
      CHECK(held(*store) == accepted);
      disk.recover();
      accepted.emplace(add(*store, push_to("pc-1", store.clock)).value().id.str());
      store.reopen();
      CHECK(held(*store) == accepted);
    }
    CHECK(failures > 100);
  }
}

TEST_CASE("power failure: at any moment, with any unsynced blocks, what was accepted is there") {
  std::mt19937 random(20260301);
  const test::TempDir images;
  std::vector<std::set<std::string>> accepted_at;  // by number of the image
  std::set<std::string> accepted;                  // the writer thread's, as are the callbacks
  {
    test::FaultyVfs disk;
    std::mt19937 blocks(1);
    const auto lose_power = [&] {
      const auto folder = images / std::to_string(accepted_at.size());
      std::filesystem::create_directory(folder);
      disk.write_image(folder, blocks);
      accepted_at.push_back(accepted);
    };
    disk.on_sync(lose_power);
    TestStore store({.pending_per_device = 100'000});
    REQUIRE(store->add_device({device("pc-1"), ""}).has_value());
    for (int round = 0; round < 40; ++round) {
      std::promise<void> last;
      const int count = 1 + static_cast<int>(random() % 40);
      for (int i = 0; i < count; ++i) {
        PushRecord push = push_to("pc-1", store.clock);
        push.params = std::string(random() % 2000, 'x');
        store->add_push(std::move(push), [&, ends = i + 1 == count](Result<PushRecord> stored) {
          if (stored) accepted.emplace(stored->id.str());
          if (!ends) return;
          lose_power();
          last.set_value();
        });
      }
      last.get_future().get();
    }
  }
  REQUIRE(accepted.size() > 400);
  REQUIRE(accepted_at.size() > 40);
  const test::FakeClock clock;
  for (std::size_t number = 0; number < accepted_at.size(); ++number) {
    CAPTURE(number);
    const auto survived = Store::open(images / std::to_string(number), clock);
    REQUIRE_MESSAGE(survived.has_value(), survived.error().message);
    CHECK(contains_all(held(**survived), accepted_at[number]));
  }
}

}  // namespace kscpush::server
