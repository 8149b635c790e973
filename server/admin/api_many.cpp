// The part of the admin API that reaches many devices at once.

#include <asio/post.hpp>

#include "server/admin/call.hpp"
#include "server/admin/json.hpp"
#include "server/admin/push_fields.hpp"
#include "server/admin/targets.hpp"

namespace kscpush::server {

using nlohmann::json;

namespace {

std::vector<std::string> with_targets(std::vector<std::string> fields) {
  fields.insert(fields.end(), Targets::fields().begin(), Targets::fields().end());
  return fields;
}

}  // namespace

// One that is not connected may not exist.
Error AdminApi::why(const DeviceId& id, const Error& error) const {
  if (error.code != ErrorCode::kOffline) return error;
  const auto known = server_.registered(id);
  return known ? error : known.error();
}

void AdminApi::ping_all(const Call& call) {
  const auto body = body_object(call.request, with_targets({"timeout_ms"}));
  if (!body) return call.answer(body.error());
  const auto timeout = timeout_field(*body);
  if (!timeout) return call.answer(timeout.error());
  auto targets = read_targets(*body, keeper_.running()->site);
  if (!targets) return call.answer(targets.error());
  asio::post(background_, [this, targets = std::move(*targets), timeout = *timeout,
                           answer = call.later()] {
    auto devices = resolve(targets, server_.store(), server_.config()->dp, Targets::kMostListed);
    if (!devices) return answer(devices.error());
    const auto ids = std::make_shared<const std::vector<DeviceId>>(std::move(*devices));
    server_.ping_all(*ids, timeout, [this, ids, answer](Result<ProbeReports> done) {
      if (!done) return answer(done.error());
      asio::post(background_, [this, ids, answer, reports = std::move(*done)] {
        answer(200, describe_pings(*ids, reports));
      });
    });
  });
}

json AdminApi::describe_pings(const std::vector<DeviceId>& ids, const ProbeReports& reports) const {
  json answered = json::array();
  json failed = json::array();
  for (std::size_t i = 0; i < reports.size(); ++i) {
    const auto& report = reports[i];
    json row = report ? to_json(*report) : to_json(why(ids[i], report.error()));
    row["device"] = ids[i].str();
    (report ? answered : failed).push_back(std::move(row));
  }
  return {{"answered", std::move(answered)}, {"failed", std::move(failed)}};
}

namespace {

// {"accepted": [{"device", "id"}], "failed": [{"device", "code", "message", ...}]}
json describe_pushes(const std::vector<DeviceId>& ids, const Store::PushResults& results) {
  json accepted = json::array();
  json failed = json::array();
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i]) {
      accepted.push_back({{"device", ids[i].str()}, {"id", results[i]->id.str()}});
    } else {
      json row = to_json(results[i].error());
      row["device"] = ids[i].str();
      failed.push_back(std::move(row));
    }
  }
  return {{"accepted", std::move(accepted)}, {"failed", std::move(failed)}};
}

}  // namespace

void AdminApi::push_all(const Call& call) {
  auto fields = with_targets(push_fields());
  fields.insert(fields.end(), pace_fields().begin(), pace_fields().end());
  fields.emplace_back("dry_run");
  const auto body = body_object(call.request, fields);
  if (!body) return call.answer(body.error());
  auto request = read_push(call.request, *body);
  if (!request) return call.answer(request.error());
  auto targets = read_targets(*body, keeper_.running()->site);
  if (!targets) return call.answer(targets.error());
  const auto pace = read_pace(*body);
  if (!pace) return call.answer(pace.error());
  const auto dry_run = bool_field(*body, "dry_run");
  if (!dry_run) return call.answer(dry_run.error());
  const RolloutOptions options{targets->as_asked.dump(), pace->rate.value_or(0), pace->max_failures,
                               pace->canary.value_or(0)};
  const bool plain = targets->listed() && !request->key && !pace->given();
  asio::post(background_, [this, plain, request = std::move(*request),
                           targets = std::move(*targets), options,
                           only_count = dry_run->value_or(false), answer = call.later()] {
    auto ids = resolve(targets, server_.store(), server_.config()->dp, Rollouts::kMostTargets);
    if (!ids) return answer(ids.error());
    if (only_count) return answer(200, {{"targets", ids->size()}});
    if (!plain) return roll_out(std::move(*ids), request, options, answer);
    const auto shared = std::make_shared<const std::vector<DeviceId>>(std::move(*ids));
    server_.push_all(*shared, request, [this, shared, answer](Result<Store::PushResults> results) {
      if (!results) return answer(results.error());
      asio::post(background_, [shared, answer, all = std::move(*results)] {
        answer(202, describe_pushes(*shared, all));
      });
    });
  });
}

void AdminApi::roll_out(std::vector<DeviceId> ids, const PushRequest& request,
                        const RolloutOptions& options, const Answer& answer) {
  if (ids.empty()) {
    return answer(Error{ErrorCode::kNotFound, "no device is meant",
                        "those of the registry that are in scope and not revoked count"});
  }
  server_.roll_out(std::move(ids), request, options,
                   [answer](const Result<RolloutProgress>& begun, bool replayed) {
                     if (!begun) return answer(begun.error());
                     HttpResponse response = to_response(202, {{"rollout", to_json(*begun)}});
                     if (replayed) response.headers.emplace_back("Idempotency-Replayed", "true");
                     answer(std::move(response));
                   });
}

void AdminApi::list_rollouts(const Call& call) {
  const std::string_view query = call.request.query;
  const auto limit = page_limit(query);
  if (!limit) return call.answer(limit.error());
  const auto after = page_after(query);
  if (!after) return call.answer(after.error());
  asio::post(background_, [this, limit = *limit, after = *after, answer = call.later()] {
    const auto page = server_.rollouts().list(after, limit);
    if (!page) return answer(page.error());
    json rows = json::array();
    for (const RolloutProgress& progress : *page) rows.push_back(to_json(progress));
    const bool more = page->size() == limit;
    answer(200, {{"rollouts", std::move(rows)},
                 {"next", more ? json(page->back().rollout.number) : json()}});
  });
}

void AdminApi::show_rollout(const Call& call) {
  const auto id = Ulid::parse(call.id, "rollout");
  if (!id) return call.answer(id.error());
  // Of one that has ended its pushes are counted: not here.
  asio::post(background_, [this, id = *id, answer = call.later()] {
    const auto progress = server_.rollouts().find(id);
    if (!progress) return answer(progress.error());
    answer(200, to_json(*progress));
  });
}

void AdminApi::cancel_rollout(const Call& call) {
  const auto id = Ulid::parse(call.id, "rollout");
  if (!id) return call.answer(id.error());
  server_.cancel_rollout(*id, "cancelled through the admin API",
                         [answer = call.later()](const Result<RolloutProgress>& progress) {
                           if (!progress) return answer(progress.error());
                           answer(200, to_json(*progress));
                         });
}

}  // namespace kscpush::server
