// The store on a disk that fails, fills up and loses power at random moments, seed by seed: what
// was answered is there afterwards, as far along as was answered, and the database holds together.
//
// KSCPUSH_SEEDS asks for more seeds than the default, KSCPUSH_SEED for one.
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <string_view>

#include <doctest/doctest.h>

#include "server/store/upkeep.hpp"
#include "tests/support/net/faulty_vfs.hpp"
#include "tests/unit/server/store_support.hpp"

namespace kscpush::server {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr int kUsualSeeds = 150;
constexpr int kLives = 4;  // of one state directory, a power failure between each two

int number_from(const char* variable, int otherwise) {
  const char* const text = std::getenv(variable);
  if (text == nullptr) return otherwise;
  const std::string_view view(text);
  int number = otherwise;
  std::from_chars(view.data(), view.data() + view.size(), number);
  return number;
}

// What the store has answered, push by push. Its callbacks fill it in, on the writer's thread.
class Answered {
 public:
  struct Push {
    std::int64_t seq = 0;
    PushState state = PushState::kStored;
    int attempts = 0;
  };
  using Pushes = std::map<std::string, Push>;

  void stored(const PushRecord& push) {
    const std::scoped_lock lock(mutex_);
    pushes_[std::string(push.id.str())] = {push.seq, PushState::kStored, 0};
  }
  void stepped(const std::string& id, const PushStep& step) {
    const std::scoped_lock lock(mutex_);
    Push& push = pushes_[id];
    if (is_final(push.state)) return;  // nothing follows
    if (may_follow(push.state, step.state)) push.state = step.state;
    push.attempts = std::max(push.attempts, step.attempts);
  }
  [[nodiscard]] Pushes pushes() const {
    const std::scoped_lock lock(mutex_);
    return pushes_;
  }
  // After a power failure: what is there counts, be it that nobody was told.
  void begin_with(const std::vector<PushRecord>& held) {
    const std::scoped_lock lock(mutex_);
    pushes_.clear();
    for (const auto& push : held)
      pushes_[std::string(push.id.str())] = {push.seq, push.state, push.attempts};
  }

 private:
  mutable std::mutex mutex_;
  Pushes pushes_;  // by id; guarded by mutex_
};

class Torture {
 public:
  explicit Torture(unsigned seed) : random_(seed) {}

  void run() {
    std::filesystem::create_directory(dir_ / "0");
    for (int life = 0; life < kLives; ++life) {
      CAPTURE(life);
      const auto directory = dir_ / std::to_string(life);
      live(directory, dir_ / std::to_string(life + 1));
    }
    disk_.recover();
    reopen(dir_ / std::to_string(kLives));
  }

  [[nodiscard]] std::size_t answered() const { return most_; }
  [[nodiscard]] std::uint64_t faults() const { return disk_.faults(); }

 private:
  std::unique_ptr<Store> open(const std::filesystem::path& directory) {
    auto store = Store::open(directory, clock_, {.pending_per_device = 100'000});
    REQUIRE_MESSAGE(store.has_value(), store.error().message);
    return std::move(*store);
  }

  // Everything that was answered before the power failed.
  std::unique_ptr<Store> reopen(const std::filesystem::path& directory) {
    auto store = open(directory);
    const auto held = store->list_pushes({.device = device("pc-1")}, 0, 100'000);
    REQUIRE(held.has_value());
    std::map<std::string, const PushRecord*> by_id;
    for (const auto& push : held->pushes) by_id[std::string(push.id.str())] = &push;
    for (const auto& entry : before_) {
      const Answered::Push& push = entry.second;
      CAPTURE(entry.first);
      const auto found = by_id.find(entry.first);
      REQUIRE(found != by_id.end());
      CHECK(found->second->seq == push.seq);
      CHECK(found->second->state >= push.state);
      CHECK(found->second->attempts >= push.attempts);
    }
    const auto check =
        check_store(directory, /*quick=*/false, clock_.wall(), [](std::size_t, std::size_t) {});
    REQUIRE_MESSAGE(check.has_value(), check.error().message);
    CHECK(check->problems == std::vector<std::string>{});
    answered_.begin_with(held->pushes);
    return store;
  }

  void live(const std::filesystem::path& directory, const std::filesystem::path& image) {
    auto store = reopen(directory);
    if (before_.empty()) {
      static_cast<void>(store->add_device({device("pc-1"), ""}));
    }
    for (auto left = random_() % 120; left > 0; --left) act(*store);
    if (random_() % 2 == 0) store->drain();
    before_ = answered_.pushes();
    most_ = std::max(most_, before_.size());
    std::filesystem::create_directory(image);
    disk_.write_image(image, random_);
    disk_.recover();  // the closing of this one is nobody's business any more
  }

  void act(Store& store) {
    clock_.advance(std::chrono::milliseconds(random_() % 2000));
    switch (random_() % 12) {
      case 0:
        disk_.fail_writes(random_() % 2 == 0 ? SQLITE_FULL : SQLITE_IOERR_WRITE,
                          static_cast<int>(random_() % 30));
        break;
      case 1:
        disk_.fail_syncs(SQLITE_IOERR_FSYNC, static_cast<int>(random_() % 5));
        break;
      case 2:
      case 3:
        disk_.recover();
        break;
      case 4:
        store.drain();
        break;
      case 5:
        store.expire(clock_.wall());
        break;
      case 6:
      case 7:
      case 8:
        step(store);
        break;
      default:
        add(store);
    }
  }

  void add(Store& store) {
    PushRecord push = push_to("pc-1", clock_, hours(1 + random_() % 40));
    push.params = '"' + std::string(random_() % 3000, 'x') + '"';
    store.add_push(std::move(push), [this](const Result<PushRecord>& stored) {
      if (stored) answered_.stored(*stored);
    });
  }

  void step(Store& store) {
    const auto pushes = answered_.pushes();
    if (pushes.empty()) return;
    const auto chosen = std::next(pushes.begin(), static_cast<long>(random_() % pushes.size()));
    const std::string id = chosen->first;
    const Answered::Push push = chosen->second;
    PushStep step{push.seq, PushState(static_cast<int>(PushState::kSent) + random_() % 4),
                  clock_.wall()};
    if (step.state == PushState::kSent) step.attempts = push.attempts + 1;
    if (step.state == PushState::kCompleted) step.result = R"({"n":5})";
    store.step(step, std::make_shared<StepTold>([this, id, step](const Status& done) {
                 if (done) answered_.stepped(id, step);
               }));
  }

  std::mt19937 random_;
  const test::TempDir dir_;
  test::FaultyVfs disk_;
  test::FakeClock clock_;
  Answered answered_;
  Answered::Pushes before_;  // the power failed
  std::size_t most_ = 0;
};

}  // namespace

TEST_CASE("torture: faults and power failures by seed: what was answered is there") {
  const int only = number_from("KSCPUSH_SEED", 0);
  const int first = only > 0 ? only : 1;
  const int last = only > 0 ? only : number_from("KSCPUSH_SEEDS", kUsualSeeds);
  std::size_t answered = 0;
  std::uint64_t faults = 0;
  for (int seed = first; seed <= last; ++seed) {
    CAPTURE(seed);
    Torture torture(static_cast<unsigned>(seed));
    torture.run();
    answered += torture.answered();
    faults += torture.faults();
  }
  // Else nothing was shown.
  if (last - first < 10) return;
  CHECK(answered > static_cast<std::size_t>(last - first) * 10);
  CHECK(faults > static_cast<std::uint64_t>(last - first));
}

}  // namespace kscpush::server
