#include "server/unwritten_steps.hpp"

#include <optional>

#include <doctest/doctest.h>

namespace kscpush::server {
namespace {

WallTime at(int ms) {
  return WallTime(std::chrono::milliseconds(ms));
}
PushStep sent(std::int64_t seq, int attempts, int ms = 0) {
  return {seq, PushState::kSent, at(ms), attempts};
}
PushStep acked(std::int64_t seq, int ms = 0) {
  return {seq, PushState::kAcked, at(ms)};
}

const Status kFull = fail(ErrorCode::kFailed, "the disk is full");

// Keeps what it is given until it is told what becomes of it.
struct Disk : StepWriter {
  struct Given {
    PushStep step;
    std::shared_ptr<StepSink> sink;
  };
  void step(PushStep step, std::shared_ptr<StepSink> sink) override {
    given.push_back({std::move(step), std::move(sink)});
  }
  // Those that are given meanwhile are for the next time.
  void write(const Status& status = {}) {
    for (Given& one : std::exchange(given, {})) one.sink->written(std::move(one.step), status);
  }

  bool sent_ahead(const PushStep& sent) override {
    if (full) return false;
    ahead.push_back(sent.seq);
    return true;
  }

  std::vector<Given> given;
  std::vector<std::int64_t> ahead;
  bool full = false;
};

}  // namespace

TEST_CASE("unwritten steps: known until each of a push's is on disk") {
  Disk disk;
  UnwrittenSteps steps(disk);
  CHECK(steps.progress(1).attempts == 0);
  steps.put(sent(1, 1, 100));
  steps.put(sent(1, 2, 200));
  CHECK(steps.progress(1).attempts == 2);
  CHECK(steps.progress(1).sent == at(200));
  CHECK_FALSE(steps.progress(1).over);
  steps.put(acked(1));
  CHECK(steps.progress(1).over);
  REQUIRE(disk.given.size() == 3);
  Disk::Given last = std::move(disk.given.back());
  disk.given.pop_back();
  disk.write();
  CHECK(steps.progress(1).over);
  last.sink->written(std::move(last.step), {});
  CHECK(steps.progress(1).attempts == 0);
  CHECK_FALSE(steps.progress(1).over);
  CHECK(steps.size() == 0);
  CHECK(steps.failures() == 0);
}

TEST_CASE("unwritten steps: a sending that is held is one step with what follows") {
  Disk disk;
  UnwrittenSteps steps(disk);
  steps.hold(sent(1, 1, 100), false);
  CHECK(steps.progress(1).attempts == 1);
  CHECK_FALSE(steps.progress(1).over);
  CHECK(disk.given.empty());
  steps.put(acked(1, 150));
  REQUIRE(disk.given.size() == 1);
  const PushStep& both = disk.given[0].step;
  CHECK(both.state == PushState::kAcked);
  CHECK(both.at == at(150));
  CHECK(both.sent == at(100));
  CHECK(both.attempts == 1);
  steps.put({1, PushState::kCompleted, at(200)});
  CHECK_FALSE(disk.given.at(1).step.sent.has_value());
  disk.write();
  CHECK(steps.progress(1).attempts == 0);
  steps.write();
  CHECK(disk.given.empty());
  CHECK(steps.size() == 0);
}

TEST_CASE("unwritten steps: of one that may be replaced the store is told, or it is not held") {
  Disk disk;
  UnwrittenSteps steps(disk);
  steps.hold(sent(1, 1), true);
  CHECK(disk.ahead == std::vector<std::int64_t>{1});
  CHECK(disk.given.empty());
  disk.full = true;
  steps.hold(sent(2, 1), true);
  REQUIRE(disk.given.size() == 1);
  CHECK(disk.given[0].step.seq == 2);
}

TEST_CASE("unwritten steps: what is held is written on request, each once") {
  Disk disk;
  UnwrittenSteps steps(disk);
  for (int seq = 1; seq <= 3; ++seq) steps.hold(sent(seq, 1, seq), false);
  steps.write(2);
  REQUIRE(disk.given.size() == 1);
  CHECK(disk.given[0].step.seq == 2);
  CHECK(disk.given[0].step.state == PushState::kSent);
  CHECK(disk.given[0].step.at == at(2));
  CHECK(disk.given[0].step.attempts == 1);
  steps.write(4);  // nothing is known of it
  steps.write();
  steps.write();
  CHECK(disk.given.size() == 3);
  disk.write();
  CHECK(steps.progress(3).attempts == 0);
  CHECK(steps.size() == 0);
}

TEST_CASE("unwritten steps: what is held is written when it has waited from one time to the next") {
  Disk disk;
  UnwrittenSteps steps(disk);
  steps.hold(sent(1, 1), false);
  steps.write_old();
  steps.hold(sent(2, 1), false);
  CHECK(disk.given.empty());
  steps.write_old();
  REQUIRE(disk.given.size() == 1);
  CHECK(disk.given[0].step.seq == 1);
  steps.write_old();
  CHECK(disk.given.size() == 2);
  steps.write_old();
  CHECK(disk.given.size() == 2);
}

TEST_CASE("unwritten steps: one that is held is known when earlier ones are on disk") {
  Disk disk;
  UnwrittenSteps steps(disk);
  steps.put(sent(1, 1));
  steps.hold(sent(1, 2), false);
  disk.write();
  CHECK(steps.progress(1).attempts == 2);
  steps.put(sent(1, 3));  // says what that would have
  steps.write();
  REQUIRE(disk.given.size() == 1);
  CHECK(disk.given[0].step.attempts == 3);
  CHECK_FALSE(disk.given[0].step.sent.has_value());
}

TEST_CASE("unwritten steps: what fails is kept, and given to be written again") {
  Disk disk;
  UnwrittenSteps steps(disk);
  for (int seq = 1; seq <= 3; ++seq) {
    steps.hold(sent(seq, 1), false);
    steps.put(acked(seq));
  }
  disk.write(kFull);
  CHECK(steps.failures() == 3);
  CHECK(steps.progress(1).over);
  steps.retry(2);
  REQUIRE(disk.given.size() == 2);
  CHECK(disk.given[0].step.seq == 1);
  CHECK(disk.given[0].step.state == PushState::kAcked);
  CHECK(disk.given[0].step.sent.has_value());
  disk.write();
  CHECK_FALSE(steps.progress(1).over);
  CHECK(steps.progress(3).over);
  steps.retry(2);
  REQUIRE(disk.given.size() == 1);
  disk.write(kFull);
  steps.retry(2);
  CHECK(disk.given.size() == 1);
}

TEST_CASE("unwritten steps: of a push that is gone nothing is kept") {
  Disk disk;
  UnwrittenSteps steps(disk);
  steps.put(acked(2));
  disk.write(fail(ErrorCode::kNotFound, "no push"));
  CHECK(steps.failures() == 0);
  CHECK_FALSE(steps.progress(2).over);
  steps.retry(10);
  CHECK(disk.given.empty());
}

TEST_CASE("unwritten steps: bounded, and the surplus does no harm") {
  Disk disk;
  UnwrittenSteps steps(disk, 2);
  for (int seq = 1; seq <= 3; ++seq) steps.hold(sent(seq, 1), false);
  CHECK(steps.size() == 2);
  CHECK(steps.progress(3).attempts == 0);
  CHECK(disk.given.size() == 1);  // of what cannot be noted nothing is held
  steps.hold(sent(1, 2), false);  // known ones go on
  CHECK(steps.progress(1).attempts == 2);
  steps.write();
  CHECK(disk.given.size() == 3);
  disk.write();
  CHECK(steps.progress(1).attempts == 0);
  CHECK(steps.size() == 0);
}

TEST_CASE("unwritten steps: what failed of a push is written at once for whoever needs it") {
  Disk disk;
  UnwrittenSteps steps(disk);
  steps.put(sent(1, 1));
  steps.put(sent(2, 1));
  disk.write(kFull);
  steps.write(1);
  REQUIRE(disk.given.size() == 1);
  CHECK(disk.given.front().step.seq == 1);
  CHECK(disk.given.front().step.state == PushState::kSent);
  disk.write();
  CHECK(steps.progress(1).attempts == 0);
  CHECK(steps.progress(2).attempts == 1);
  steps.retry(2);
  REQUIRE(disk.given.size() == 1);
  CHECK(disk.given.front().step.seq == 2);
}

TEST_CASE("unwritten steps: of the surplus failures are counted, and nothing is kept") {
  Disk disk;
  UnwrittenSteps steps(disk, 0);
  steps.put(acked(1));
  disk.write(kFull);
  CHECK(steps.failures() == 1);
  steps.retry(1);
  CHECK(disk.given.empty());
}

TEST_CASE("unwritten steps: a sink may be told when the table is gone") {
  Disk disk;
  {
    UnwrittenSteps steps(disk);
    steps.put(sent(1, 1));
  }
  disk.write();
}

}  // namespace kscpush::server
