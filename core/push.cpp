#include "core/push.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/json_text.hpp"
#include "core/names.hpp"

namespace kscpush {
namespace {

constexpr std::array<std::string_view, kPushStates> kStateNames{
    "accepted", "stored",     "sent",      "acked",    "started",       "completed",
    "expired",  "superseded", "cancelled", "rejected", "undeliverable", "failed"};

// Parses an object; whatever is wrong with it is the sender's fault and says so.
Result<nlohmann::json> parse_object(std::string_view text) {
  nlohmann::json json = parse_json(text);
  if (json.is_object()) return json;
  return fail(ErrorCode::kUsage, "not a JSON object");
}

Result<Ulid> id_of(const nlohmann::json& json) {
  const auto found = json.find("id");
  if (found == json.end() || !found->is_string()) {
    return fail(ErrorCode::kUsage, "'id' is missing or not a string");
  }
  return Ulid::parse(found->get_ref<const std::string&>());
}

std::int64_t number(const nlohmann::json& json, const char* name, std::int64_t otherwise) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number_integer() ? found->get<std::int64_t>() : otherwise;
}

}  // namespace

const PushKindRow* find_push_kind(std::string_view kind) {
  const auto* const found = std::ranges::find(kPushKinds, kind, &PushKindRow::kind);
  return found == kPushKinds.end() ? nullptr : found;
}

bool made_up_by_sync(std::string_view kind) {
  const PushKindRow* const row = find_push_kind(kind);
  return row != nullptr && row->push_class != PushClass::kRpc;
}

std::vector<std::string> requestable_kinds() {
  std::vector<std::string> kinds;
  for (const PushKindRow& row : kPushKinds) {
    if (row.push_class != PushClass::kState) kinds.emplace_back(row.kind);
  }
  return kinds;
}

std::string_view to_string(PushState state) {
  return kStateNames.at(static_cast<std::size_t>(state));
}

std::optional<PushState> push_state_from_name(std::string_view name) {
  return named<PushState>(kStateNames, name);
}

bool is_final(PushState state) {
  return state >= PushState::kCompleted;
}

// The ends have the highest numbers, so that forward is upward.
bool may_follow(PushState from, PushState to) {
  return !is_final(from) && to > from;
}

std::string encode_push(const Ulid& id, std::string_view kind, int attempt,
                        std::chrono::seconds ttl, std::string_view params) {
  // In one piece, as it is done for every push.
  const fmt::format_int attempts(attempt);
  const fmt::format_int seconds(ttl.count());
  const auto text = [](const fmt::format_int& number) {
    return std::string_view(number.data(), number.size());
  };
  const std::array<std::string_view, 11> parts{R"({"v":1,"id":")",
                                               id.str(),
                                               R"(","kind":")",
                                               kind,
                                               R"(","attempt":)",
                                               text(attempts),
                                               R"(,"ttl":)",
                                               text(seconds),
                                               R"(,"params":)",
                                               params,
                                               "}"};
  std::size_t bytes = 0;
  for (const std::string_view part : parts) bytes += part.size();
  std::string push;
  push.reserve(bytes);
  for (const std::string_view part : parts) push += part;
  return push;
}

std::string_view why_expired(PushState state) {
  if (state >= PushState::kAcked) return "acknowledged, but not answered in time";
  if (state == PushState::kSent) return "sent, but not acknowledged within its time to live";
  return "not sent within its time to live";
}

std::string encode(const PushMessage& message) {
  return encode_push(message.id, message.kind, message.attempt, message.ttl,
                     message.params.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

Result<PushMessage> decode_push(std::string_view text) {
  auto json = parse_object(text);
  if (!json) return fail(json.error());
  auto id = id_of(*json);
  if (!id) return fail(id.error());
  if (number(*json, "v", 0) != 1) return fail(ErrorCode::kUsage, "'v' is not 1");
  PushMessage message{
      *id, text_of(*json, "kind"),
      static_cast<int>(std::clamp<std::int64_t>(number(*json, "attempt", 1), 1, 1'000'000)),
      std::chrono::seconds(number(*json, "ttl", 0)), nlohmann::json::object()};
  if (message.kind.empty()) return fail(ErrorCode::kUsage, "'kind' is missing");
  if (const auto params = json->find("params"); params != json->end()) {
    if (!params->is_object()) return fail(ErrorCode::kUsage, "'params' is not an object");
    message.params = *params;
  }
  return message;
}

std::string encode(const PushAnswer& answer) {
  nlohmann::json json{{"id", answer.id.str()}, {"status", to_string(answer.status)}};
  if (!answer.result.is_null()) json["result"] = answer.result;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<PushAnswer> decode_answer(std::string_view text) {
  auto json = parse_object(text);
  if (!json) return fail(json.error());
  auto id = id_of(*json);
  if (!id) return fail(id.error());
  const auto status = push_state_from_name(text_of(*json, "status"));
  const bool fits = status == PushState::kStarted || status == PushState::kCompleted ||
                    status == PushState::kFailed;
  if (!fits) return fail(ErrorCode::kUsage, "'status' is not started, completed or failed");
  return PushAnswer{*id, *status, json->value("result", nlohmann::json())};
}

}  // namespace kscpush
