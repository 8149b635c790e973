#include "agent/handlers.hpp"

#include "core/error_table.hpp"

namespace kscpush::agent {

void finish(const Answer& answer, Result<nlohmann::json> result) {
  if (result) return answer(PushState::kCompleted, std::move(*result));
  nlohmann::json why{{"error", result.error().message},
                     {"code", error_row(result.error().code).name}};
  if (!result.error().hint.empty()) why["hint"] = result.error().hint;
  answer(PushState::kFailed, std::move(why));
}

void PushHandlers::add(std::string kind, Handler handler, Repeated repeated) {
  handlers_.insert_or_assign(std::move(kind), Entry{std::move(handler), repeated});
}

void PushHandlers::handle(const PushMessage& push, const Answer& answer) const {
  const auto found = handlers_.find(push.kind);
  if (found != handlers_.end()) return found->second.handler(push, answer);
  finish(answer, fail({ErrorCode::kUsage,
                       fmt::format("this agent does not know the kind '{}'", push.kind), ""}));
}

bool PushHandlers::runs_once(std::string_view kind) const {
  const auto found = handlers_.find(kind);
  return found != handlers_.end() && found->second.repeated == Repeated::kAnsweredAgain;
}

}  // namespace kscpush::agent
