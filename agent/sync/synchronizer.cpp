#include "agent/sync/synchronizer.hpp"

#include "core/report.hpp"
#include "core/words.hpp"
#include "policy/merge.hpp"

namespace kscpush::agent {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::string_view kPolicyFile = "policy.json";
constexpr std::string_view kSettingsFile = "settings.json";
constexpr std::size_t kMostBytes = std::size_t{4} << 20U;
constexpr double kSpread = 0.1;  // of the interval, so that devices that began together part

}  // namespace

Synchronizer::Synchronizer(Services& services, Presence& presence, const SyncOptions& options)
    : services_(services), presence_(presence), options_(options), answer_timer_(services.loop) {
  services_.on_connected.emplace_back([this] { connected(); });
  services_.on_stop.emplace_back([this] { stop(); });
  services_.status.add("policy", [this] { return status(); });
  restore();
}

void Synchronizer::add_to(PushHandlers& handlers) {
  handlers.add(
      "sync", [this](const PushMessage&, const Answer& answer) { wait_for(answer); },
      Repeated::kRunsAgain);
  // Never answered: it is an answer itself.
  handlers.add(
      "policy", [this](const PushMessage& push, const Answer&) { take(push); },
      Repeated::kRunsAgain);
}

// --- What is on disk

void Synchronizer::restore() {
  auto text = services_.state.read(kPolicyFile, kMostBytes);
  if (text && !text->has_value()) return;
  auto policy = text ? decode_policy(**text) : fail(text.error());
  if (!policy || !policy->settings) {
    services_.log.warn("the policy kept in {} cannot be read, and is asked for again: {}",
                       (services_.state / kPolicyFile).string(),
                       policy ? "it has no settings" : policy.error().message);
    return;
  }
  tried_ = policy->revision;
  // The local settings may be others than they were.
  auto schedule = put_in_force(*policy);
  result_ = schedule ? std::string(kApplied)
                     : one_line(schedule.error().message, DeviceReport::kLongestResult);
  if (schedule) {
    schedule_ = *schedule;
  } else {
    services_.log.error("policy {} cannot be applied: {}", tried_, schedule.error().message);
  }
  use_servers(policy->servers);
  policy_ = std::move(*policy);
}

Result<SyncSchedule> Synchronizer::put_in_force(const PolicyMessage& policy) {
  const Settings merged = policy::merge(*policy.settings, services_.config.local);
  auto schedule = read_schedule(merged);
  if (!schedule) return schedule;
  const std::string text = json(merged).dump(1, ' ', false, json::error_handler_t::replace) + "\n";
  const auto present = services_.state.read(kSettingsFile, kMostBytes);
  if (present && *present == text) return schedule;
  if (auto written = services_.state.write(kSettingsFile, text); !written) {
    return fail(written.error());
  }
  return schedule;
}

Status Synchronizer::apply(const PolicyMessage& policy) {
  auto schedule = put_in_force(policy);
  if (!schedule) return fail(schedule.error());
  if (auto kept = services_.state.write(kPolicyFile, encode(policy)); !kept) {
    // What is in force goes back to what is kept, so that a restart changes nothing.
    if (policy_) static_cast<void>(put_in_force(*policy_));
    return kept;
  }
  schedule_ = *schedule;
  use_servers(policy.servers);
  policy_ = policy;
  return {};
}

void Synchronizer::use_servers(const std::vector<std::string>& servers) {
  std::vector<Endpoint> endpoints;
  for (const std::string& text : servers) {
    if (auto endpoint = parse_endpoint(text)) {
      endpoints.push_back(std::move(*endpoint));
    } else {
      services_.log.warn("a push server of the policy is left out: {}", endpoint.error().message);
    }
  }
  presence_.use_servers(endpoints);
}

// --- What is asked

void Synchronizer::connected() {
  asked_ = false;
  ask();
}

// One question at a time. A push that comes while one is open needs the answer to another: the
// open one may have been answered before what the push is about.
void Synchronizer::wait_for(Answer answer) {
  if (waiting_.size() + later_.size() >= kMostWaiting) {
    return finish(answer, fail(ErrorCode::kOverloaded, "too many synchronizations wait already"));
  }
  (asked_ ? later_ : waiting_).push_back(std::move(answer));
  if (!asked_) ask();
}

void Synchronizer::ask() {
  const auto sent = services_.uplink.publish(
      mqtt::UpTopic::kSync, encode(SyncRequest{policy_ ? policy_->revision : std::string()}));
  if (!sent) return settle(fail(sent.error()));
  asked_ = true;
  answer_timer_.expires_after(options_.answer_within);
  answer_timer_.async_wait([this](const asio::error_code& error) {
    if (!error) no_answer();
  });
}

void Synchronizer::no_answer() {
  if (!asked_) return;
  services_.log.warn("the server did not say which policy this device should have");
  settle(fail(ErrorCode::kNoAnswer, "the server did not answer in time"));
  come_or_go();
}

void Synchronizer::stop() {
  answer_timer_.cancel();
  waiting_.clear();
  later_.clear();
}

// --- What is answered

void Synchronizer::take(const PushMessage& push) {
  const auto policy = decode_policy(push.params.dump());
  if (!policy) {
    services_.log.error("{}", policy.error().message);
    return settle(fail(policy.error()));
  }
  const bool same = policy_ && policy_->revision == policy->revision;
  if (!policy->settings && !same) {
    // The answer to a question that was asked before the policy here was another.
    return ask();
  }
  if (same) {
    // What was tried meanwhile is not wanted any more.
    tried_ = policy_->revision;
    if (schedule_) result_ = kApplied;
    if (policy->servers != policy_->servers) {
      policy_->servers = policy->servers;
      use_servers(policy->servers);
      if (auto kept = services_.state.write(kPolicyFile, encode(*policy_)); !kept) {
        services_.log.warn("the push servers are not on disk: {}", kept.error().message);
      }
    }
  } else {
    const auto applied = apply(*policy);
    tried_ = policy->revision;
    result_ = applied ? std::string(kApplied)
                      : one_line(applied.error().message, DeviceReport::kLongestResult);
    if (applied) {
      services_.log.info("policy {} is applied", tried_);
    } else {
      services_.log.error("policy {} cannot be applied: {}", tried_, applied.error().message);
    }
  }
  report();
  if (result_ == kApplied) {
    settle(json{{"revision", policy->revision}, {"result", same ? "unchanged" : "applied"}});
  } else {
    settle(fail(ErrorCode::kFailed, "policy {} cannot be applied: {}", tried_, result_));
  }
  come_or_go();
}

void Synchronizer::settle(const Result<json>& result) {
  asked_ = false;
  answer_timer_.cancel();
  const std::vector<Answer> answered = std::exchange(waiting_, std::exchange(later_, {}));
  for (const Answer& answer : answered) finish(answer, result);
  if (!waiting_.empty() && !asked_) ask();
}

void Synchronizer::report() {
  DeviceReport report{DeviceReport::Policy{tried_, result_}, services_.config.local};
  std::string text = encode(report);
  if (auto taken = decode_report(text); !taken) {
    services_.log.warn("the local settings are not told to the server: {}", taken.error().message);
    report.local.reset();
    text = encode(report);
  }
  if (auto sent = services_.uplink.publish(mqtt::UpTopic::kState, std::move(text)); !sent) {
    services_.log.warn("the state is not told to the server: {}", sent.error().message);
  }
}

// Who has no policy yet waits for one.
void Synchronizer::come_or_go() {
  if (asked_) return;
  if (!schedule_ || schedule_->stay) return presence_.stay();
  const auto interval = schedule_->interval.count() * options_.minute;
  const double part = std::uniform_real_distribution<double>(1 - kSpread, 1 + kSpread)(random_);
  presence_.leave_for(std::chrono::duration_cast<milliseconds>(interval * part));
}

milliseconds Synchronizer::closed_for() const {
  if (!schedule_) return milliseconds(0);
  const auto interval = schedule_->interval.count() * options_.minute;
  return agent::closed_for(*schedule_, local_time_of_day(services_.clock.wall()),
                           std::chrono::duration_cast<milliseconds>(interval * lateness_));
}

json Synchronizer::status() const {
  json part{{"revision", policy_ ? json(policy_->revision) : json()},
            {"result", result_.empty() ? json() : json(result_)},
            {"tried", tried_.empty() ? json() : json(tried_)}};
  if (schedule_) {
    part["stay"] = schedule_->stay;
    part["interval_min"] = schedule_->interval.count();
    part["closed_for_s"] = std::chrono::ceil<std::chrono::seconds>(closed_for()).count();
  }
  return part;
}

}  // namespace kscpush::agent
