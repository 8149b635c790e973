#include "server/admin/call.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "core/diagnostic.hpp"
#include "core/error_table.hpp"
#include "core/json_text.hpp"
#include "core/numbers.hpp"
#include "server/admin/json.hpp"

namespace kscpush::server {

using nlohmann::json;

HttpResponse to_response(int status, const json& body) {
  return {status,
          "application/json",
          body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n",
          {}};
}

void Answer::operator()(int status, const json& body) const {
  respond_(to_response(status, body));
}

void Answer::operator()(const Error& error) const {
  HttpResponse response = to_response(error_row(error.code).http_status, to_json(error));
  // What is overloaded now works through its queues in less.
  if (error.code == ErrorCode::kOverloaded) response.headers.emplace_back("Retry-After", "1");
  respond_(std::move(response));
}

namespace {

constexpr std::int64_t kPingMs = 5000;

// What is no escape stands for itself.
std::string decode(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    const char* const first = text.data() + i + 1;
    if (text[i] == '%' && text.size() - i > 2 &&
        std::from_chars(first, first + 2, byte, 16).ptr == first + 2) {
      result.push_back(static_cast<char>(byte));
      i += 2;
    } else {
      result.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return result;
}

template <class Value>
using Field = Result<std::optional<Value>>;

template <class Value>
Field<Value> field(const json& body, const char* name, bool (json::*is_type)() const noexcept,
                   std::string_view type) {
  const auto found = body.find(name);
  if (found == body.end()) return std::optional<Value>();
  if (((*found).*is_type)()) return found->get<Value>();
  return fail_field(name, "'{}' must be {}", name, type);
}

}  // namespace

std::string query_parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) {
      return decode(pair.substr(name.size() + 1));
    }
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
  }
  return {};
}

Result<std::int64_t> number_parameter(std::string_view query, std::string_view name,
                                      std::int64_t otherwise, std::int64_t least,
                                      std::int64_t most) {
  const std::string text = query_parameter(query, name);
  if (text.empty()) return otherwise;
  const auto number = to_number<std::int64_t>(text);
  if (number && *number >= least && *number <= most) return *number;
  return fail_field(name, "{} must be a number from {} to {}", name, least, most);
}

Result<std::size_t> page_limit(std::string_view query) {
  constexpr std::int64_t kDefault = 1000;
  constexpr std::int64_t kLargest = 10'000;
  return number_parameter(query, "limit", kDefault, 1, kLargest).map([](std::int64_t limit) {
    return static_cast<std::size_t>(limit);
  });
}

Result<std::int64_t> page_after(std::string_view query) {
  return number_parameter(query, "after", 0, 1, std::numeric_limits<std::int64_t>::max());
}

Result<json> body_object(const HttpRequest& request, const std::vector<std::string>& fields) {
  if (request.body.empty()) return json::object();
  json body = parse_json(request.body);
  if (!body.is_object()) return fail({ErrorCode::kUsage, "the body is not a JSON object", ""});
  for (const auto& [name, value] : body.items()) {
    if (std::ranges::find(fields, name) != fields.end()) continue;
    const std::string shown = name.substr(0, 40);
    return fail(
        Error{ErrorCode::kUsage,
              fmt::format("the body has an unknown field '{}'{}", shown, suggestion(shown, fields)),
              fmt::format("known are: {}", fmt::join(fields, ", ")), shown});
  }
  return body;
}

Field<std::string> text_field(const json& body, const char* name) {
  return field<std::string>(body, name, &json::is_string, "a string");
}

Field<bool> bool_field(const json& body, const char* name) {
  return field<bool>(body, name, &json::is_boolean, "true or false");
}

Field<std::int64_t> number_field(const json& body, const char* name) {
  const auto found = body.find(name);
  const bool is_huge = found != body.end() && found->is_number_unsigned() &&
                       found->get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max();
  if (is_huge) return fail_field(name, "'{}' is too large a number", name);
  return field<std::int64_t>(body, name, &json::is_number_integer, "a whole number");
}

Status check_group(const site::Site& site, const std::string& group) {
  if (site.has_group(group)) return {};
  std::vector<std::string> names{std::string(site::kRootGroup)};
  for (const site::Group& known : site.groups) names.push_back(known.path);
  return fail({ErrorCode::kNotFound,
               fmt::format("no group '{}'{}", group, suggestion(group, names)),
               "the server knows the groups of the configuration that it runs with; of the files: "
               "kscpush group list"});
}

Result<Duration> timeout_field(const json& body) {
  const auto timeout = number_field(body, "timeout_ms");
  if (!timeout) return fail(timeout.error());
  // What is beyond the longest is refused like just beyond it: the type of durations has no room
  // for all numbers.
  constexpr auto kLongest =
      std::chrono::ceil<std::chrono::milliseconds>(PushServer::kLongestProbe).count();
  return std::chrono::milliseconds(
      std::clamp<std::int64_t>(timeout->value_or(kPingMs), 0, kLongest + 1));
}

Field<std::vector<std::string>> texts_field(const json& body, const char* name) {
  const auto found = body.find(name);
  if (found == body.end()) return std::optional<std::vector<std::string>>();
  const bool good = found->is_array() &&
                    std::ranges::all_of(*found, [](const json& item) { return item.is_string(); });
  if (good) return found->get<std::vector<std::string>>();
  return fail_field(name, "'{}' must be a list of strings", name);
}

}  // namespace kscpush::server
