#include "cli/bench/figures.hpp"

#include <numeric>

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/bench/process_usage.hpp"

namespace kscpush::cli::bench {
namespace {

TEST_CASE("percentiles: nearest rank, whatever the order") {
  std::vector<float> samples(100);
  std::iota(samples.rbegin(), samples.rend(), 1.0F);
  const Percentiles found = percentiles(samples);
  CHECK(found.p50 == 50);
  CHECK(found.p90 == 90);
  CHECK(found.p99 == 99);
  CHECK(found.max == 100);
}

TEST_CASE("percentiles: of one, and of none") {
  CHECK(percentiles({7}).p50 == 7);
  CHECK(percentiles({7}).p99 == 7);
  CHECK(percentiles({}).max == 0);
}

TEST_CASE("process usage: memory that is touched shows, as the process's own") {
  const auto before = process_usage(::getpid());
  REQUIRE(before.has_value());
  CHECK(before->cpu_ns > 0);
  CHECK_FALSE(before->threads.empty());
  constexpr std::size_t kMore = std::size_t{64} << 20U;
  // Of a vector that nobody reads a compiler may make nothing.
  void* const more = ::mmap(nullptr, kMore, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  REQUIRE(more != MAP_FAILED);
  const auto after = process_usage(::getpid());
  ::munmap(more, kMore);
  REQUIRE(after.has_value());
  CHECK(after->own - before->own >= kMore * 9 / 10);
  CHECK(after->rss - before->rss >= kMore * 9 / 10);
  CHECK(after->cpu_ns >= before->cpu_ns);
}

TEST_CASE("process usage: a process that there is not") {
  const auto usage = process_usage(1 << 30);
  REQUIRE_FALSE(usage.has_value());
  CHECK(usage.error().code == ErrorCode::kNotFound);
}

}  // namespace
}  // namespace kscpush::cli::bench
