#include "cli/bench/steps.hpp"

#include <algorithm>

#include "core/diagnostic.hpp"
#include "core/numbers.hpp"

namespace kscpush::cli::bench {
namespace {

constexpr double kDefaultHold = 5;
constexpr double kLongestHold = 30.0 * 24 * 3600;
constexpr double kMostTimes = 1000;

const std::vector<std::string> kNames{"hold", "sweep", "storm", "outage", "wait"};

Error bad(const std::string& word, std::string what) {
  return {ErrorCode::kUsage, fmt::format("'{}' is no step{}", word, what),
          "steps: hold[=SECONDS], sweep[=TIMES], storm[=TIMES], outage, wait"};
}

}  // namespace

std::string_view to_string(Step::Kind kind) {
  return kNames[static_cast<std::size_t>(kind)];
}

Result<std::vector<Step>> parse_steps(const std::vector<std::string>& words) {
  std::vector<Step> steps;
  for (const std::string& word : words) {
    const std::size_t equals = std::min(word.find('='), word.size());
    const std::string name = word.substr(0, equals);
    const auto known = std::ranges::find(kNames, name);
    if (known == kNames.end()) return fail(bad(word, suggestion(name, kNames)));
    Step step;
    step.kind = static_cast<Step::Kind>(known - kNames.begin());
    const bool hold = step.kind == Step::Kind::kHold;
    double value = hold ? kDefaultHold : 1;
    if (equals < word.size()) {
      if (!hold && step.kind != Step::Kind::kSweep && step.kind != Step::Kind::kStorm) {
        return fail(bad(word, fmt::format(": '{}' takes no number", name)));
      }
      value = to_number<double>(std::string_view(word).substr(equals + 1)).value_or(0);
      if (!(value > 0) || value > (hold ? kLongestHold : kMostTimes)) {
        return fail(bad(word, fmt::format(": {} needs a number above 0", name)));
      }
    }
    step.time = std::chrono::duration<double>(value);
    step.count = hold ? 1 : static_cast<int>(value);
    if (step.count < 1) return fail(bad(word, ": once at least"));
    steps.push_back(step);
  }
  return steps;
}

}  // namespace kscpush::cli::bench
