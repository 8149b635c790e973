#include <doctest/doctest.h>

#include "server/store/database.hpp"
#include "server/store/store.hpp"
#include "tests/support/patience.hpp"
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
  REQUIRE(store->add_device({device("pc-1"), "Managed devices/Berlin"}).has_value());
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

TEST_CASE("registry: what is asked of a device that connects is one look") {
  TestStore store;
  CHECK_FALSE(store->arriving(device("pc-1")).value().has_value());
  REQUIRE(store->add_device(
      {.id = device("pc-1"), .group = "A", .platform = "linux", .address = "192.0.2.1"}));
  REQUIRE(store->add_device({device("pc-2"), "B"}));
  auto arrival = store->arriving(device("pc-1")).value().value();
  CHECK(arrival.group == "A");
  CHECK(arrival.platform == "linux");
  CHECK(arrival.address == "192.0.2.1");
  CHECK_FALSE(arrival.revoked);
  CHECK_FALSE(arrival.resync);
  CHECK_FALSE(arrival.pushes_wait);
  const auto push = add(*store, push_to("pc-1", store.clock)).value();
  store->touch_device(device("pc-1"), store.clock.wall(), "192.0.2.7");
  REQUIRE(store->change_device(device("pc-2"), {.revoked = true}));
  arrival = store->arriving(device("pc-1")).value().value();
  CHECK(arrival.address == "192.0.2.7");  // not written yet
  CHECK(arrival.pushes_wait);
  CHECK(store->arriving(device("pc-2")).value()->revoked);
  CHECK_FALSE(store->arriving(device("pc-2")).value()->pushes_wait);
  store->step({push.seq, PushState::kAcked, store.clock.wall()});
  store->drain();
  CHECK_FALSE(store->arriving(device("pc-1")).value()->pushes_wait);
}

TEST_CASE("registry: a device is added once") {
  TestStore store;
  REQUIRE(store->add_device({device("pc-1"), "A"}).has_value());
  const auto again = store->add_device({device("pc-1"), "B"});
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().code == ErrorCode::kConflict);
  CHECK((*store->find_device(device("pc-1")))->group == "A");
}

TEST_CASE("registry: ids differ in case") {
  TestStore store;
  REQUIRE(store->add_device({device("pc-1"), ""}).has_value());
  CHECK(store->add_device({device("PC-1"), ""}).has_value());
  CHECK(store->count_devices().value() == 2);
}

TEST_CASE("registry: group, fingerprint and revocation can be changed, of devices that exist") {
  TestStore store;
  REQUIRE(store->add_device({device("pc-1"), "A"}).has_value());
  REQUIRE(store->add_device({device("pc-2"), "A"}).has_value());
  CHECK(store->change_device(device("pc-1"), {.group = "B"}).has_value());
  CHECK(store->change_device(device("pc-1"), {.fingerprint = "abc"}).has_value());
  CHECK(store->change_device(device("pc-1"), {.revoked = true}).has_value());
  auto found = store->find_device(device("pc-1")).value().value();
  CHECK(found.group == "B");
  CHECK(found.fingerprint == "abc");
  CHECK(found.revoked);
  CHECK(store->change_device(device("pc-1"), {.revoked = false}).has_value());
  CHECK_FALSE(store->find_device(device("pc-1")).value().value().revoked);
  CHECK(store->find_device(device("pc-2")).value().value().group == "A");
  const auto refused = [](const auto& result) {
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::kNotFound);
    CHECK(result.error().message == "no device 'none'");
  };
  refused(store->change_device(device("none"), {.group = "B"}));
  refused(store->change_device(device("none"), {}));
  refused(store->remove_device(device("none")));
}

TEST_CASE("registry: a removed device takes its pushes along") {
  TestStore store;
  REQUIRE(store->add_device({device("pc-1"), ""}).has_value());
  REQUIRE(store->add_device({device("pc-2"), ""}).has_value());
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
    REQUIRE(store->add_device({device(id), ""}).has_value());
  }
  const auto page = [&](std::string_view after, std::size_t limit) {
    auto listed = store->list_devices({}, after, limit).value();
    return std::pair(ids(listed.devices), listed.next);
  };
  using Ids = std::vector<std::string>;
  CHECK(page("", 10) == std::pair(Ids{"a", "b", "c", "d", "e"}, std::string()));
  CHECK(page("", 5) == std::pair(Ids{"a", "b", "c", "d", "e"}, std::string()));
  CHECK(page("", 2) == std::pair(Ids{"a", "b"}, std::string("b")));
  CHECK(page("b", 2) == std::pair(Ids{"c", "d"}, std::string("d")));
  CHECK(page("d", 2) == std::pair(Ids{"e"}, std::string()));
  CHECK(page("e", 2) == std::pair(Ids{}, std::string()));
}

TEST_CASE("registry: a filter passes group with subgroups, tag, platform and revocation") {
  TestStore store;
  const std::vector<NewDevice> devices{
      {device("a"), "M", {"vip"}, "windows"},
      {device("b"), "M/Berlin", {"laptop", "vip"}, "linux"},
      {device("c"), "M/Berlin/Plant", {"vip2"}, "windows"},
      {device("d"), "M/Berlin 2", {}, ""},
  };
  REQUIRE(store->add_devices(devices).has_value());
  REQUIRE(store->change_device(device("c"), {.revoked = true}).has_value());
  const auto listed = [&](const DeviceFilter& filter) {
    return ids(store->list_devices(filter, "", 100)->devices);
  };
  using Ids = std::vector<std::string>;
  CHECK(listed({.group = "M"}) == Ids{"a", "b", "c", "d"});
  CHECK(listed({.group = "M/Berlin"}) == Ids{"b", "c"});
  CHECK(listed({.tag = "vip"}) == Ids{"a", "b"});
  CHECK(listed({.platform = "windows"}) == Ids{"a", "c"});
  CHECK(listed({.revoked = true}) == Ids{"c"});
  CHECK(listed({.group = "M/Berlin", .tag = "vip", .revoked = false}) == Ids{"b"});
  CHECK(listed({.group = "X"}).empty());
}

TEST_CASE("registry: a page looks at a bounded number of devices, and the pages hold all") {
  TestStore store;
  std::vector<NewDevice> devices;
  devices.reserve(45'000);
  for (int i = 0; i < 45'000; ++i) {
    devices.push_back({device(fmt::format("pc-{:05}", i)), "M", i == 44'999 ? Tags{"x"} : Tags()});
  }
  REQUIRE(store->add_devices(std::move(devices)).has_value());
  std::string after;
  std::vector<std::string> found;
  int pages = 0;
  do {
    const auto page = store->list_devices({.tag = "x"}, after, 10).value();
    for (const auto& record : page.devices) found.push_back(record.id.str());
    after = page.next;
    ++pages;
  } while (!after.empty());
  CHECK(found == std::vector<std::string>{"pc-44999"});
  CHECK(pages == 3);
}

TEST_CASE("registry: of devices added together either all are, or none") {
  TestStore store;
  REQUIRE(store->add_device({device("b")}).has_value());
  const auto refused = store->add_devices({{device("a")}, {device("b")}, {device("c")}});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::kConflict);
  CHECK(refused.error().message == "device 'b' exists already");
  CHECK(store->count_devices().value() == 1);
  CHECK(store->add_devices({{device("a")}, {device("c")}}).has_value());
  CHECK(store->count_devices().value() == 3);
}

TEST_CASE("registry: tags, platform and address are kept and changed") {
  TestStore store;
  const NewDevice given{device("pc-1"), "A", {"laptop", "vip"}, "windows", "192.0.2.1"};
  REQUIRE(store->add_device(given).has_value());
  store.reopen();
  auto found = store->find_device(device("pc-1")).value().value();
  CHECK(found.tags == Tags{"laptop", "vip"});
  CHECK(found.platform == "windows");
  CHECK(found.address == "192.0.2.1");
  found = store->change_device(device("pc-1"), {.add_tags = {"b"}, .remove_tags = {"vip", "x"}})
              .value();
  CHECK(found.tags == Tags{"b", "laptop"});
  CHECK(found.group == "A");
  found = store->change_device(device("pc-1"), {.tags = Tags{}, .platform = "linux", .address = ""})
              .value();
  CHECK(found.tags.empty());
  CHECK(found.platform == "linux");
  CHECK(found.address.empty());
  CHECK(store->find_device(device("pc-1")).value()->platform == "linux");
}

TEST_CASE("registry: a device has so many tags and no more") {
  TestStore store;
  REQUIRE(store->add_device({device("pc-1")}).has_value());
  Tags tags;
  for (std::size_t i = 0; i < kMostTags; ++i) tags.push_back(fmt::format("t{}", i));
  REQUIRE(store->change_device(device("pc-1"), {.add_tags = tags}).has_value());
  CHECK(store->change_device(device("pc-1"), {.add_tags = {"t0"}}).has_value());
  const auto refused = store->change_device(device("pc-1"), {.add_tags = {"one-more"}});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::kUsage);
  CHECK(store->find_device(device("pc-1")).value()->tags.size() == kMostTags);
}

TEST_CASE("registry: groups are counted, subgroups apart") {
  TestStore store;
  REQUIRE(store->add_devices({{device("a"), "M"}, {device("b"), "M/B"}, {device("c"), "M"}})
              .has_value());
  CHECK(store->count_by_group().value() == DeviceCounts{{"M", 2}, {"M/B", 1}});
}

TEST_CASE("registry: changes that take a callback answer after they are on disk") {
  TestStore store;
  REQUIRE(store->add_device({device("pc-1")}).has_value());
  const auto change_to = [&](const std::string& group) {
    std::promise<Result<ChangedDevice>> changed;
    store->change_device(device("pc-1"), {.group = group},
                         [&](Result<ChangedDevice> done) { changed.set_value(std::move(done)); });
    return changed.get_future().get();
  };
  REQUIRE(change_to("A").has_value());
  const auto changed = change_to("B");
  CHECK(changed->before.group == "A");
  CHECK(changed->after.group == "B");
  std::promise<Status> removed;
  store->remove_device(device("pc-1"), [&](Status done) { removed.set_value(std::move(done)); });
  CHECK(removed.get_future().get().has_value());
  CHECK(change_to("B").error().code == ErrorCode::kNotFound);
}

TEST_CASE("report: the revision has the time of its first report, local settings the last word") {
  TestStore store;
  REQUIRE(store->add_device({device("pc-1")}).has_value());
  const auto report = [&](DeviceReport said) {
    std::promise<Status> answer;
    store->report(device("pc-1"), std::move(said), false, store.clock.wall(),
                  [&](Status done) { answer.set_value(std::move(done)); });
    REQUIRE(answer.get_future().get().has_value());
    return store->find_device(device("pc-1")).value().value();
  };
  CHECK_FALSE(report({}).policy.has_value());
  const WallTime first = store.clock.wall();
  CHECK(report({.policy = DeviceReport::Policy{"r1", "applied"}}).policy->since == first);
  store.clock.advance(std::chrono::seconds(10));
  auto record = report(
      {.policy = DeviceReport::Policy{"r1", "applied"}, .local = ReportedSettings{{"a.b", "5"}}});
  CHECK(record.policy->since == first);
  CHECK(record.local_settings == R"({"a.b":"5"})");
  record = report({.policy = DeviceReport::Policy{"r1", "failed"}});
  CHECK(record.policy->since == store.clock.wall());
  CHECK(record.policy->result == "failed");
  CHECK(record.local_settings == R"({"a.b":"5"})");
  CHECK(report({.local = ReportedSettings{}}).local_settings.empty());
  std::promise<Status> answer;
  store->report(device("none"), {.local = ReportedSettings{}}, false, first,
                [&](Status done) { answer.set_value(std::move(done)); });
  CHECK(answer.get_future().get().error().code == ErrorCode::kNotFound);
}

TEST_CASE("last seen: the address comes along, at once and from the disk") {
  TestStore store;
  REQUIRE(store->add_device({device("pc-1"), "", {}, "", "192.0.2.1"}).has_value());
  const auto address = [&] { return store->find_device(device("pc-1")).value()->address; };
  const WallTime seen = store.clock.wall();
  store->touch_device(device("pc-1"), seen, "");
  CHECK(address() == "192.0.2.1");
  store->touch_device(device("pc-1"), seen, "192.0.2.7");
  CHECK(address() == "192.0.2.7");
  store->touch_device(device("pc-1"), seen + std::chrono::seconds(1), "");
  CHECK(address() == "192.0.2.7");
  store.reopen();
  CHECK(address() == "192.0.2.7");
}

TEST_CASE("registry: the end of a certificate is that of the one that connects") {
  TestStore store;
  const auto id = device("pc-1");
  REQUIRE(store->add_device({id, ""}).has_value());
  const auto ends = [&] { return store->find_device(id).value()->certificate_ends; };
  const WallTime now = store.clock.wall();
  const WallTime first = now + std::chrono::hours(48);
  REQUIRE(store->change_device(id, {.certificate_ends = first}));
  CHECK(ends() == first);
  store->touch_device(id, now, "");
  store->note_certificate(id, now, first - std::chrono::hours(1));
  CHECK(ends() == first - std::chrono::hours(1));
  store.reopen();
  CHECK(ends() == first - std::chrono::hours(1));
  // At the same time, and by an older look: it is the certificate that counts.
  store->note_certificate(id, now, first + std::chrono::hours(1));
  store.reopen();
  CHECK(ends() == first + std::chrono::hours(1));
  store->note_certificate(id, now - std::chrono::hours(1), first);
  store.reopen();
  CHECK(ends() == first);
  CHECK(store->find_device(id).value()->last_seen == now);
}

TEST_CASE("registry: an import shares transactions and answers for each device") {
  TestStore store;
  constexpr int kCount = 3000;
  std::vector<std::promise<Status>> answers(kCount);
  for (int i = 0; i < kCount; ++i) {
    store->add_device({device("pc-" + std::to_string(i % 2000)), ""}, [&answers, i](Status done) {
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
  REQUIRE(store->add_device({device("pc-1"), ""}).has_value());
  const WallTime seen = store.clock.wall();
  store->touch_device(device("pc-1"), seen, "");
  store->touch_device(device("pc-1"), seen - std::chrono::hours(1), "");
  store->touch_device(device("unknown"), seen, "");
  CHECK(store->find_device(device("pc-1")).value()->last_seen == seen);
  CHECK(store->list_devices({}, "", 10)->devices.at(0).last_seen == seen);
  store.reopen();
  CHECK(store->find_device(device("pc-1")).value()->last_seen == seen);
  CHECK(store->count_devices().value() == 1);
  store->touch_device(device("pc-1"), seen - std::chrono::hours(1), "");
  store.reopen();
  CHECK(store->find_device(device("pc-1")).value()->last_seen == seen);
}

TEST_CASE("last seen: written after a change of others once five seconds have passed") {
  TestStore store;
  REQUIRE(store->add_device({device("pc-1"), ""}).has_value());
  const WallTime seen = store.clock.wall();
  store->touch_device(device("pc-1"), seen, "");
  REQUIRE(store->change_device(device("pc-1"), {.group = "A"}).has_value());
  CHECK(last_seen_on_disk(store.dir / "state") == 0);
  store.clock.advance(std::chrono::seconds(5));
  REQUIRE(store->change_device(device("pc-1"), {.group = "B"}).has_value());
  // While there is always a change it comes every now and then.
  test::wait_until([&] {
    store->drain();
    return last_seen_on_disk(store.dir / "state") > 0;
  });
  CHECK(last_seen_on_disk(store.dir / "state") == seen.time_since_epoch().count());
  CHECK(store->find_device(device("pc-1")).value()->last_seen == seen);
}

TEST_CASE("last seen: of more devices than one round takes, none is forgotten") {
  TestStore store;
  constexpr int kCount = 11'000;
  std::promise<Status> last;
  for (int i = 0; i < kCount; ++i) {
    store->add_device(
        {device("pc-" + std::to_string(i)), ""},
        i + 1 < kCount ? Store::Done() : [&last](Status done) { last.set_value(std::move(done)); });
  }
  REQUIRE(last.get_future().get().has_value());
  const WallTime seen = store.clock.wall();
  for (int i = 0; i < kCount; ++i) store->touch_device(device("pc-" + std::to_string(i)), seen, "");
  store.reopen();
  std::size_t fresh = 0;
  const auto devices = store->list_devices({}, "", 20'000)->devices;
  for (const auto& record : devices) fresh += record.last_seen == seen ? 1 : 0;
  CHECK(fresh == kCount);
}

TEST_CASE("last seen: noted for so many devices and no more") {
  TestStore store({.queued_changes = 2});
  for (const char* id : {"a", "b", "c"}) REQUIRE(store->add_device({device(id), ""}).has_value());
  for (const char* id : {"a", "b", "c"}) store->touch_device(device(id), store.clock.wall(), "");
  CHECK(store->find_device(device("b")).value()->last_seen.has_value());
  CHECK_FALSE(store->find_device(device("c")).value()->last_seen.has_value());
}

}  // namespace kscpush::server
