#include "cli/task/follow.hpp"

#include <ostream>

#include "cli/app.hpp"
#include "cli/push/push_view.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/patience.hpp"
#include "core/words.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kTimeout{15};
constexpr int kWaitForOutput = 10;  // s, on the device
constexpr double kAnswerWait = 30;  // s

class Follower {
 public:
  Follower(const ApiClient& api, std::string device, std::string run, const Context& context)
      : api_(api), device_(std::move(device)), run_(std::move(run)), context_(context) {}

  // Until the run has ended, or nothing more can be learned; an error only for Ctrl-C, and when
  // the output cannot be printed.
  Status follow() {
    Patience patience(context_.clock);
    for (;;) {
      if (interrupt_.pending() || !context_.out) return left_running();
      const auto answer = ask();
      if (!answer) {
        if (interrupt_.pending()) return left_running();
        if (!Patience::may_pass(answer.error())) return {};
        if (patience.over()) return lost();
        if (interrupt_.wait(Patience::kTryEvery)) return left_running();
        continue;
      }
      patience.heard();
      if (take(*answer)) return {};
      // A device that does not wait for output must not be asked again and again.
      const bool silent = answer->value("output", "").empty();
      if (silent && interrupt_.wait(Patience::kTryEvery)) return left_running();
    }
  }

 private:
  Result<json> ask() const {
    const json body{{"kind", "task.output"},
                    {"params", {{"run", run_}, {"offset", offset_}, {"wait_s", kWaitForOutput}}}};
    auto push = api_.post(fmt::format("/v1/devices/{}/pushes", device_), body, kTimeout);
    if (!push) return push;
    const WaitOptions wait{"completed", kAnswerWait};
    push = wait_for_push(api_, push->at("id").get<std::string>(), wait, context_);
    if (!push) return push;
    if (auto came = outcome(api_, *push, wait); !came) return fail(came.error());
    if (!push->at("result").is_object()) return fail(ErrorCode::kFailed, "no answer");
    return push->at("result");
  }

  // True at the end.
  bool take(const json& answer) {
    const auto missed = answer.value("missed", std::uint64_t{0});
    if (missed > 0) {
      print_note(fmt::format("({} bytes came too fast to be shown)", missed), context_);
    }
    context_.out << printable(answer.value("output", ""));
    context_.out.flush();
    offset_ = answer.value("next", offset_);
    return answer.value("end", false);
  }

  [[nodiscard]] Status lost() const {
    print_note(fmt::format("no output for {} s: the device does not answer",
                           std::chrono::seconds(Patience::kLongest).count()),
               context_);
    return {};
  }

  [[nodiscard]] Status left_running() const {
    const auto code = interrupt_.pending() ? ErrorCode::kInterrupted : ErrorCode::kPartial;
    return fail({code, fmt::format("the task goes on as run {}", run_),
                 fmt::format("'kscpush push show {0} --wait completed' waits for its end, 'kscpush "
                             "task stop {1} --run {0}' stops it",
                             run_, device_)});
  }

  const ApiClient& api_;
  const std::string device_;
  const std::string run_;
  const Context& context_;
  std::uint64_t offset_ = 0;
  const Interrupt interrupt_;
};

}  // namespace

Status follow_task(const Operation& operation, const OperationOptions& options,
                   const Context& context) {
  if (options.target.devices.size() != 1 || !prints_text(context)) {
    return fail({ErrorCode::kUsage, "--follow is for one device, and prints what the task prints",
                 "without it the answer has the end of the output, also as JSON"});
  }
  OperationOptions begin = options;
  begin.wait = false;
  const auto report = run_operation(operation, begin, context);
  if (!report) return fail(report.error());
  const json& row = report->devices.front();
  const auto run = row.at("push").get<std::string>();
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  const auto acked = wait_for_push(*api, run, {"acked", kAnswerWait}, context);
  if (!acked) return fail(acked.error());
  if (auto came = outcome(*api, *acked, {"acked", kAnswerWait}); !came) return came;
  Follower follower(*api, row.at("device").get<std::string>(), run, context);
  if (auto followed = follower.follow(); !followed) return followed;
  const WaitOptions end{"completed", kAnswerWait};
  const auto push = wait_for_push(*api, run, end, context);
  if (!push) return fail(push.error());
  if (auto came = outcome(*api, *push, end); !came) return came;
  const json& result = push->at("result");
  if (result.is_object()) {
    print_note(fmt::format("completed after {} ms", result.value("duration_ms", 0)), context);
  }
  return {};
}

}  // namespace kscpush::cli
