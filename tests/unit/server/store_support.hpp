// What the tests of the store share: a store in a directory of its own, and calls that wait.
#pragma once

#include <future>
#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "server/store/store.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/temp_dir.hpp"

namespace kscpush::server {

inline DeviceId device(std::string_view id) {
  return DeviceId::parse(id).value();
}

inline PushRecord push_to(std::string_view id, const Clock& clock,
                          std::chrono::seconds ttl = std::chrono::minutes(15)) {
  return PushRecord{.id = Ulid::generate(clock.wall()),
                    .device = device(id),
                    .kind = "sync",
                    .params = "{}",
                    .expires = clock.wall() + ttl};
}

// The callback's answer. Whether the writer thread has run is then no question of time.
inline Result<PushRecord> add(Store& store, PushRecord push) {
  std::promise<Result<PushRecord>> answer;
  store.add_push(std::move(push),
                 [&](Result<PushRecord> stored) { answer.set_value(std::move(stored)); });
  return answer.get_future().get();
}

inline Result<PushRecord> cancel(Store& store, const Ulid& id, const std::string& reason = "") {
  std::promise<Result<PushRecord>> answer;
  store.cancel(id, reason, [&](Result<PushRecord> push) { answer.set_value(std::move(push)); });
  return answer.get_future().get();
}

// All of a device, page by page, newest first.
inline std::vector<PushRecord> all_pushes(const Store& store, std::string_view id,
                                          std::size_t limit = 1000) {
  std::vector<PushRecord> all;
  std::int64_t before = 0;
  do {
    const auto page = store.list_pushes({.device = device(id)}, before, limit);
    REQUIRE(page.has_value());
    CHECK(page->pushes.size() <= limit);
    all.insert(all.end(), page->pushes.begin(), page->pushes.end());
    before = page->next;
  } while (before != 0);
  return all;
}

// Calls what it is made of with what became of each step.
class StepTold final : public StepSink {
 public:
  using Call = std::function<void(const Status&)>;
  explicit StepTold(Call call) : call_(std::move(call)) {}
  void written(PushStep&& /*step*/, const Status& status) override { call_(status); }

 private:
  const Call call_;
};

inline Status step(Store& store, PushStep step) {
  std::promise<Status> answer;
  store.step(std::move(step),
             std::make_shared<StepTold>([&](const Status& done) { answer.set_value(done); }));
  return answer.get_future().get();
}

inline Status expire(Store& store, WallTime now) {
  std::promise<Status> answer;
  store.expire(now, [&](Status done) { answer.set_value(std::move(done)); });
  return answer.get_future().get();
}

struct TestStore {
  explicit TestStore(StoreLimits with = {}) : limits(with) { open(); }
  void open() {
    auto opened = Store::open(dir / "state", clock, limits);
    REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
    store = std::move(*opened);
  }
  void reopen() {
    store.reset();
    open();
  }
  Store* operator->() const { return store.get(); }
  Store& operator*() const { return *store; }

  StoreLimits limits;
  test::TempDir dir;
  test::FakeClock clock;
  std::unique_ptr<Store> store;
};

}  // namespace kscpush::server
