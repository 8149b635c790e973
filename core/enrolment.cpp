#include "core/enrolment.hpp"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "core/error_json.hpp"
#include "core/json_text.hpp"
#include "core/names.hpp"

namespace kscpush {
namespace {

using nlohmann::json;

constexpr std::string_view kPrefix = "kscpush1.";
constexpr std::size_t kSecretLength = 43;  // pki::random_token()
constexpr std::size_t kHashLength = 64;
constexpr std::array<std::string_view, 3> kVerbs{"authority", "enrol", "renew"};
constexpr std::size_t kMostServers = 64;

bool is_secret(std::string_view text) {
  return text.size() == kSecretLength && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

bool is_hash(std::string_view text) {
  return text.size() == kHashLength && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'f') || (c >= '0' && c <= '9');
         });
}

// Of an object of this version; null for what is none.
json parse(std::string_view line) {
  json object = parse_json(line);
  if (!object.is_object()) return {};
  const auto version = object.find("v");
  return version != object.end() && *version == 1 ? object : json();
}

std::string dump(const json& object) {
  return object.dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace);
}

tl::unexpected<Error> no_request(std::string_view why) {
  return fail({ErrorCode::kUsage, fmt::format("this is no enrolment request: {}", why),
               "use 'kscpush agent enroll' of the same version"});
}

tl::unexpected<Error> no_answer() {
  return fail({ErrorCode::kFailed, "what the server sent is no answer to an enrolment",
               "is it a kscpush push server of the same version?"});
}

}  // namespace

Secret to_text(const EnrolmentToken& token) {
  return Secret(fmt::format("{}{}.{}", kPrefix, token.secret.str(), token.authority));
}

Result<EnrolmentToken> parse_token(std::string_view text) {
  const bool whole = text.starts_with(kPrefix) &&
                     text.size() == kPrefix.size() + kSecretLength + 1 + kHashLength &&
                     text[kPrefix.size() + kSecretLength] == '.';
  const std::string_view secret = whole ? text.substr(kPrefix.size(), kSecretLength) : "";
  const std::string_view hash = whole ? text.substr(text.size() - kHashLength) : "";
  if (is_secret(secret) && is_hash(hash)) {
    return EnrolmentToken{Secret(std::string(secret)), std::string(hash)};
  }
  // Of what may be a token with a slip nothing is repeated.
  return fail({ErrorCode::kUsage, "this is no enrolment token, or not all of one",
               "give it as 'kscpush device enroll ID --token' printed it"});
}

Secret encode(const EnrolmentRequest& request) {
  json object{{"v", 1}, {"do", kVerbs.at(static_cast<std::size_t>(request.what))}};
  if (request.what == EnrolmentRequest::What::kEnrol) object["token"] = request.secret.str();
  if (request.device) object["device"] = request.device->str();
  if (!request.csr.empty()) object["csr"] = request.csr;
  return Secret(dump(object));
}

Result<EnrolmentRequest> decode_enrolment_request(std::string_view line) {
  if (line.size() > kLongestEnrolmentLine) return no_request("it is too long");
  const json object = parse(line);
  if (object.is_null()) return no_request("it is no JSON object of version 1");
  const auto what = named<EnrolmentRequest::What>(kVerbs, text_of(object, "do"));
  if (!what) return no_request("'do' is none of authority, enrol, renew");
  EnrolmentRequest request;
  request.what = *what;
  if (request.what == EnrolmentRequest::What::kAuthority) return request;
  request.csr = text_of(object, "csr");
  if (request.csr.empty()) return no_request("'csr' is missing");
  if (request.what == EnrolmentRequest::What::kRenew) return request;
  request.secret = Secret(text_of(object, "token"));
  if (!is_secret(request.secret.str())) return no_request("'token' is none");
  if (object.contains("device")) {
    auto id = DeviceId::parse(text_of(object, "device"));
    if (!id) return no_request("'device' is no device id");
    request.device = std::move(*id);
  }
  return request;
}

std::string encode(const EnrolmentAnswer& answer) {
  json object{{"v", 1}, {"authority", answer.authority}};
  if (answer.device) {
    object["device"] = answer.device->str();
    object["certificate"] = answer.certificate;
    object["servers"] = answer.servers;
  }
  return dump(object);
}

std::string encode_enrolment_error(const Error& error) {
  return dump({{"v", 1}, {"error", to_json(error)}});
}

Result<EnrolmentAnswer> decode_enrolment_answer(std::string_view line) {
  if (line.size() > kLongestEnrolmentAnswer) return no_answer();
  const json object = parse(line);
  if (object.is_null()) return no_answer();
  if (const auto error = object.find("error"); error != object.end()) {
    return error->is_object() ? fail(error_from_json(*error)) : no_answer();
  }
  EnrolmentAnswer answer{.authority = text_of(object, "authority")};
  if (answer.authority.empty()) return no_answer();
  if (!object.contains("device")) return answer;
  auto id = DeviceId::parse(text_of(object, "device"));
  answer.certificate = text_of(object, "certificate");
  if (!id || answer.certificate.empty()) return no_answer();
  answer.device = std::move(*id);
  const auto servers = object.find("servers");
  if (servers == object.end() || !servers->is_array() || servers->size() > kMostServers) {
    return no_answer();
  }
  for (const json& server : *servers) {
    if (!server.is_string()) return no_answer();
    answer.servers.push_back(server.get<std::string>());
  }
  return answer;
}

}  // namespace kscpush
