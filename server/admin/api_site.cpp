// The part of the admin API that is about the site configuration.
#include <iterator>

#include "core/error_table.hpp"
#include "core/numbers.hpp"
#include "server/admin/api.hpp"
#include "server/admin/call.hpp"
#include "server/admin/json.hpp"
#include "server/admin/push_fields.hpp"
#include "server/admin/site_json.hpp"

namespace kscpush::server {

using nlohmann::json;

namespace {

constexpr std::int64_t kDefaultPage = 100;
constexpr std::int64_t kLargestPage = 1'000;

std::optional<std::int64_t> number_of(std::string_view text) {
  const auto number = to_number<std::int64_t>(text);
  if (!number || *number < 1) return std::nullopt;
  return number;
}

Error no_revision(std::string_view text) {
  return Error{ErrorCode::kNotFound, fmt::format("no revision '{}'", text.substr(0, 40)),
               "'kscpush history' lists the revisions"};
}

// Answers when the keeper has worked the request off.
SiteKeeper::Done answer_later(const AdminApi::Call& call) {
  return [answer = call.later()](const SiteResult<SiteChange>& change) {
    if (change) {
      answer(200, to_json(*change));
      return;
    }
    json body = to_json(change.error().error);
    if (!change.error().diagnostics.empty()) {
      body["diagnostics"] = to_json(change.error().diagnostics);
    }
    answer(error_row(change.error().error.code).http_status, body);
  };
}

}  // namespace

void AdminApi::show_site(const Call& call) {
  const auto running = keeper_.running();
  json body = to_json(running->revision);
  body["files"] = to_json(running->files);
  call.answer(200, body);
}

namespace {

std::vector<std::string> change_fields(std::vector<std::string> fields) {
  fields.insert(fields.end(), {"comment", "sync"});
  fields.insert(fields.end(), pace_fields().begin(), pace_fields().end());
  return fields;
}

// What the fields of a change have in common, put into REQUEST.
Status read_change(const json& body, SiteRequest& request) {
  auto comment = text_field(body, "comment");
  if (!comment) return fail(comment.error());
  request.comment = comment->value_or("");
  const auto sync = bool_field(body, "sync");
  if (!sync) return fail(sync.error());
  const auto pace = read_pace(body);
  if (!pace) return fail(pace.error());
  if (sync->value_or(true)) {
    request.sync = SyncPace{pace->rate.value_or(SyncPace::kUsualRate), pace->max_failures,
                            pace->canary.value_or(0)};
    return {};
  }
  if (pace->given()) return fail_field("sync", "without 'sync' there is nothing to pace");
  request.sync.reset();
  return {};
}

}  // namespace

void AdminApi::submit_files(const Call& call, bool trial) {
  const auto body = body_object(call.request, change_fields({"files"}));
  if (!body) return call.answer(body.error());
  auto files = site_files_from_json(body->value("files", json()));
  if (!files) return call.answer(files.error());
  SiteRequest request;
  if (auto read = read_change(*body, request); !read) return call.answer(read.error());
  request.files = std::move(*files);
  request.trial = trial;
  request.how = "apply";
  keeper_.submit(std::move(request), answer_later(call));
}

void AdminApi::apply_site(const Call& call) {
  submit_files(call, /*trial=*/false);
}

void AdminApi::plan_site(const Call& call) {
  submit_files(call, /*trial=*/true);
}

void AdminApi::list_revisions(const Call& call) {
  const auto limit = number_parameter(call.request.query, "limit", kDefaultPage, 1, kLargestPage);
  if (!limit) return call.answer(limit.error());
  const std::string before = query_parameter(call.request.query, "before");
  const auto number = before.empty() ? std::optional<std::int64_t>(0) : number_of(before);
  if (!number) return call.answer(no_revision(before));
  const auto revisions = server_.store().list_revisions(*number, static_cast<std::size_t>(*limit));
  if (!revisions) return call.answer(revisions.error());
  json list = json::array();
  for (const SiteRevision& revision : *revisions) list.push_back(to_json(revision));
  const bool more = std::ssize(*revisions) == *limit && revisions->back().number > 1;
  call.answer(200, {{"revisions", std::move(list)},
                    {"next", more ? json(revisions->back().number) : json()}});
}

void AdminApi::show_revision(const Call& call) {
  const auto number = number_of(call.id);
  if (!number) return call.answer(no_revision(call.id));
  const auto revision = server_.store().find_revision(*number);
  if (!revision) return call.answer(revision.error());
  if (!*revision) return call.answer(no_revision(call.id));
  json body = to_json(**revision);
  body["files"] = json::parse((*revision)->files, nullptr, /*allow_exceptions=*/false);
  body["plan"] = json::parse((*revision)->plan, nullptr, /*allow_exceptions=*/false);
  call.answer(200, body);
}

void AdminApi::submit_revision(const Call& call, bool trial) {
  const auto number = number_of(call.id);
  if (!number) return call.answer(no_revision(call.id));
  const auto body = body_object(call.request, change_fields({}));
  if (!body) return call.answer(body.error());
  SiteRequest request;
  if (auto read = read_change(*body, request); !read) return call.answer(read.error());
  request.revision = *number;
  request.trial = trial;
  request.how = fmt::format("rollback to {}", *number);
  keeper_.submit(std::move(request), answer_later(call));
}

void AdminApi::plan_rollback(const Call& call) {
  submit_revision(call, /*trial=*/true);
}

void AdminApi::roll_back(const Call& call) {
  submit_revision(call, /*trial=*/false);
}

}  // namespace kscpush::server
