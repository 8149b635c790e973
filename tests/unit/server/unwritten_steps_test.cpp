#include "server/unwritten_steps.hpp"

#include <doctest/doctest.h>

namespace kscpush::server {
namespace {

PushStep sent(std::int64_t seq, int attempts, int at = 0) {
  return {seq, PushState::kSent, WallTime(std::chrono::milliseconds(at)), attempts, "", ""};
}
PushStep acked(std::int64_t seq) {
  return {seq, PushState::kAcked, WallTime{}, 0, "", ""};
}

const Status kFull = fail(ErrorCode::kFailed, "the disk is full");

}  // namespace

TEST_CASE("unwritten steps: known until each of a push's is on disk") {
  UnwrittenSteps steps;
  CHECK(steps.progress(1).attempts == 0);
  const auto first = steps.note(sent(1, 1, 100));
  const auto second = steps.note(sent(1, 2, 200));
  CHECK(steps.progress(1).attempts == 2);
  CHECK(steps.progress(1).sent == WallTime(std::chrono::milliseconds(200)));
  CHECK_FALSE(steps.progress(1).over);
  const auto third = steps.note(acked(1));
  CHECK(steps.progress(1).over);
  first->written(sent(1, 1, 100), {});
  second->written(sent(1, 2, 200), {});
  CHECK(steps.progress(1).over);
  third->written(acked(1), {});
  CHECK(steps.progress(1).attempts == 0);
  CHECK_FALSE(steps.progress(1).over);
  CHECK(steps.size() == 0);
  CHECK(steps.failures() == 0);
}

TEST_CASE("unwritten steps: what fails is kept, and given out to be tried again") {
  UnwrittenSteps steps;
  for (int seq = 1; seq <= 3; ++seq) {
    steps.note(acked(seq))->written(acked(seq), kFull);
  }
  CHECK(steps.failures() == 3);
  CHECK(steps.progress(1).over);
  const auto first = steps.take_failed(2);
  REQUIRE(first.size() == 2);
  CHECK(first[0].seq == 1);
  CHECK(first[1].state == PushState::kAcked);
  REQUIRE(steps.take_failed(2).size() == 1);
  CHECK(steps.take_failed(2).empty());
  steps.noted()->written(PushStep(first[0]), {});
  CHECK_FALSE(steps.progress(1).over);
  CHECK(steps.progress(2).over);
  steps.noted()->written(PushStep(first[1]), kFull);
  CHECK(steps.take_failed(2).size() == 1);
}

TEST_CASE("unwritten steps: of a push that is gone nothing is kept") {
  UnwrittenSteps steps;
  steps.note(acked(2))->written(acked(2), fail(ErrorCode::kNotFound, "no push"));
  CHECK(steps.failures() == 0);
  CHECK_FALSE(steps.progress(2).over);
  CHECK(steps.take_failed(10).empty());
}

TEST_CASE("unwritten steps: bounded, and the surplus does no harm") {
  UnwrittenSteps steps(2);
  std::vector<std::pair<std::int64_t, std::shared_ptr<StepSink>>> under_way;
  for (int seq = 1; seq <= 3; ++seq) under_way.emplace_back(seq, steps.note(sent(seq, 1)));
  CHECK(steps.size() == 2);
  CHECK(steps.progress(3).attempts == 0);
  under_way.emplace_back(1, steps.note(sent(1, 2)));  // known ones go on
  CHECK(steps.progress(1).attempts == 2);
  for (const auto& [seq, sink] : under_way) sink->written(sent(seq, 1), {});
  CHECK(steps.progress(1).attempts == 0);
  CHECK(steps.size() == 0);
}

TEST_CASE("unwritten steps: of the surplus failures are counted, and nothing is kept") {
  UnwrittenSteps steps(0);
  steps.note(acked(1))->written(acked(1), kFull);
  CHECK(steps.failures() == 1);
  CHECK(steps.take_failed(1).empty());
}

TEST_CASE("unwritten steps: a sink may be told when the table is gone") {
  std::shared_ptr<StepSink> late;
  {
    UnwrittenSteps steps;
    late = steps.note(sent(1, 1));
  }
  late->written(sent(1, 1), {});
}

}  // namespace kscpush::server
