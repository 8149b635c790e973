// An agent in the loop of its test, which can see what it logs.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <doctest/doctest.h>
#include <spdlog/sinks/base_sink.h>

#include "agent/agent.hpp"
#include "core/version.hpp"
#include "tests/support/net/socket_device.hpp"
#include "tests/support/net/test_site.hpp"
#include "tests/support/temp_dir.hpp"

namespace kscpush::test {

using agent::Agent;
using agent::AgentOptions;
using agent::Endpoint;
using agent::PushHandlers;
using std::chrono::milliseconds;
using std::chrono::seconds;

// What the agent logs tells what it does, in its own loop.
class LogLines final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  [[nodiscard]] int count(std::string_view part) const {
    return static_cast<int>(std::ranges::count_if(
        lines_, [&](const std::string& line) { return line.find(part) != std::string::npos; }));
  }
  [[nodiscard]] std::string all() const {
    std::string text;
    for (const std::string& line : lines_) text += line + "\n";
    return text;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    lines_.emplace_back(message.payload.data(), message.payload.size());
  }
  void flush_() override {}

 private:
  std::vector<std::string> lines_;
};

inline PushHandlers ping_handler() {
  PushHandlers handlers;
  handlers.add("ping", [](const PushMessage&, const agent::Answer& answer) {
    agent::finish(answer, nlohmann::json{{"agent", kVersion}});
  });
  return handlers;
}

inline Endpoint local(Port port) {
  return {"localhost", port};
}

class RunningAgent {
 public:
  RunningAgent(const TestSite& site, std::vector<Endpoint> servers,
               PushHandlers handlers = ping_handler(),
               const std::function<void(AgentOptions&)>& change = nullptr)
      : handlers_(std::move(handlers)) {
    const DeviceFiles files = site.enroll("pc-1");
    AgentOptions options{.id = DeviceId::parse("pc-1").value(),
                         .servers = std::move(servers),
                         .certificate = files.certificate,
                         .key = files.key,
                         .authority = site.config.paths.client_ca,
                         .backoff = {milliseconds(1), milliseconds(20)}};
    if (change) change(options);
    agent = Agent::create(loop, std::move(options), runner_, system_clock(), log_).value();
    agent->start();
  }

  void run_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      loop.restart();
      REQUIRE_MESSAGE(loop.run_one_until(deadline) == 1, lines->all());
    }
  }
  void run_until_logged(const std::string& part, int times = 1) {
    run_until([&] { return lines->count(part) >= times; });
  }
  // The loop runs out of work, and soon.
  void run_out() {
    loop.restart();
    loop.run_for(kPatience);
    REQUIRE_MESSAGE(loop.stopped(), lines->all());
  }
  // Waits for a callback of another thread, in the agent's loop.
  template <class T>
  T wait_for(const std::function<void(std::function<void(T)>)>& begin) {
    const auto work = asio::make_work_guard(loop);
    std::optional<T> result;
    begin([&](T value) {
      asio::post(loop,
                 [&result, value = std::move(value)]() mutable { result = std::move(value); });
    });
    run_until([&] { return result.has_value(); });
    return std::move(*result);
  }
  Result<server::PingReport> ping(server::PushServer& server) {
    using Report = Result<server::PingReport>;
    return wait_for<Report>([&](const std::function<void(Report)>& done) {
      server.ping(DeviceId::parse("pc-1").value(), seconds(15), done);
    });
  }

  asio::io_context loop{1};
  std::shared_ptr<LogLines> lines = std::make_shared<LogLines>();

 private:
  spdlog::logger log_{"agent", lines};
  TempDir folder_;
  const PushHandlers handlers_;
  agent::StateDirectory state_ = agent::StateDirectory::open(folder_ / "state").value();
  agent::PushJournal journal_ = agent::PushJournal::open(state_).value();
  agent::PushRunner runner_{handlers_, journal_, system_clock(), log_};

 public:
  std::unique_ptr<Agent> agent;
};

}  // namespace kscpush::test
