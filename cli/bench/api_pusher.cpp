#include <nlohmann/json.hpp>

#include "cli/bench/pusher.hpp"

namespace kscpush::cli::bench {
namespace {

using nlohmann::json;

std::string message_of(const json& error) {
  return error.is_object() ? error.value("message", "") : "";
}

}  // namespace

ApiPusher::ApiPusher(Loop& loop, ApiPusherOptions options)
    : options_(std::move(options)),
      client_(loop, options_.target, options_.token, options_.requests,
              [this](std::uint64_t tag, int status, const std::string& body) {
                answered(tag, status, body);
              }) {}

void ApiPusher::push(std::vector<Addressee> batch) {
  const bool ping = options_.kind == "ping";
  std::string path;
  json body = json::object();
  if (options_.batch == 1) {
    // Ids are letters, digits, '.', '_', ':' and '-': nothing to escape.
    path = fmt::format("/v1/devices/{}/{}", batch.front().device, ping ? "ping" : "pushes");
  } else {
    path = ping ? "/v1/ping" : "/v1/pushes";
    json& devices = body["devices"] = json::array();
    for (const Addressee& to : batch) devices.push_back(to.device);
  }
  if (!ping) body["kind"] = options_.kind;
  under_way_[++last_tag_] = std::move(batch);
  client_.request("POST", path, body.dump(), last_tag_);
}

void ApiPusher::answered(std::uint64_t tag, int status, const std::string& body) {
  const auto node = under_way_.extract(tag);
  const auto answer = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (status < 200 || status >= 300) {
    std::string why = message_of(answer);
    if (why.empty()) why = status == 0 ? body : fmt::format("HTTP {}", status);
    for (const Addressee& to : node.mapped()) on_refused(to.n, why);
  } else if (answer.contains("failed")) {
    // Those of many that failed by themselves: few, as a rule.
    for (const json& failed : answer.at("failed")) {
      const std::string device = failed.value("device", "");
      for (const Addressee& to : node.mapped()) {
        if (to.device == device) on_refused(to.n, message_of(failed));
      }
    }
  }
  on_room();
}

}  // namespace kscpush::cli::bench
