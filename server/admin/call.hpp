// A request whose route is known, its answer, and how its parts are read. For the handlers of
// AdminApi, whatever their subject.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "server/admin/api.hpp"

namespace kscpush::server {

[[nodiscard]] HttpResponse to_response(int status, const nlohmann::json& body);

// Answers later, on any thread, once.
class Answer {
 public:
  explicit Answer(HttpRespond respond) : respond_(std::move(respond)) {}
  void operator()(int status, const nlohmann::json& body) const;
  void operator()(const Error& error) const;
  void operator()(HttpResponse response) const { respond_(std::move(response)); }

 private:
  HttpRespond respond_;
};

struct AdminApi::Call {
  const HttpRequest& request;
  const HttpRespond& respond;
  std::string id;             // the {id} of the path
  Role role = Role::kNobody;  // of its token

  void answer(int status, const nlohmann::json& body) const { later()(status, body); }
  void answer(const Error& error) const { later()(error); }
  void answer(HttpResponse response) const { respond(std::move(response)); }
  [[nodiscard]] Answer later() const { return Answer(respond); }
};

// A parameter of the query, decoded; empty when it is not there.
[[nodiscard]] std::string query_parameter(std::string_view query, std::string_view name);
// A whole number from LEAST to MOST; OTHERWISE when it is not there. kUsage.
[[nodiscard]] Result<std::int64_t> number_parameter(std::string_view query, std::string_view name,
                                                    std::int64_t otherwise, std::int64_t least,
                                                    std::int64_t most);
// 'limit' of a list that is given in pages.
[[nodiscard]] Result<std::size_t> page_limit(std::string_view query);
// 'after' of one whose rows have numbers; 0 for its first page.
[[nodiscard]] Result<std::int64_t> page_after(std::string_view query);

// The body, which must be an object with no other fields than these; {} when there is no body.
[[nodiscard]] Result<nlohmann::json> body_object(const HttpRequest& request,
                                                 const std::vector<std::string>& fields);
// kUsage when the field is of another type. Nothing when it is not there.
[[nodiscard]] Result<std::optional<std::string>> text_field(const nlohmann::json& body,
                                                            const char* name);
[[nodiscard]] Result<std::optional<bool>> bool_field(const nlohmann::json& body, const char* name);
[[nodiscard]] Result<std::optional<std::int64_t>> number_field(const nlohmann::json& body,
                                                               const char* name);
// kNotFound, with a similar one: no such group.
[[nodiscard]] Status check_group(const site::Site& site, const std::string& group);
// "timeout_ms" of a ping; what is beyond the longest is left to be refused.
[[nodiscard]] Result<Duration> timeout_field(const nlohmann::json& body);
[[nodiscard]] Result<std::optional<std::vector<std::string>>> texts_field(
    const nlohmann::json& body, const char* name);

}  // namespace kscpush::server
