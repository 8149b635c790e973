#include "cli/support/api_client.hpp"

#include <memory>

#include <curl/curl.h>

#include "cli/support/interrupt.hpp"
#include "cli/support/site_file.hpp"
#include "core/file.hpp"
#include "server/admin/json.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kDefaultTimeout{15'000};
constexpr long kLongestSilence = 45;  // seconds; of a stream, whose heartbeats are 15 apart
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
  if (code == CURLE_ABORTED_BY_CALLBACK) return Error{ErrorCode::kInterrupted, "interrupted", ""};
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return Error{ErrorCode::kNoAnswer, fmt::format("no answer from {} in time", base), ""};
  }
  return Error{ErrorCode::kUnreachable,
               fmt::format("the push server's admin API at {} cannot be reached: {}", base, reason),
               "is it running? Start it with: kscpush serve"};
}

}  // namespace

ApiClient::ApiClient(const site::ListenAddress& server, Secret token,
                     std::filesystem::path token_file)
    : token_(std::move(token)), token_file_(std::move(token_file)) {
  const bool v6 = server.host.find(':') != std::string::npos;
  base_ = fmt::format("http://{}{}{}:{}", v6 ? "[" : "", server.host, v6 ? "]" : "",
                      server.port.value());
}

Result<json> ApiClient::get(const std::string& path) const {
  return send({"GET", path, "", kDefaultTimeout});
}

Result<json> ApiClient::get(const std::string& path, std::chrono::milliseconds timeout) const {
  return send({"GET", path, "", timeout});
}

Result<json> ApiClient::post(const std::string& path, const json& body,
                             std::chrono::milliseconds timeout, const Headers& headers) const {
  return send({"POST", path, body.dump(), timeout, headers});
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

namespace {

using Curl = std::unique_ptr<CURL, CurlFree>;
using HeaderList = std::unique_ptr<curl_slist, CurlFree>;

void add_header(HeaderList& list, const std::string& header) {
  list.reset(curl_slist_append(list.release(), header.c_str()));
}

HeaderList make_headers(const Secret& token, const ApiClient::Headers& further) {
  HeaderList list;
  add_header(list, "Authorization: Bearer " + token.str());
  add_header(list, "Content-Type: application/json");
  for (const std::string& header : further) add_header(list, header);
  return list;
}

// What all requests have in common.
Curl make_request(const std::string& url, const HeaderList& headers) {
  Curl curl(curl_easy_init());
  if (!curl) return curl;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT_MS, 3000L);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");  // it is on this machine
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  return curl;
}

long status_of(const Curl& curl) {
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  return status;
}

// A stream's callbacks.
struct Streaming {
  CURL* curl;
  const std::function<void(std::string_view)>& take;
  const std::function<bool()>& keep_on;
  std::string refused{};  // the body of an error
};

std::size_t take_piece(const char* data, std::size_t size, std::size_t count, void* target) {
  auto& streaming = *static_cast<Streaming*>(target);
  const std::string_view piece(data, size * count);
  long status = 0;
  curl_easy_getinfo(streaming.curl, CURLINFO_RESPONSE_CODE, &status);
  if (status < 400) {
    streaming.take(piece);
  } else if (streaming.refused.size() < kLargestAnswer) {
    streaming.refused.append(piece);
  }
  return piece.size();
}

// An answer may take its time: that of a device, for one.
int look_for_interrupt(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return Interrupt::any_pending() ? 1 : 0;
}

int ask_to_keep_on(void* target, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Streaming*>(target)->keep_on() ? 0 : 1;
}

}  // namespace

Error ApiClient::refusal(const std::string& answer, long status) const {
  constexpr long kUnauthorized = 401;
  if (status == kUnauthorized && !token_file_.empty()) {
    return {
        ErrorCode::kDenied,
        fmt::format("the push server at {} does not take the token in {}", base_,
                    token_file_.string()),
        "is it the site of that push server? A token that was changed holds from the server's next "
        "start or reload (SIGHUP)"};
  }
  const json parsed = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_object() && parsed.contains("code")) return error_from_json(parsed);
  return {ErrorCode::kUnreachable,
          fmt::format("what answers at {} is not a kscpush admin API (HTTP {})", base_, status),
          "another program may use the port: see push_server.admin.listen"};
}

Result<json> ApiClient::send(const Request& request) const {
  const HeaderList headers = make_headers(token_, request.headers);
  const Curl curl = make_request(base_ + request.path, headers);
  if (!curl) return fail(ErrorCode::kFailed, "libcurl cannot be used");
  std::string answer;
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, collect);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, look_for_interrupt);
  if (!request.body.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, request.body.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body.size()));
  }
  curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, request.method);
  if (const CURLcode code = curl_easy_perform(curl.get()); code != CURLE_OK) {
    return fail(transport_error(code, base_));
  }
  const long status = status_of(curl);
  json parsed = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (status < 400 && !parsed.is_discarded()) return parsed;
  return fail(refusal(answer, status));
}

Status ApiClient::stream(const std::string& path, const Headers& headers,
                         const std::function<void(std::string_view)>& take,
                         const std::function<bool()>& keep_on) const {
  const HeaderList list = make_headers(token_, headers);
  const Curl curl = make_request(base_ + path, list);
  if (!curl) return fail(ErrorCode::kFailed, "libcurl cannot be used");
  Streaming streaming{curl.get(), take, keep_on};
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, take_piece);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &streaming);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, ask_to_keep_on);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &streaming);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_TIME, kLongestSilence);
  const CURLcode code = curl_easy_perform(curl.get());
  if (code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_PARTIAL_FILE) return {};
  if (code == CURLE_OPERATION_TIMEDOUT && status_of(curl) != 0) return {};
  if (code != CURLE_OK) return fail(transport_error(code, base_));
  if (status_of(curl) < 400) return {};
  return fail(refusal(streaming.refused, status_of(curl)));
}

Result<ApiClient> api_client(const site::DistributionPoint& dp, const site::ServerPaths& paths) {
  auto token = read_file(paths.admin_token, 4096);
  if (!token) {
    return fail({ErrorCode::kDenied,
                 fmt::format("the admin token cannot be read: {}", token.error().message),
                 "run the command as the user who runs the push server"});
  }
  token->resize(std::min(token->size(), token->find_first_of("\r\n")));
  return ApiClient(dp.push_server.admin.listen, Secret(std::move(*token)), paths.admin_token);
}

Result<ApiClient> open_api(const std::string& dp, const Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto chosen = choose_distribution_point(*file, dp);
  if (!chosen) return fail(chosen.error());
  return api_client(**chosen, site::server_paths(**chosen, file->folder()));
}

}  // namespace kscpush::cli
