// Requests to a push server's admin API.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"
#include "core/site/model.hpp"
#include "core/site/paths.hpp"

namespace kscpush::cli {

class ApiClient {
 public:
  // TOKEN_FILE: where TOKEN was read, for the error when the server does not take it.
  ApiClient(const site::ListenAddress& server, Secret token, std::filesystem::path token_file = {});

  // The answer's JSON. Errors are the server's own; kUnreachable when there is no server,
  // kInterrupted when an Interrupt is pending.
  [[nodiscard]] Result<nlohmann::json> get(const std::string& path) const;
  [[nodiscard]] Result<nlohmann::json> get(const std::string& path,
                                           std::chrono::milliseconds timeout) const;
  // HEADERS: further ones, "Name: value".
  using Headers = std::vector<std::string>;
  [[nodiscard]] Result<nlohmann::json> post(const std::string& path, const nlohmann::json& body,
                                            std::chrono::milliseconds timeout,
                                            const Headers& headers = {}) const;
  [[nodiscard]] Result<nlohmann::json> put(const std::string& path, const nlohmann::json& body,
                                           std::chrono::milliseconds timeout) const;
  [[nodiscard]] Result<nlohmann::json> patch(const std::string& path,
                                             const nlohmann::json& body) const;
  [[nodiscard]] Result<nlohmann::json> remove(const std::string& path) const;

  // An answer that goes on: TAKE gets it piece by piece, KEEP_ON is asked every now and then.
  // Returns when KEEP_ON says no, or the server has ended it, was silent for longer than its
  // heartbeats are apart, or has gone (kUnreachable).
  [[nodiscard]] Status stream(const std::string& path, const Headers& headers,
                              const std::function<void(std::string_view)>& take,
                              const std::function<bool()>& keep_on) const;

  // For a value in a path or a query.
  [[nodiscard]] static std::string escape(const std::string& text);

 private:
  struct Request {
    const char* method;
    const std::string& path;
    std::string body;  // empty: none
    std::chrono::milliseconds timeout;
    Headers headers{};
  };
  [[nodiscard]] Result<nlohmann::json> send(const Request& request) const;
  // Of an answer that is an error.
  [[nodiscard]] Error refusal(const std::string& answer, long status) const;
  std::string base_;
  Secret token_;
  std::filesystem::path token_file_;  // empty: not known
};

// With the admin token of the site. kDenied when it cannot be read.
[[nodiscard]] Result<ApiClient> api_client(const site::DistributionPoint& dp,
                                           const site::ServerPaths& paths);

// The same of the distribution point named, or the only one.
[[nodiscard]] Result<ApiClient> open_api(const std::string& dp, const Context& context);

}  // namespace kscpush::cli
