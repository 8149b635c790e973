// The store when its process is killed.
#include <array>
#include <cerrno>
#include <csignal>
#include <random>
#include <set>
#include <thread>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/descriptor.hpp"
#include "server/store/store.hpp"
#include "tests/unit/server/store_support.hpp"

namespace kscpush::server {
namespace {

// In the child: adds pushes from two threads for ever and writes the id of each accepted one to
// REPORT. Ends by being killed.
[[noreturn]] void add_until_killed(const std::filesystem::path& state, int report) {
  const test::FakeClock clock;
  auto store = Store::open(state, clock, {.pending_per_device = 1'000'000});
  if (!store) ::_exit(1);
  const auto add_for_ever = [&] {
    for (;;) {
      std::promise<void> answered;
      for (int i = 0; i < 20; ++i) {
        (*store)->add_push(push_to("pc-1", clock), [&, i](Result<PushRecord> stored) {
          if (stored && ::write(report, stored->id.str().data(), Ulid::kLength) < 0) ::_exit(1);
          if (i == 19) answered.set_value();
        });
      }
      answered.get_future().get();
    }
  };
  std::thread second(add_for_ever);
  add_for_ever();
  ::_exit(1);
}

// Reads whole ids; nothing at the end.
std::string read_id(int report) {
  std::string id(Ulid::kLength, '\0');
  std::size_t size = 0;
  while (size < id.size()) {
    const ssize_t count = ::read(report, id.data() + size, id.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return {};
    size += static_cast<std::size_t>(count);
  }
  return id;
}

}  // namespace

TEST_CASE("killed at a random moment, again and again: every accepted push is there") {
  std::mt19937 random(20260301);
  const test::TempDir dir;
  const test::FakeClock clock;
  std::set<std::string> reported;
  REQUIRE(Store::open(dir / "state", clock).value()->add_device({device("pc-1"), ""}).has_value());
  for (int round = 0; round < 30; ++round) {
    CAPTURE(round);
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const Descriptor report(ends[0]);
    Descriptor child_end(ends[1]);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) add_until_killed(dir / "state", child_end.get());
    child_end = Descriptor();
    for (std::size_t left = random() % 200; left > 0; --left) {
      const std::string id = read_id(report.get());
      REQUIRE_FALSE(id.empty());  // else it could not work at all
      reported.insert(id);
    }
    REQUIRE(::kill(child, SIGKILL) == 0);
    for (std::string id; !(id = read_id(report.get())).empty();) reported.insert(id);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));

    const auto store = Store::open(dir / "state", clock);
    REQUIRE_MESSAGE(store.has_value(), store.error().message);
    std::set<std::string> held;
    for (const PushRecord& push : all_pushes(**store, "pc-1")) held.emplace(push.id.str());
    std::size_t missing = 0;
    for (const std::string& id : reported) missing += held.contains(id) ? 0 : 1;
    CHECK(missing == 0);
  }
  CHECK(reported.size() > 1000);
}

}  // namespace kscpush::server
