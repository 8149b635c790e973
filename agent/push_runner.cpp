#include "agent/push_runner.hpp"

#include <algorithm>

namespace kscpush::agent {

using nlohmann::json;

namespace {

PushAnswer too_large(const Ulid& id) {
  return {id, PushState::kFailed, {{"error", "the answer is larger than the server takes"}}};
}

}  // namespace

PushRunner::PushRunner(const PushHandlers& handlers, PushJournal& journal, const Clock& clock,
                       spdlog::logger& log)
    : handlers_(handlers), journal_(journal), clock_(clock), log_(log) {
  std::vector<Ulid> lost;
  for (const JournalEntry& entry : journal_.entries()) {
    if (!is_final(entry.state)) lost.push_back(entry.id);
  }
  for (const Ulid& id : lost) {
    log_.warn("push {} was lost with the agent that ran it", id.str());
    answer(id, /*once=*/true, PushState::kFailed,
           {{"error", "lost with the agent, which stopped or crashed while this was running"}});
  }
}

void PushRunner::take(const PushMessage& push) {
  const bool once = handlers_.runs_once(push.kind);
  if (once) {
    if (const JournalEntry* const known = journal_.find(push.id)) {
      log_.info("push {} came again: {}", push.id.str(),
                is_final(known->state) ? "it is given the same answer" : "it still runs");
      if (is_final(known->state)) tell({known->id, known->state, known->result});
      return;
    }
    if (auto begun = journal_.begin(push.id, push.kind, clock_.wall()); !begun) {
      log_.error("push {} is not run: {}", push.id.str(), begun.error().message);
      tell({push.id, PushState::kFailed, {{"error", begun.error().message}}});
      return;
    }
  }
  handlers_.handle(push, [this, id = push.id, once](PushState state, json result) {
    answer(id, once, state, std::move(result));
  });
}

void PushRunner::answer(const Ulid& id, bool once, PushState state, json result) {
  if (once && is_final(state)) {
    if (auto noted = journal_.finish(id, state, result); !noted) {
      log_.error("the answer to push {} is not on disk: {}", id.str(), noted.error().message);
    }
  }
  tell({id, state, std::move(result)});
}

void PushRunner::tell(const PushAnswer& answer) {
  if (!send_) return;  // connected() will
  const bool is_last = is_final(answer.status);
  const std::uint64_t token = is_last ? ++last_token_ : 0;
  switch (send_(answer, token)) {
    case Sending::kQueued:
      if (is_last) sent_.emplace(token, answer.id);
      return;
    case Sending::kLater:
      log_.warn("the answer to push {} must wait: too many do already", answer.id.str());
      return;
    case Sending::kTooLarge: {
      log_.error("the answer to push {} is larger than the server takes", answer.id.str());
      const PushAnswer shorter = too_large(answer.id);
      if (is_last && answer.result != shorter.result) tell(shorter);
      return;
    }
  }
}

void PushRunner::acknowledged(std::uint64_t token, Taken taken) {
  const auto found = sent_.find(token);
  if (found == sent_.end()) return;
  const Ulid id = found->second;
  sent_.erase(found);
  if (taken == Taken::kTooLarge) {
    return tell(too_large(id));
  }
  if (auto noted = journal_.told(id); !noted) {
    log_.error("the server has the answer to push {}, but this is not on disk: {}", id.str(),
               noted.error().message);
  }
  if (sent_.empty()) tell_untold();
}

void PushRunner::connected() {
  tell_untold();
}

void PushRunner::tell_untold() {
  std::vector<PushAnswer> untold;
  for (const JournalEntry& entry : journal_.entries()) {
    if (!is_final(entry.state) || entry.told) continue;
    const bool under_way =
        std::ranges::any_of(sent_, [&](const auto& sending) { return sending.second == entry.id; });
    if (!under_way) untold.push_back({entry.id, entry.state, entry.result});
  }
  for (const PushAnswer& answer : untold) tell(answer);
}

}  // namespace kscpush::agent
