#include "cli/support/api_client.hpp"

#include <memory>

#include <curl/curl.h>

#include "core/file.hpp"
#include "server/admin/json.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kDefaultTimeout{15'000};
constexpr std::size_t kLargestAnswer = std::size_t{64} << 20;

struct CurlFree {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  void operator()(char* text) const { curl_free(text); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::size_t collect(const char* data, std::size_t size, std::size_t count, void* target) {
  auto& answer = *static_cast<std::string*>(target);
  if (answer.size() + size * count > kLargestAnswer) return 0;  // makes curl give up
  answer.append(data, size * count);
  return size * count;
}

Error transport_error(CURLcode code, const std::string& base) {
  const std::string reason = curl_easy_strerror(code);
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return Error{ErrorCode::kNoAnswer, fmt::format("no answer from {} in time", base), ""};
  }
  return Error{ErrorCode::kUnreachable,
               fmt::format("the push server's admin API at {} cannot be reached: {}", base, reason),
               "is it running? Start it with: kscpush serve"};
}

}  // namespace

ApiClient::ApiClient(const site::ListenAddress& server, Secret token) : token_(std::move(token)) {
  const bool v6 = server.host.find(':') != std::string::npos;
  base_ = fmt::format("http://{}{}{}:{}", v6 ? "[" : "", server.host, v6 ? "]" : "",
                      server.port.value());
}

Result<json> ApiClient::get(const std::string& path) const {
  return send({"GET", path, "", kDefaultTimeout});
}

Result<json> ApiClient::post(const std::string& path, const json& body,
                             std::chrono::milliseconds timeout) const {
  return send({"POST", path, body.dump(), timeout});
}

Result<json> ApiClient::put(const std::string& path, const json& body,
                            std::chrono::milliseconds timeout) const {
  return send({"PUT", path, body.dump(), timeout});
}

Result<json> ApiClient::patch(const std::string& path, const json& body) const {
  return send({"PATCH", path, body.dump(), kDefaultTimeout});
}

Result<json> ApiClient::remove(const std::string& path) const {
  return send({"DELETE", path, "", kDefaultTimeout});
}

std::string ApiClient::escape(const std::string& text) {
  const std::unique_ptr<char, CurlFree> escaped(
      curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size())));
  return escaped ? std::string(escaped.get()) : std::string();
}

Result<json> ApiClient::send(const Request& request) const {
  const std::unique_ptr<CURL, CurlFree> curl(curl_easy_init());
  if (!curl) return fail(ErrorCode::kFailed, "libcurl cannot be used");
  std::string answer;
  const std::string url = base_ + request.path;
  const std::string authorization = "Authorization: Bearer " + token_.str();
  std::unique_ptr<curl_slist, CurlFree> headers(curl_slist_append(nullptr, authorization.c_str()));
  headers.reset(curl_slist_append(headers.release(), "Content-Type: application/json"));
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT_MS, 3000L);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, collect);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");  // it is on this machine
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  if (!request.body.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, request.body.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body.size()));
  }
  curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, request.method);
  if (const CURLcode code = curl_easy_perform(curl.get()); code != CURLE_OK) {
    return fail(transport_error(code, base_));
  }
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  json parsed = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (status < 400 && !parsed.is_discarded()) return parsed;
  if (parsed.is_object() && parsed.contains("code")) return fail(server::error_from_json(parsed));
  return fail(
      {ErrorCode::kUnreachable,
       fmt::format("what answers at {} is not a kscpush admin API (HTTP {})", base_, status),
       "another program may use the port: see push_server.admin.listen"});
}

Result<ApiClient> api_client(const site::DistributionPoint& dp, const site::ServerPaths& paths) {
  auto token = read_file(paths.admin_token, 4096);
  if (!token) {
    return fail({ErrorCode::kDenied,
                 fmt::format("the admin token cannot be read: {}", token.error().message),
                 "run the command as the user who runs the push server"});
  }
  token->resize(std::min(token->size(), token->find_first_of("\r\n")));
  return ApiClient(dp.push_server.admin.listen, Secret(std::move(*token)));
}

}  // namespace kscpush::cli
