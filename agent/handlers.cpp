#include "agent/handlers.hpp"

namespace kscpush::agent {

PushAnswer PushHandlers::handle(const PushMessage& push) const {
  const auto found = handlers_.find(push.kind);
  if (found == handlers_.end()) {
    return {push.id,
            PushState::kFailed,
            {{"error", fmt::format("this agent does not know the kind '{}'", push.kind)}}};
  }
  auto result = found->second(push);
  if (!result) return {push.id, PushState::kFailed, {{"error", result.error().message}}};
  return {push.id, PushState::kCompleted, std::move(*result)};
}

}  // namespace kscpush::agent
