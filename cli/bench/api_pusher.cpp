#include <nlohmann/json.hpp>

#include "cli/bench/pusher.hpp"

namespace kscpush::cli::bench {

ApiPusher::ApiPusher(Loop& loop, const Target& api, const Secret& token, std::string kind,
                     std::size_t in_flight)
    : kind_(std::move(kind)),
      client_(loop, api, token, in_flight,
              [this](std::uint64_t n, int status, const std::string& body) {
                answered(n, status, body);
              }) {}

void ApiPusher::push(std::size_t n, const std::string& device) {
  // Ids are letters, digits, '.', '_', ':' and '-': nothing to escape.
  if (kind_ == "ping") {
    client_.request("POST", "/v1/devices/" + device + "/ping", "{}", n);
  } else {
    client_.request("POST", "/v1/devices/" + device + "/pushes",
                    fmt::format(R"({{"kind":"{}"}})", kind_), n);
  }
}

void ApiPusher::answered(std::size_t n, int status, const std::string& body) {
  if (status < 200 || status >= 300) {
    const auto answer = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
    const bool says = answer.is_object() && answer.contains("message");
    on_refused(n, says          ? answer.at("message").get<std::string>()
                  : status == 0 ? body
                                : fmt::format("HTTP {}", status));
  }
  on_room();
}

}  // namespace kscpush::cli::bench
