// Requests to a push server's admin API.
#pragma once

#include <chrono>
#include <string>

#include <nlohmann/json.hpp>

#include "core/result.hpp"
#include "core/secret.hpp"
#include "core/site/model.hpp"
#include "core/site/paths.hpp"

namespace kscpush::cli {

class ApiClient {
 public:
  ApiClient(const site::ListenAddress& server, Secret token);

  // The answer's JSON. Errors are the server's own; kUnreachable when there is no server.
  [[nodiscard]] Result<nlohmann::json> get(const std::string& path) const;
  [[nodiscard]] Result<nlohmann::json> post(const std::string& path, const nlohmann::json& body,
                                            std::chrono::milliseconds timeout) const;
  [[nodiscard]] Result<nlohmann::json> put(const std::string& path, const nlohmann::json& body,
                                           std::chrono::milliseconds timeout) const;
  [[nodiscard]] Result<nlohmann::json> patch(const std::string& path,
                                             const nlohmann::json& body) const;
  [[nodiscard]] Result<nlohmann::json> remove(const std::string& path) const;

  // For a value in a path or a query.
  [[nodiscard]] static std::string escape(const std::string& text);

 private:
  struct Request {
    const char* method;
    const std::string& path;
    std::string body;  // empty: none
    std::chrono::milliseconds timeout;
  };
  [[nodiscard]] Result<nlohmann::json> send(const Request& request) const;
  std::string base_;
  Secret token_;
};

// With the admin token of the site. kDenied when it cannot be read.
[[nodiscard]] Result<ApiClient> api_client(const site::DistributionPoint& dp,
                                           const site::ServerPaths& paths);

}  // namespace kscpush::cli
