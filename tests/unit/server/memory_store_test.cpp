// The store in memory that the simulation runs on does what the real one does.
#include "tests/support/net/memory_store.hpp"

#include <random>

#include <doctest/doctest.h>

#include "tests/unit/server/store_support.hpp"

namespace kscpush::server {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

std::string shown(const PushRecord& push) {
  std::string times;
  for (const auto& reached : push.reached) {
    times += reached ? fmt::format(" {}", reached->time_since_epoch().count()) : " -";
  }
  return fmt::format("{} {} {} {} {} key={} {} attempts={} reason={} result={} expires={}{}",
                     push.seq, push.id.str(), push.device.str(), push.kind, push.params,
                     push.collapse_key, to_string(push.state), push.attempts, push.reason,
                     push.result, push.expires.time_since_epoch().count(), times);
}

// Both stores, and what was put into them.
class Both {
 public:
  explicit Both(std::uint64_t seed)
      : random_(seed),
        limits_{.pending_per_device = 6},
        real_(limits_),
        memory_(real_.clock, test::MemoryStore::Commit::kAtOnce, limits_) {
    for (const char* id : {"pc-1", "pc-2", "pc-3"}) {
      real_->add_device({device(id), "Managed devices"}, nullptr);
      memory_.add_device(device(id));
    }
    real_->drain();
    REQUIRE(real_->change_device(device("pc-3"), {.revoked = true}).has_value());
    memory_.set_revoked(device("pc-3"), true);
  }

  void do_something() {
    switch (pick(10)) {
      case 0:
      case 1:
      case 2:
        return add();
      case 3:
        return expire();
      case 4:
        return real_.clock.advance(seconds(pick(100)));
      case 5:
        return send_ahead();
      default:
        return step();
    }
  }

  void compare() {
    real_->drain();
    REQUIRE(real_added_ == memory_added_);
    for (const Ulid& id : ids_) {
      const auto real = real_->find_push(id).value();
      const auto memory = memory_.find_push(id).value();
      REQUIRE(real.has_value() == memory.has_value());
      if (real) REQUIRE(shown(*real) == shown(*memory));
    }
    const WallTime now = real_.clock.wall();
    for (const char* id : {"pc-1", "pc-2", "pc-3"}) {
      const auto after = static_cast<std::int64_t>(pick(20));
      const auto real = real_->pending(device(id), now, after, 4).value();
      const auto memory = memory_.pending(device(id), now, after, 4).value();
      REQUIRE(real.size() == memory.size());
      for (std::size_t i = 0; i < real.size(); ++i) REQUIRE(shown(real[i]) == shown(memory[i]));
    }
  }

 private:
  std::size_t pick(std::size_t count) { return random_() % count; }

  void add() {
    static constexpr const char* kDevices[] = {"pc-1", "pc-2", "pc-3", "none"};
    const bool again = !ids_.empty() && pick(10) == 0;
    PushRecord push{.id = again ? ids_[pick(ids_.size())] : Ulid::generate(real_.clock.wall()),
                    .device = device(kDevices[pick(4)]),
                    .kind = "sync",
                    .params = "{}",
                    .collapse_key = pick(2) == 0 ? "" : "key",
                    .expires = real_.clock.wall() + seconds(pick(300))};
    if (!again) ids_.push_back(push.id);
    const auto note = [](std::vector<std::string>& list) {
      return [&list](const Result<PushRecord>& stored) {
        list.push_back(stored ? shown(*stored)
                              : fmt::format("error {}", static_cast<int>(stored.error().code)));
      };
    };
    real_->add_push(push, note(real_added_));
    memory_.add_push(push, note(memory_added_));
    // The clock stands still until the writer has looked at it.
    real_->drain();
  }

  void step() {
    const auto seq = static_cast<std::int64_t>(1 + pick(ids_.size() + 1));
    const PushStep step{seq,
                        PushState(1 + pick(kPushStates - 1)),
                        real_.clock.wall(),
                        static_cast<int>(pick(6)),
                        pick(2) == 0 ? "" : "reason",
                        pick(2) == 0 ? "" : "{}"};
    real_->step(step);
    memory_.step(step);
    real_->drain();
  }

  void send_ahead() {
    const auto seq = static_cast<std::int64_t>(1 + pick(ids_.size() + 1));
    const PushStep sent{seq, PushState::kSent, real_.clock.wall(), static_cast<int>(1 + pick(5))};
    // The real one forgets it with the commit of the step.
    real_->drain();
    CHECK(real_->sent_ahead(sent) == memory_.sent_ahead(sent));
  }

  void expire() {
    const WallTime now = real_.clock.wall() + (pick(8) == 0 ? hours(24 * 8) : hours(0));
    real_->expire(now);
    memory_.expire(now);
  }

  std::mt19937_64 random_;
  StoreLimits limits_;
  TestStore real_;
  test::MemoryStore memory_;
  std::vector<Ulid> ids_;
  std::vector<std::string> real_added_;
  std::vector<std::string> memory_added_;
};

}  // namespace

TEST_CASE("memory store: the same changes give the same records as in the real one") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    Both both(seed);
    for (int round = 0; round < 20; ++round) {
      for (int i = 0; i < 15; ++i) both.do_something();
      both.compare();
    }
  }
}

TEST_CASE("memory store: changes wait for the commit, and a crash loses those that wait") {
  test::FakeClock clock;
  test::MemoryStore store(clock, test::MemoryStore::Commit::kByHand);
  store.add_device(device("pc-1"));
  int stored = 0;
  const auto count = [&](const Result<PushRecord>& push) { stored += push.has_value() ? 1 : 0; };
  store.add_push(push_to("pc-1", clock), count);
  store.add_push(push_to("pc-1", clock), count);
  CHECK(store.pushes().empty());
  store.commit(1);
  CHECK(stored == 1);
  store.crash();
  store.commit();
  CHECK(stored == 1);
  CHECK(store.pushes().size() == 1);
}

}  // namespace kscpush::server
