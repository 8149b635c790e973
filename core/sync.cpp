#include "core/sync.hpp"

#include "core/json_text.hpp"
#include "core/words.hpp"

namespace kscpush {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestRevision = 64;
constexpr std::size_t kMostSettings = 256;
constexpr std::size_t kLongestPath = 200;
constexpr std::size_t kLongestValue = std::size_t{64} * 1024;
constexpr std::size_t kMostServers = 64;
constexpr std::size_t kLongestServer = 300;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json typed(const std::string& value) {
  json parsed = parse_json(value);
  if (parsed.is_array() || parsed.is_object()) return parsed;
  // "1e5" or "007" of a text must come back as they are.
  const bool exact = (parsed.is_boolean() || parsed.is_number()) && parsed.dump() == value;
  return exact ? parsed : json(value);
}

Result<std::string> revision_of(const json& body, bool may_be_empty) {
  const auto found = body.find("revision");
  if (found == body.end() && may_be_empty) return std::string();
  if (found != body.end() && found->is_string()) {
    const auto& text = found->get_ref<const std::string&>();
    if ((text.empty() && may_be_empty) || is_plain(text, kLongestRevision)) return text;
  }
  return fail(ErrorCode::kUsage, "its 'revision' is none");
}

Result<PolicyValues> decode_settings(const json& value) {
  if (!value.is_object()) return fail(ErrorCode::kUsage, "'settings' is not an object");
  if (value.size() > kMostSettings) {
    return fail(ErrorCode::kUsage, "'settings' holds {} settings, at most {} may be", value.size(),
                kMostSettings);
  }
  PolicyValues settings;
  for (const auto& [path, member] : value.items()) {
    if (!is_plain(path, kLongestPath)) {
      return fail(ErrorCode::kUsage, "'settings' holds what is no setting");
    }
    const bool whole = member.is_object() && member.contains("value") && member.contains("locked");
    if (!whole || !member["locked"].is_boolean() || member["value"].is_null()) {
      return fail(ErrorCode::kUsage, "'{}' has no value and lock", path);
    }
    const json& of = member["value"];
    std::string text = of.is_string() ? of.get<std::string>() : dump(of);
    if (text.size() > kLongestValue) return fail(ErrorCode::kUsage, "'{}' is too long", path);
    settings.emplace(path, PolicyValue{std::move(text), member["locked"].get<bool>()});
  }
  return settings;
}

Result<std::vector<std::string>> decode_servers(const json& value) {
  const auto wrong = [] { return fail(ErrorCode::kUsage, "'servers' is no list of servers"); };
  if (!value.is_array() || value.size() > kMostServers) return wrong();
  std::vector<std::string> servers;
  for (const json& server : value) {
    if (!server.is_string()) return wrong();
    auto text = server.get<std::string>();
    if (text.empty() || text.size() > kLongestServer || has_controls(text)) return wrong();
    servers.push_back(std::move(text));
  }
  return servers;
}

}  // namespace

std::string encode(const SyncRequest& request) {
  return dump({{"v", 1}, {"revision", request.revision}});
}

Result<SyncRequest> decode_sync(std::string_view text) {
  const json body = parse_json(text);
  const auto refuse = [](std::string_view what) {
    return fail(ErrorCode::kUsage, "a request to synchronize: {}", what);
  };
  if (!body.is_object()) return refuse("not a JSON object");
  auto revision = revision_of(body, /*may_be_empty=*/true);
  if (!revision) return refuse(revision.error().message);
  return SyncRequest{std::move(*revision)};
}

std::string encode(const PolicyMessage& message) {
  json body{{"revision", message.revision}};
  if (message.settings) {
    json& settings = body["settings"] = json::object();
    for (const auto& [path, setting] : *message.settings) {
      settings[path] = {{"value", typed(setting.value)}, {"locked", setting.locked}};
    }
  }
  if (!message.servers.empty()) body["servers"] = message.servers;
  return dump(body);
}

Result<PolicyMessage> decode_policy(std::string_view params) {
  const json body = parse_json(params);
  const auto refuse = [](const Error& error) {
    return fail(within("a policy from the server", error));
  };
  if (!body.is_object()) return refuse({ErrorCode::kUsage, "not a JSON object", ""});
  PolicyMessage message;
  auto revision = revision_of(body, /*may_be_empty=*/false);
  if (!revision) return refuse(revision.error());
  message.revision = std::move(*revision);
  if (const auto found = body.find("settings"); found != body.end()) {
    auto settings = decode_settings(*found);
    if (!settings) return refuse(settings.error());
    message.settings = std::move(*settings);
  }
  if (const auto found = body.find("servers"); found != body.end()) {
    auto servers = decode_servers(*found);
    if (!servers) return refuse(servers.error());
    message.servers = std::move(*servers);
  }
  return message;
}

}  // namespace kscpush
