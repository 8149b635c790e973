#include "core/report.hpp"

#include "core/json_text.hpp"
#include "core/words.hpp"

namespace kscpush {
namespace {

using nlohmann::json;

constexpr std::size_t kMostSettings = 256;
constexpr std::size_t kLongestPath = 200;
constexpr std::size_t kLongestValue = 1024;
constexpr std::size_t kMostBytes = 16 * 1024;  // of all local settings, as stored
constexpr std::size_t kLongestRevision = 64;

tl::unexpected<Error> refuse(std::string_view what) {
  return fail(ErrorCode::kUsage, "a report of a device: {}", what);
}

std::optional<std::string> scalar(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean() || value.is_number()) return value.dump();
  return std::nullopt;
}

Result<DeviceReport::Policy> decode_policy(const json& value) {
  if (!value.is_object()) return refuse("'policy' is not an object");
  DeviceReport::Policy policy{text_of(value, "revision"), text_of(value, "result")};
  if (!is_plain(policy.revision, kLongestRevision)) return refuse("its 'revision' is none");
  const std::string& result = policy.result;
  if (result.empty() || result.size() > DeviceReport::kLongestResult || has_controls(result)) {
    return refuse("its 'result' is missing, too long, or no text");
  }
  return policy;
}

Result<ReportedSettings> decode_local(const json& value) {
  if (!value.is_object()) return refuse("'local' is not an object");
  if (value.size() > kMostSettings) return refuse("'local' holds too many settings");
  ReportedSettings settings;
  for (const auto& [path, member] : value.items()) {
    const auto text = scalar(member);
    if (!is_plain(path, kLongestPath)) return refuse("'local' holds what is no setting");
    if (!text || text->size() > kLongestValue || has_controls(*text)) {
      return refuse("'local' holds what is no value");
    }
    settings.emplace(path, *text);
  }
  if (encode_settings(settings).size() > kMostBytes) return refuse("'local' is too large");
  return settings;
}

}  // namespace

std::string encode(const DeviceReport& report) {
  json body{{"v", 1}};
  if (report.policy) {
    body["policy"] = {{"revision", report.policy->revision}, {"result", report.policy->result}};
  }
  if (report.local) body["local"] = *report.local;
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<DeviceReport> decode_report(std::string_view text) {
  const json body = parse_json(text);
  if (!body.is_object()) return refuse("not a JSON object");
  DeviceReport report;
  if (const auto found = body.find("policy"); found != body.end()) {
    auto policy = decode_policy(*found);
    if (!policy) return fail(policy.error());
    report.policy = std::move(*policy);
  }
  if (const auto found = body.find("local"); found != body.end()) {
    auto local = decode_local(*found);
    if (!local) return fail(local.error());
    report.local = std::move(*local);
  }
  return report;
}

std::string encode_settings(const ReportedSettings& settings) {
  return settings.empty() ? std::string() : json(settings).dump();
}

}  // namespace kscpush
