#include "agent/handlers.hpp"

#include <optional>

#include <doctest/doctest.h>

namespace kscpush::agent {
namespace {

PushMessage message(std::string kind) {
  return {Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAV").value(), std::move(kind), 1,
          std::chrono::seconds(60), nlohmann::json::object()};
}

struct Given {
  PushState status;
  nlohmann::json result;
};

std::vector<Given> handle(const PushHandlers& handlers, const std::string& kind) {
  std::vector<Given> given;
  handlers.handle(message(kind), [&](PushState status, nlohmann::json result) {
    given.push_back({status, std::move(result)});
  });
  return given;
}

}  // namespace

TEST_CASE("handlers: what the kind's function finds out is the answer") {
  PushHandlers handlers;
  handlers.add("echo", [](const PushMessage& push, const Answer& answer) {
    answer(PushState::kStarted, nullptr);
    finish(answer, nlohmann::json{{"kind", push.kind}});
  });
  const auto given = handle(handlers, "echo");
  REQUIRE(given.size() == 2);
  CHECK(given[0].status == PushState::kStarted);
  CHECK(given[1].status == PushState::kCompleted);
  CHECK(given[1].result == nlohmann::json{{"kind", "echo"}});
}

TEST_CASE("handlers: an answer may come when the handler has long returned") {
  PushHandlers handlers;
  Answer kept;
  handlers.add("slow", [&](const PushMessage&, const Answer& answer) { kept = answer; });
  std::optional<PushState> status;
  handlers.handle(message("slow"), [&](PushState given, const nlohmann::json&) { status = given; });
  CHECK_FALSE(status.has_value());
  finish(kept, nlohmann::json::object());
  CHECK(status == PushState::kCompleted);
}

TEST_CASE("handlers: an error is answered as failed, with its code, message and hint") {
  PushHandlers handlers;
  handlers.add("bad", [](const PushMessage&, const Answer& answer) {
    finish(answer, fail({ErrorCode::kFailed, "no disk", "buy one"}));
  });
  const auto given = handle(handlers, "bad");
  REQUIRE(given.size() == 1);
  CHECK(given[0].status == PushState::kFailed);
  CHECK(given[0].result ==
        nlohmann::json{{"error", "no disk"}, {"code", "failed"}, {"hint", "buy one"}});
}

TEST_CASE("handlers: a kind that nobody handles is answered as failed, by name") {
  const auto given = handle(PushHandlers(), "tunnel.open");
  REQUIRE(given.size() == 1);
  CHECK(given[0].status == PushState::kFailed);
  CHECK(given[0].result ==
        nlohmann::json{{"error", "this agent does not know the kind 'tunnel.open'"},
                       {"code", "usage"}});
}

TEST_CASE("handlers: the one added last for a kind is used") {
  PushHandlers handlers;
  for (const int n : {1, 2}) {
    handlers.add("n", [n](const PushMessage&, const Answer& answer) { finish(answer, n); });
  }
  CHECK(handle(handlers, "n").at(0).result == 2);
}

TEST_CASE("handlers: a kind runs once unless it was added as one that may run again") {
  PushHandlers handlers;
  const auto nothing = [](const PushMessage&, const Answer&) {};
  handlers.add("once", nothing);
  handlers.add("again", nothing, Repeated::kRunsAgain);
  CHECK(handlers.runs_once("once"));
  CHECK_FALSE(handlers.runs_once("again"));
  CHECK_FALSE(handlers.runs_once("unknown"));
}

}  // namespace kscpush::agent
