#include "agent/handlers.hpp"

#include <doctest/doctest.h>

namespace kscpush::agent {
namespace {

PushMessage message(std::string kind) {
  return {Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAV").value(), std::move(kind), 1,
          std::chrono::seconds(60), nlohmann::json::object()};
}

}  // namespace

TEST_CASE("handlers: what the kind's function returns is the answer") {
  PushHandlers handlers;
  handlers.add("echo", [](const PushMessage& push) -> Result<nlohmann::json> {
    return nlohmann::json{{"kind", push.kind}};
  });
  const auto answer = handlers.handle(message("echo"));
  CHECK(answer.id == message("echo").id);
  CHECK(answer.status == PushState::kCompleted);
  CHECK(answer.result == nlohmann::json{{"kind", "echo"}});
}

TEST_CASE("handlers: an error is answered as failed, with its message") {
  PushHandlers handlers;
  handlers.add("bad", [](const PushMessage&) -> Result<nlohmann::json> {
    return fail(ErrorCode::kFailed, "no disk");
  });
  const auto answer = handlers.handle(message("bad"));
  CHECK(answer.status == PushState::kFailed);
  CHECK(answer.result == nlohmann::json{{"error", "no disk"}});
}

TEST_CASE("handlers: a kind that nobody handles is answered as failed, by name") {
  const auto answer = PushHandlers().handle(message("tunnel.open"));
  CHECK(answer.status == PushState::kFailed);
  CHECK(answer.result ==
        nlohmann::json{{"error", "this agent does not know the kind 'tunnel.open'"}});
}

TEST_CASE("handlers: the one added last for a kind is used") {
  PushHandlers handlers;
  for (const int n : {1, 2}) {
    handlers.add("n", [n](const PushMessage&) -> Result<nlohmann::json> { return n; });
  }
  CHECK(handlers.handle(message("n")).result == 2);
}

}  // namespace kscpush::agent
