// Runs the simulation. KSCPUSH_SEED=N: that seed alone, twice, to see that it replays.
// With KSCPUSH_VERBOSE set it tells what passes on the network.
// KSCPUSH_SEEDS=N: that many from 1 on, or from KSCPUSH_FIRST_SEED.
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "tests/simulation/simulation.hpp"

namespace {

using kscpush::simulation::Outcome;
using kscpush::simulation::simulate;

constexpr std::uint64_t kUsualSeeds = 200;

std::optional<std::uint64_t> number_from(const char* variable) {
  const char* const text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  const std::string_view view(text);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), number);
  if (error == std::errc() && end == view.data() + view.size()) return number;
  std::cerr << fmt::format("error: {} is not a number: '{}'\n", variable, view);
  std::exit(2);
}

void add(Outcome& sum, const Outcome& run) {
  sum.events += run.events;
  sum.accepted += run.accepted;
  sum.acknowledged += run.acknowledged;
  sum.completed += run.completed;
  sum.expired += run.expired;
  sum.undeliverable += run.undeliverable;
  sum.pings += run.pings;
  sum.pings_answered += run.pings_answered;
  sum.takeovers += run.takeovers;
  sum.slow_readers += run.slow_readers;
  sum.throttled += run.throttled;
  sum.keep_alives_expired += run.keep_alives_expired;
  sum.crashes += run.crashes;
  sum.full_disks += run.full_disks;
}

std::string describe(const Outcome& run) {
  return fmt::format(
      "{} events; {} pushes accepted, {} acknowledged, {} completed, {} expired, {} undeliverable; "
      "{} pings, {} answered; {} takeovers, {} slow readers, {} throttled, {} keep alives expired, "
      "{} crashes, {} full disks",
      run.events, run.accepted, run.acknowledged, run.completed, run.expired, run.undeliverable,
      run.pings, run.pings_answered, run.takeovers, run.slow_readers, run.throttled,
      run.keep_alives_expired, run.crashes, run.full_disks);
}

bool report(std::uint64_t seed, const Outcome& run) {
  if (!run.violation) return true;
  std::cerr << fmt::format("seed {}: {}\nreplay it with: KSCPUSH_SEED={} simulation\n", seed,
                           *run.violation, seed);
  return false;
}

int run_one(std::uint64_t seed) {
  const Outcome first = simulate(seed, std::getenv("KSCPUSH_VERBOSE") != nullptr);
  std::cout << describe(first) << fmt::format("; trace {:x}\n", first.trace);
  if (!report(seed, first)) return 1;
  if (simulate(seed).trace == first.trace) return 0;
  std::cerr << fmt::format("seed {}: a second run went another way\n", seed);
  return 1;
}

// Over many seeds everything has to happen now and then, or the simulation shows nothing.
bool shows_enough(const Outcome& sum, std::uint64_t seeds) {
  if (seeds < kUsualSeeds) return true;
  for (const std::size_t happened :
       {sum.acknowledged, sum.completed, sum.expired, sum.undeliverable, sum.pings_answered,
        sum.takeovers, sum.slow_readers, sum.throttled, sum.keep_alives_expired, sum.crashes,
        sum.full_disks}) {
    if (happened == 0) return false;
  }
  return true;
}

int run_many(std::uint64_t first, std::uint64_t count) {
  Outcome sum;
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const Outcome run = simulate(seed);
    if (!report(seed, run)) return 1;
    add(sum, run);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << fmt::format("{} seeds in {:.1f} s: {}\n", count, took.count(), describe(sum));
  if (shows_enough(sum, count)) return 0;
  std::cerr << "some of that never happened: the simulation does not show what it should\n";
  return 1;
}

}  // namespace

int main() {
  if (const auto seed = number_from("KSCPUSH_SEED")) return run_one(*seed);
  return run_many(number_from("KSCPUSH_FIRST_SEED").value_or(1),
                  number_from("KSCPUSH_SEEDS").value_or(kUsualSeeds));
}
