#include "cli/rollout/rollout_view.hpp"

#include "cli/support/interrupt.hpp"
#include "cli/support/output.hpp"
#include "cli/support/patience.hpp"
#include "cli/support/progress.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kLookEvery{300};

std::int64_t count_of(const json& rollout, std::string_view state) {
  return rollout.at("counts").value(std::string(state), std::int64_t{0});
}

// Those that have come so far, or further.
std::int64_t reached(const json& rollout, PushState state) {
  std::int64_t sum = 0;
  for (auto i = static_cast<std::size_t>(state);
       i <= static_cast<std::size_t>(PushState::kCompleted); ++i) {
    sum += count_of(rollout, to_string(PushState(i)));
  }
  return sum;
}

// GOAL: what the bar counts.
std::string progress_line(const json& rollout, PushState goal) {
  const auto targets = rollout.at("targets").get<std::int64_t>();
  const std::int64_t acked = reached(rollout, PushState::kAcked);
  const std::int64_t there = reached(rollout, goal);
  const auto failed = rollout.at("failed").get<std::int64_t>();
  constexpr std::int64_t kWidth = 24;
  const std::int64_t filled = targets == 0 ? kWidth : (there + failed) * kWidth / targets;
  return fmt::format(
      "[{:#<{}}{:.<{}}] {} of {}: {} stored, {} sent, {} acked, {} completed, {} failed", "",
      filled, "", kWidth - filled, there + failed, targets, count_of(rollout, "stored"),
      count_of(rollout, "sent"), acked, count_of(rollout, "completed"), failed);
}

bool is_over(const json& rollout, PushState goal) {
  if (rollout.at("state") == "running") return false;
  if (goal < PushState::kCompleted) return true;
  std::int64_t open = 0;
  for (std::size_t i = 0; i < kPushStates; ++i) {
    if (!is_final(PushState(i))) open += count_of(rollout, to_string(PushState(i)));
  }
  return open == 0;
}

// How long nothing may happen: with a rate the next push may be that far away.
std::chrono::duration<double> patience_of(const json& rollout, const RolloutWait& wait) {
  const json& rate = rollout.at("rate");
  return std::chrono::duration<double>(wait.silence_s +
                                       (rate.is_null() ? 0 : 1 / rate.get<double>()));
}

std::string how_to_watch_on(const std::string& id) {
  return fmt::format("'kscpush rollout watch {0}' watches on, 'kscpush rollout cancel {0}' ends it",
                     id);
}

}  // namespace

void print_rollout(const json& rollout, const Context& context) {
  std::vector<Column> fields{{"Id", "/id"},
                             {"Kind", "/kind"},
                             {"For", "/asked"},
                             {"State", "/state"},
                             {"Reason", "/reason"},
                             {"Devices", "/targets"},
                             {"Pushed", "/pushed"},
                             {"Refused", "/refused"},
                             {"Failed", "/failed"},
                             {"Rate", "/rate"},
                             {"Most failures", "/max_failures"},
                             {"Canary", "/canary"},
                             {"Created", "/created"},
                             {"Ended", "/ended"}};
  for (std::size_t i = 0; i < kPushStates; ++i) {
    const std::string name(to_string(PushState(i)));
    if (rollout.at("counts").contains(name)) fields.push_back({"  " + name, "/counts/" + name});
  }
  print_object(rollout, fields, "/id", context);
}

Result<json> watch_rollout(const ApiClient& api, const std::string& id, const Context& context,
                           const RolloutWait& wait) {
  const Interrupt interrupt;
  Progress progress("", 0, context);
  Patience patience(context.clock);
  json before;
  std::string line = "its state is not known";
  MonoTime changed = context.clock.now();
  for (;;) {
    auto rollout = api.get("/v1/rollouts/" + id);
    const bool is_cut = !rollout && interrupt.pending();
    if (!rollout && !is_cut && !Patience::may_pass(rollout.error())) return rollout;
    if (!rollout && !is_cut && patience.over()) {
      return fail({rollout.error().code, rollout.error().message, how_to_watch_on(id)});
    }
    if (rollout) {
      if (is_over(*rollout, wait.goal)) return rollout;
      patience.heard();
      line = progress_line(*rollout, wait.goal);
      if (rollout->at("counts") != before) changed = context.clock.now();
      before = rollout->at("counts");
      const bool silent = context.clock.now() - changed >= patience_of(*rollout, wait);
      if (wait.silence_s > 0 && silent) return rollout;
    }
    if (!is_cut) progress.say(rollout ? line : rollout.error().message);
    if (!interrupt.wait(rollout ? kLookEvery : Patience::kTryEvery)) continue;
    return fail({ErrorCode::kInterrupted, fmt::format("rollout {} goes on: {}", id, line),
                 how_to_watch_on(id)});
  }
}

Status rollout_outcome(const json& rollout) {
  const auto id = rollout.at("id").get<std::string>();
  const auto failed = rollout.at("failed").get<std::int64_t>();
  const std::string hint = fmt::format(
      "'kscpush push list --rollout {} --state failed' lists them; other ends are "
      "expired, undeliverable and rejected",
      id);
  if (rollout.at("state") == "halted") {
    const std::string reason =
        rollout.at("reason").is_string() ? rollout.at("reason").get<std::string>() : "";
    return fail({ErrorCode::kPartial, fmt::format("rollout {} was halted: {}", id, reason), hint});
  }
  if (failed == 0) return {};
  return fail({ErrorCode::kPartial,
               fmt::format("{} of {} devices have failed", failed,
                           rollout.at("targets").get<std::int64_t>()),
               hint});
}

}  // namespace kscpush::cli
