// Modules of the agent without its connection: what is pushed goes to them, what they answer is
// kept.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <spdlog/sinks/null_sink.h>

#include "agent/handlers.hpp"
#include "agent/services.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/temp_dir.hpp"

namespace kscpush::agent {

struct GivenAnswer {
  PushState status{};
  nlohmann::json result;
};

class ModuleRig {
 public:
  explicit ModuleRig(const std::string& config_text = "version: 1\n") {
    Diagnostics found;
    const auto document = yaml::Document::parse(config_text, "agent.yaml");
    REQUIRE(document.has_value());
    config = read_config(*document, folder.path(), found);
    for (const Diagnostic& one : found) FAIL(to_string(one.origin) << ": " << one.message);
  }

  // The id of the push; its answers come into answers[id].
  std::string push(const std::string& kind, nlohmann::json params = nlohmann::json::object()) {
    static std::int64_t time = 0;
    const Ulid id = Ulid::generate(WallTime(std::chrono::milliseconds(++time)));
    handlers.handle({id, kind, 1, std::chrono::seconds(30), std::move(params)},
                    [this, text = std::string(id.str())](PushState given, nlohmann::json result) {
                      answers[text].push_back({given, std::move(result)});
                    });
    return std::string(id.str());
  }
  void run_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + test::kPatience;
    while (!condition()) {
      loop.restart();
      REQUIRE(loop.run_one_until(deadline) == 1);
    }
  }
  // The last answer to a push.
  const GivenAnswer& wait(const std::string& id) {
    run_until([&] { return !answers[id].empty() && is_final(answers[id].back().status); });
    return answers[id].back();
  }
  const GivenAnswer& ask(const std::string& kind,
                         nlohmann::json params = nlohmann::json::object()) {
    return wait(push(kind, std::move(params)));
  }

  struct NoUplink final : Uplink {
    Status publish(mqtt::UpTopic, std::string) override { return {}; }
    const Endpoint& server() const override { return here; }
    Endpoint here{"localhost", Port::of<13295>()};
  };

  test::TempDir folder;
  asio::io_context loop{1};
  SystemClock clock;
  spdlog::logger log{"test", std::make_shared<spdlog::sinks::null_sink_mt>()};
  AgentConfig config;
  StateDirectory state = StateDirectory::open(folder / "state").value();
  NoUplink uplink;
  StatusBoard status;
  PushHandlers handlers;
  Services services{loop, clock, log, config, state, uplink, status};
  std::map<std::string, std::vector<GivenAnswer>> answers;
};

}  // namespace kscpush::agent
