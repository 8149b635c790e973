// The agent against a push server in this process, and against servers that are none.
#include "agent/agent.hpp"

#include <functional>
#include <mutex>

#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/write.hpp>
#include <doctest/doctest.h>
#include <netinet/tcp.h>
#include <spdlog/sinks/base_sink.h>

#include "core/mqtt/codec.hpp"
#include "core/version.hpp"
#include "tests/support/net/socket_device.hpp"
#include "tests/support/net/test_site.hpp"
#include "tests/support/temp_dir.hpp"

namespace kscpush::test {
namespace {

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

PushHandlers ping_handler() {
  PushHandlers handlers;
  handlers.add("ping", [](const PushMessage&, const agent::Answer& answer) {
    agent::finish(answer, nlohmann::json{{"agent", kVersion}});
  });
  return handlers;
}

Endpoint local(Port port) {
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

}  // namespace

TEST_CASE("agent: connects, subscribes, answers a ping") {
  TestSite site;
  const auto server = site.start();
  RunningAgent agent(site, {local(site.config.dp.push_server.port)});
  agent.run_until_logged("and subscribed");
  const auto report = agent.ping(*server);
  REQUIRE(report.has_value());
  CHECK(report->device.agent == kVersion);
  CHECK(report->probe.puback.has_value());
  CHECK(report->probe.answer.has_value());
  CHECK(report->device.protocol == "MQTT 5");
}

TEST_CASE("agent: answers for a kind that it does not know, each state has its time") {
  TestSite site;
  const auto server = site.start();
  RunningAgent agent(site, {local(site.config.dp.push_server.port)});
  agent.run_until_logged("and subscribed");
  using Stored = Result<server::OncePush>;
  const auto stored = agent.wait_for<Stored>([&](const std::function<void(Stored)>& done) {
    server->push(DeviceId::parse("pc-1").value(), {.kind = "sync"}, done);
  });
  REQUIRE(stored.has_value());
  // An answered ping shows that what came before it has been worked off.
  agent.run_until_logged("push sync");
  REQUIRE(agent.ping(*server).has_value());
  server->store().drain();
  const auto push = server->store().find_push(stored->push.id).value().value();
  CHECK(push.state == PushState::kFailed);
  CHECK(push.result == R"({"error":"this agent does not know the kind 'sync'"})");
  for (const PushState state :
       {PushState::kStored, PushState::kSent, PushState::kAcked, PushState::kFailed}) {
    CAPTURE(to_string(state));
    CHECK(push.reached[static_cast<std::size_t>(state)].has_value());
  }
}

TEST_CASE("agent: comes back when the server has been away") {
  TestSite site;
  auto server = site.start();
  RunningAgent agent(site, {local(site.config.dp.push_server.port)});
  agent.run_until_logged("and subscribed");
  server.reset();
  agent.run_until_logged("server_disconnected");
  agent.run_until_logged("cannot connect");
  server = site.start();
  agent.run_until_logged("and subscribed", 2);
  CHECK(agent.ping(*server).has_value());
}

TEST_CASE("agent: tries the servers of its list in order, and begins again at its end") {
  TestSite site;
  const Port nobody = free_port();
  RunningAgent agent(site, {local(nobody), local(site.config.dp.push_server.port)});
  agent.run_until_logged("cannot connect", 4);
  const std::string first = fmt::format("cannot connect (localhost:{})", nobody.value());
  CHECK(agent.lines->count(first) == 2);
  const auto server = site.start();
  agent.run_until_logged("and subscribed");
}

TEST_CASE("agent: a server with another name in its certificate is not spoken to") {
  TestSite site;
  site.certify_server({"other.example.com"});
  const auto server = site.start();
  RunningAgent agent(site, {local(site.config.dp.push_server.port)});
  agent.run_until_logged("cannot make a TLS connection", 2);
  CHECK(agent.lines->count("certificate verify failed") >= 2);
  CHECK(server->connected() == 0);
  site.certify_server({"localhost"});
}

TEST_CASE("agent: by its address, the server must have it in its certificate") {
  TestSite site;
  const auto server = site.start();
  RunningAgent agent(site, {{"127.0.0.1", site.config.dp.push_server.port}});
  agent.run_until_logged("and subscribed");
}

TEST_CASE("agent: a server of another authority is not spoken to") {
  TestSite site;
  const auto server = site.start();
  const DeviceFiles foreign = site.write("foreign", foreign_authority());
  RunningAgent agent(site, {local(site.config.dp.push_server.port)}, ping_handler(),
                     [&](AgentOptions& options) { options.authority = foreign.certificate; });
  agent.run_until_logged("certificate verify failed");
  CHECK(server->connected() == 0);
}

TEST_CASE("agent: a server that never answers is left after the timeout, for the next") {
  TestSite site;
  const auto server = site.start();
  asio::io_context other;
  const asio::ip::tcp::acceptor silent(other, {asio::ip::make_address("127.0.0.1"), 0});
  const Port port = Port::from(silent.local_endpoint().port()).value();
  RunningAgent agent(site, {{"127.0.0.1", port}, local(site.config.dp.push_server.port)},
                     ping_handler(),
                     [](AgentOptions& options) { options.connect_timeout = milliseconds(200); });
  agent.run_until_logged("no answer in time");
  agent.run_until_logged("and subscribed");
}

TEST_CASE("agent: refused, it says why and tries again") {
  TestSite site;
  const auto server = site.start();
  REQUIRE(server->store()
              .change_device(DeviceId::parse("pc-1").value(), {.revoked = true})
              .has_value());
  RunningAgent agent(site, {local(site.config.dp.push_server.port)});
  agent.run_until_logged("refused: the device has been revoked", 2);
  REQUIRE(server->store()
              .change_device(DeviceId::parse("pc-1").value(), {.revoked = false})
              .has_value());
  agent.run_until_logged("and subscribed");
}

TEST_CASE("agent: stop says goodbye") {
  TestSite site;
  const auto server = site.start();
  RunningAgent agent(site, {local(site.config.dp.push_server.port)});
  agent.run_until_logged("and subscribed");
  agent.agent->stop();
  agent.run_out();
  using View = std::optional<server::DeviceView>;
  const auto view = [&](const std::function<void(View)>& done) {
    server->view(DeviceId::parse("pc-1").value(), done);
  };
  while (agent.wait_for<View>(view)) {
  }
  std::uint64_t said = 0;
  for (const auto* counters : server->counters()) {
    said += counters->ended[static_cast<std::size_t>(mqtt::EndReason::kDeviceDisconnected)].get();
  }
  CHECK(said == 1);
}

TEST_CASE("agent: stop ends whatever is under way") {
  TestSite site;
  asio::io_context other;
  const asio::ip::tcp::acceptor silent(other, {asio::ip::make_address("127.0.0.1"), 0});
  const Port port = Port::from(silent.local_endpoint().port()).value();
  SUBCASE("nothing yet") {
    RunningAgent agent(site, {local(port)});
    agent.agent->stop();
    agent.run_out();
  }
  SUBCASE("a handshake") {
    RunningAgent agent(site, {{"127.0.0.1", port}});
    agent.loop.run_one();
    agent.loop.run_one();
    agent.agent->stop();
    agent.run_out();
  }
  SUBCASE("the wait for the next attempt") {
    RunningAgent agent(site, {local(free_port())}, ping_handler(), [](AgentOptions& options) {
      options.backoff = {std::chrono::hours(1), std::chrono::hours(2)};
    });
    agent.run_until_logged("next attempt in");
    agent.agent->stop();
    agent.run_out();
    CHECK(agent.lines->count("cannot connect") == 1);
  }
  SUBCASE("twice") {
    RunningAgent agent(site, {local(port)});
    agent.agent->stop();
    agent.agent->stop();
    agent.run_out();
  }
}

namespace {

std::string script_connack() {
  std::string bytes;
  REQUIRE(encode(mqtt::Connack{}, mqtt::Version::kV5, bytes));
  return bytes;
}

// SUBACK for the agent's SUBSCRIBE, and COUNT pushes.
std::string script_pushes(std::uint16_t count) {
  std::string bytes;
  mqtt::Suback suback;
  suback.packet_id = 1;
  suback.codes = std::string_view("\x01", 1);
  REQUIRE(encode(suback, mqtt::Version::kV5, bytes));
  const auto topic = mqtt::inbox_topic("pc-1");
  for (std::uint16_t id = 1; id <= count; ++id) {
    const std::string payload = encode(PushMessage{Ulid::generate(system_clock().wall()), "large"});
    mqtt::Publish push;
    push.qos = 1;
    push.topic = topic;
    push.packet_id = id;
    push.payload = payload;
    REQUIRE(encode(push, mqtt::Version::kV5, bytes));
  }
  return bytes;
}

// Answers CONNECT and SUBSCRIBE, sends pushes, and then reads nothing more.
class DeafServer {
 public:
  DeafServer(asio::io_context& loop, const TestSite& site)
      : tls_(asio::ssl::context::tls_server), acceptor_(loop), stream_(loop, prepare(site)) {
    acceptor_.open(asio::ip::tcp::v4());
    // So that little fits between the two.
    acceptor_.set_option(asio::socket_base::receive_buffer_size(4096));
    const int segment = 536;
    ::setsockopt(acceptor_.native_handle(), IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    acceptor_.bind({asio::ip::make_address("127.0.0.1"), 0});
    acceptor_.listen();
    acceptor_.async_accept(stream_.next_layer(), [this](const asio::error_code& error) {
      if (!error) shake_hands();
    });
  }
  [[nodiscard]] Port port() const { return Port::from(acceptor_.local_endpoint().port()).value(); }

 private:
  asio::ssl::context& prepare(const TestSite& site) {
    tls_.use_certificate_chain_file(site.config.paths.certificate.string());
    tls_.use_private_key_file(site.config.paths.key.string(), asio::ssl::context::pem);
    return tls_;
  }
  void shake_hands() {
    stream_.async_handshake(asio::ssl::stream_base::server, [this](const asio::error_code& error) {
      if (!error) answer(script_connack(), [this] { answer(script_pushes(40), [] {}); });
    });
  }
  // Reads something, says TEXT.
  void answer(std::string text, std::function<void()> then) {
    stream_.async_read_some(
        asio::buffer(buffer_), [this, text = std::move(text), then = std::move(then)](
                                   const asio::error_code& error, std::size_t) mutable {
          if (error) return;
          said_ = std::move(text);
          asio::async_write(
              stream_, asio::buffer(said_),
              [then = std::move(then)](const asio::error_code&, std::size_t) { then(); });
        });
  }

  asio::ssl::context tls_;
  asio::ip::tcp::acceptor acceptor_;
  asio::ssl::stream<asio::ip::tcp::socket> stream_;
  std::array<char, 2048> buffer_{};
  std::string said_;
};

}  // namespace

TEST_CASE("agent: stop takes bounded time although the server does not read") {
  TestSite site;
  asio::io_context server_loop;
  DeafServer server(server_loop, site);
  int handled = 0;
  PushHandlers handlers;
  handlers.add("large", [&](const PushMessage&, const agent::Answer& answer) {
    ++handled;
    agent::finish(answer, nlohmann::json(std::string(30'000, 'x')));
  });
  RunningAgent agent(site, {{"127.0.0.1", server.port()}}, std::move(handlers),
                     [](AgentOptions& options) { options.goodbye_timeout = milliseconds(100); });
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (handled < 20 && std::chrono::steady_clock::now() < deadline) {
    server_loop.restart();
    server_loop.poll();
    agent.loop.restart();
    agent.loop.run_one_for(milliseconds(1));
  }
  REQUIRE(handled >= 20);
  agent.agent->stop();
  agent.run_out();
}

TEST_CASE("agent: files that cannot be used are named") {
  const TestSite site;
  const DeviceFiles files = site.enroll("pc-1");
  asio::io_context loop;
  AgentOptions options{.id = DeviceId::parse("pc-1").value(),
                       .servers = {local(free_port())},
                       .certificate = files.certificate,
                       .key = files.key,
                       .authority = site.config.paths.client_ca};
  std::filesystem::path wrong;
  SUBCASE("certificate") {
    wrong = options.certificate = site.folder / "none.crt";
  }
  SUBCASE("key") {
    wrong = options.key = site.folder / "none.key";
  }
  SUBCASE("authority") {
    wrong = options.authority = site.folder / "none-ca.crt";
  }
  SUBCASE("another's key") {
    wrong = options.key = site.enroll("pc-2").key;
  }
  const PushHandlers handlers;
  const TempDir folder;
  const auto state = agent::StateDirectory::open(folder / "state").value();
  auto journal = agent::PushJournal::open(state).value();
  agent::PushRunner runner(handlers, journal, system_clock(), silent_log());
  const auto agent = Agent::create(loop, options, runner, system_clock(), silent_log());
  REQUIRE_FALSE(agent.has_value());
  CHECK(agent.error().code == ErrorCode::kInvalidConfig);
  CHECK(agent.error().message.find(wrong.string()) != std::string::npos);
}

}  // namespace kscpush::test
