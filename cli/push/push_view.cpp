#include "cli/push/push_view.hpp"

#include <algorithm>
#include <cmath>

#include "cli/support/interrupt.hpp"
#include "cli/support/output.hpp"
#include "cli/support/patience.hpp"
#include "cli/support/progress.hpp"
#include "core/push.hpp"
#include "core/words.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr double kLookEvery = 1;            // seconds: so long Ctrl-C may take
constexpr std::chrono::seconds kMargin{5};  // for the way there and back

PushState state_of_push(const json& push) {
  return push_state_from_name(push.at("state").get<std::string>()).value_or(PushState::kAccepted);
}

bool has_come(const json& push, const std::string& wanted) {
  const PushState state = state_of_push(push);
  const bool is_end = state > PushState::kCompleted;
  // An acknowledged push may have ended since.
  return push.at("times").contains(wanted) || (!is_end && state >= push_state_from_name(wanted));
}

std::vector<Column> fields_of(const json& push) {
  std::vector<Column> fields{{"Id", "/id"},
                             {"Device", "/device"},
                             {"Kind", "/kind"},
                             {"Parameters", "/params"},
                             {"Collapse key", "/collapse_key"},
                             {"State", "/state"},
                             {"Reason", "/reason"},
                             {"Result", "/result"},
                             {"Attempts", "/attempts"},
                             {"Expires", "/expires"}};
  for (std::size_t i = 0; i < kPushStates; ++i) {
    const std::string name(to_string(PushState(i)));
    if (push.at("times").contains(name)) fields.push_back({"  " + name, "/times/" + name});
  }
  return fields;
}

std::string how_to_wait_on(const std::string& id, const WaitOptions& options) {
  return fmt::format("'kscpush push show {} --wait {}' waits on", id, options.state);
}

Error interrupted(const std::string& id, std::string_view state, const WaitOptions& options) {
  return {ErrorCode::kInterrupted, fmt::format("push {} goes on: it is {}", id, state),
          fmt::format("{}, 'kscpush push cancel {}' takes it back while it is not sent",
                      how_to_wait_on(id, options), id)};
}

}  // namespace

std::string reason_of(const json& push) {
  const json& result = push.at("result");
  if (result.is_object() && push.at("state") == "failed") {
    if (const auto error = result.find("error"); error != result.end() && error->is_string()) {
      return one_line(error->get<std::string>());
    }
  }
  return push.at("reason").is_string() ? push.at("reason").get<std::string>() : std::string();
}

void add_wait_options(CLI::App& command, WaitOptions& options) {
  command
      .add_option("--wait", options.state,
                  "Wait until the device has acknowledged it, or has answered")
      ->type_name("STATE")
      ->check(CLI::IsMember({"acked", "completed"}));
  command.add_option("--timeout", options.timeout_s, "Seconds to wait (default: 30)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 172'800.0));
}

Result<json> wait_for_push(const ApiClient& api, const std::string& id, const WaitOptions& options,
                           const Context& context) {
  const MonoTime begun = context.clock.now();
  const Interrupt interrupt;
  Progress progress("", 0, context);
  Patience patience(context.clock);
  std::string state = "not known";
  for (;;) {
    const std::chrono::duration<double> waited = context.clock.now() - begun;
    const double left = std::max(0.0, options.timeout_s - waited.count());
    const auto seconds = static_cast<int>(std::ceil(std::min(left, kLookEvery)));
    auto push = api.get(fmt::format("/v1/pushes/{}?wait={}&timeout={}", id, options.state, seconds),
                        std::chrono::seconds(seconds) + kMargin);
    if (!push) {
      if (interrupt.pending()) return fail(interrupted(id, state, options));
      if (!Patience::may_pass(push.error())) return push;
      if (left <= kLookEvery || patience.over()) {
        return fail({push.error().code, push.error().message, how_to_wait_on(id, options)});
      }
      progress.say(push.error().message);
      if (interrupt.wait(Patience::kTryEvery)) return fail(interrupted(id, state, options));
      continue;
    }
    patience.heard();
    const bool is_over = is_final(state_of_push(*push)) || has_come(*push, options.state);
    if (is_over || left <= kLookEvery) return push;
    state = push->at("state").get<std::string>();
    if (interrupt.pending()) return fail(interrupted(id, state, options));
    progress.say(
        fmt::format("{}, waiting for {} ({:.0f} s)", state, options.state, waited.count()));
  }
}

Status outcome(const ApiClient& api, const json& push, const WaitOptions& options) {
  if (has_come(push, options.state)) return {};
  const auto id = push.at("id").get<std::string>();
  const auto state = push.at("state").get<std::string>();
  const auto device = push.at("device").get<std::string>();
  if (is_final(state_of_push(push))) {
    const std::string reason = reason_of(push);
    return fail({ErrorCode::kFailed,
                 fmt::format("push {} is {}{}{}", id, state, reason.empty() ? "" : ": ", reason),
                 fmt::format("'kscpush push show {}' shows its life", id)});
  }
  const auto shown = api.get("/v1/devices/" + device);
  if (shown && shown->at("connection").is_null()) {
    return fail({ErrorCode::kOffline,
                 fmt::format("device '{}' is not connected; push {} waits for it until {}", device,
                             id, push.at("expires").get<std::string>()),
                 fmt::format("'kscpush push cancel {}' takes it back", id)});
  }
  return fail({ErrorCode::kNoAnswer,
               fmt::format("push {} is {} after {:g} s", id, state, options.timeout_s),
               how_to_wait_on(id, options)});
}

void print_push(const json& push, const Context& context) {
  print_object(push, fields_of(push), "/id", context);
}

}  // namespace kscpush::cli
