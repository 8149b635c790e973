// The part of the admin API that keeps pushes.

#include "server/admin/call.hpp"
#include "server/admin/json.hpp"
#include "server/admin/push_fields.hpp"

namespace kscpush::server {

using nlohmann::json;

namespace {

constexpr std::int64_t kDefaultWait = 30;  // seconds
constexpr std::int64_t kLongestWait = 60;

Result<PushFilter> read_filter(std::string_view query, const PushServer& server) {
  PushFilter filter{.kind = query_parameter(query, "kind")};
  if (!filter.kind.empty() && find_push_kind(filter.kind) == nullptr) {
    return fail_field("kind", "unknown kind of push '{}'", filter.kind.substr(0, 40));
  }
  if (const std::string device = query_parameter(query, "device"); !device.empty()) {
    auto id = DeviceId::parse(device);
    if (!id) return fail_field("device", "{}", id.error().message);
    // Its pushes go with a device: of one that is not there none are to be found.
    if (const auto known = server.registered(*id); !known) return fail(known.error());
    filter.device = std::move(*id);
  }
  if (const std::string state = query_parameter(query, "state"); !state.empty()) {
    filter.state = push_state_from_name(state);
    if (!filter.state) return fail_field("state", "no push is ever '{}'", state.substr(0, 40));
  }
  if (const std::string text = query_parameter(query, "rollout"); !text.empty()) {
    const auto id = Ulid::parse(text, "rollout");
    if (!id) return fail_field("rollout", "{}", id.error().message);
    const auto rollout = server.store().find_rollout(*id);
    if (!rollout) return fail(rollout.error());
    if (!rollout->has_value()) {
      return fail(Error{ErrorCode::kNotFound, fmt::format("no rollout '{}'", id->str()),
                        "'kscpush rollout list' lists them", "rollout"});
    }
    filter.rollout = (*rollout)->number;
  }
  return filter;
}

HttpResponse accepted(const OncePush& pushed) {
  HttpResponse response = to_response(202, to_json(pushed.push));
  if (pushed.replayed) response.headers.emplace_back("Idempotency-Replayed", "true");
  return response;
}

}  // namespace

void AdminApi::push(const Call& call) {
  const auto device = require_id(call);
  if (!device) return;
  const auto body = body_object(call.request, push_fields());
  if (!body) return call.answer(body.error());
  const auto request = read_push(call.request, *body);
  if (!request) return call.answer(request.error());
  server_.push(*device, *request, [answer = call.later()](const Result<OncePush>& pushed) {
    if (!pushed) return answer(pushed.error());
    answer(accepted(*pushed));
  });
}

void AdminApi::list_pushes(const Call& call) {
  const std::string_view query = call.request.query;
  const auto limit = page_limit(query);
  if (!limit) return call.answer(limit.error());
  const auto after = page_after(query);
  if (!after) return call.answer(after.error());
  const auto filter = read_filter(query, server_);
  if (!filter) return call.answer(filter.error());
  const auto page = server_.store().list_pushes(*filter, *after, *limit);
  if (!page) return call.answer(page.error());
  call.answer(200, to_json(*page));
}

void AdminApi::show_push(const Call& call) {
  const auto id = Ulid::parse(call.id);
  if (!id) return call.answer(id.error());
  const std::string_view query = call.request.query;
  const auto timeout = number_parameter(query, "timeout", kDefaultWait, 0, kLongestWait);
  if (!timeout) return call.answer(timeout.error());
  const std::string wait = query_parameter(query, "wait");
  if (!wait.empty() && wait != "acked" && wait != "completed") {
    return call.answer(
        fail_field("wait", "wait must be acked or completed, not '{}'", wait.substr(0, 40))
            .value());
  }
  // Not to wait is to wait for what has been reached.
  const auto state = push_state_from_name(wait).value_or(PushState::kAccepted);
  server_.wait_for_push(*id, state, std::chrono::seconds(*timeout),
                        [answer = call.later()](const Result<PushRecord>& push) {
                          if (!push) return answer(push.error());
                          answer(200, to_json(*push));
                        });
}

void AdminApi::cancel_push(const Call& call) {
  const auto id = Ulid::parse(call.id);
  if (!id) return call.answer(id.error());
  server_.cancel_push(*id, "cancelled through the admin API",
                      [answer = call.later()](const Result<PushRecord>& push) {
                        if (!push) return answer(push.error());
                        answer(200, to_json(*push));
                      });
}

}  // namespace kscpush::server
