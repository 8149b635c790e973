// The agent against a push server in this process, and against servers that are none.
#include "tests/unit/agent/running_agent.hpp"

namespace kscpush::test {

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
  CHECK(push.result == R"({"code":"usage","error":"this agent does not know the kind 'sync'"})");
  for (const PushState state :
       {PushState::kStored, PushState::kSent, PushState::kAcked, PushState::kFailed}) {
    CAPTURE(to_string(state));
    CHECK(push.reached[static_cast<std::size_t>(state)].has_value());
  }
}

TEST_CASE("agent: makes no attempt while it is held off, and asks again before the first") {
  TestSite site;
  const auto server = site.start();
  RunningAgent agent(site, {local(site.config.dp.push_server.port)});
  agent.run_until_logged("and subscribed");
  int asked = 0;
  agent.agent->hold_off([&] { return milliseconds(++asked < 3 ? 20 : 0); });
  agent.agent->leave_for(milliseconds(1));
  agent.run_until_logged("and subscribed", 2);
  CHECK(asked == 3);
  CHECK(agent.lines->count("no attempt to connect for 1 min") == 1);
  agent.agent->hold_off([&] { return std::chrono::hours(7); });
  agent.agent->leave_for(milliseconds(1));
  agent.run_until_logged("no attempt to connect for 420 min");
  agent.agent->stop();
  agent.run_out();
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
  agent.run_until_logged("cannot trust the server", 2);
  CHECK(agent.lines->count("its certificate is for another name") >= 2);
  CHECK(agent.lines->count("kscpush dp renew-certificate --name") >= 2);
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
  agent.run_until_logged(
      fmt::format("its certificate is of no authority in {}", foreign.certificate.string()));
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
