// The agent against a server that says what a real one would say only by chance.
#include <asio/write.hpp>
#include <netinet/tcp.h>

#include "core/mqtt/codec.hpp"
#include "tests/unit/agent/running_agent.hpp"

namespace kscpush::test {
namespace {

std::string script_connack() {
  std::string bytes;
  REQUIRE(encode(mqtt::Connack{}, mqtt::Version::kV5, bytes));
  return bytes;
}

// SUBACK for the agent's SUBSCRIBE.
std::string script_suback() {
  std::string bytes;
  mqtt::Suback suback;
  suback.packet_id = 1;
  suback.codes = std::string_view("\x01", 1);
  REQUIRE(encode(suback, mqtt::Version::kV5, bytes));
  return bytes;
}

std::string script_push(const PushMessage& message, std::uint16_t packet_id, bool dup = false) {
  std::string bytes;
  const auto topic = mqtt::inbox_topic("pc-1");
  const std::string payload = encode(message);
  mqtt::Publish push;
  push.qos = 1;
  push.dup = dup;
  push.topic = topic;
  push.packet_id = packet_id;
  push.payload = payload;
  REQUIRE(encode(push, mqtt::Version::kV5, bytes));
  return bytes;
}

PushMessage new_push(const std::string& kind) {
  return {Ulid::generate(system_clock().wall()), kind};
}

// Answers CONNECT, and SUBSCRIBE with these bytes, and then reads nothing more.
class DeafServer {
 public:
  DeafServer(asio::io_context& loop, const TestSite& site, std::string says)
      : tls_(asio::ssl::context::tls_server),
        acceptor_(loop),
        stream_(loop, prepare(site)),
        says_(std::move(says)) {
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
      if (!error) answer(script_connack(), [this] { answer(says_, [] {}); });
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
  const std::string says_;
  std::array<char, 2048> buffer_{};
  std::string said_;
};

void run_both(asio::io_context& server, RunningAgent& agent,
              const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition() && std::chrono::steady_clock::now() < deadline) {
    server.restart();
    server.poll();
    agent.loop.restart();
    agent.loop.run_one_for(milliseconds(1));
  }
  REQUIRE_MESSAGE(condition(), agent.lines->all());
}

}  // namespace

TEST_CASE("agent: a push that is sent again with DUP runs once, and is given its answer again") {
  TestSite site;
  asio::io_context server_loop;
  const PushMessage push = new_push("count");
  DeafServer server(server_loop, site,
                    script_suback() + script_push(push, 1) + script_push(push, 1, /*dup=*/true) +
                        script_push(new_push("last"), 2));
  int counted = 0;
  bool last = false;
  PushHandlers handlers;
  handlers.add("count", [&](const PushMessage&, const agent::Answer& answer) {
    agent::finish(answer, nlohmann::json(++counted));
  });
  handlers.add("last", [&](const PushMessage&, const agent::Answer&) { last = true; });
  RunningAgent agent(site, {{"127.0.0.1", server.port()}}, std::move(handlers));
  run_both(server_loop, agent, [&] { return last; });
  CHECK(counted == 1);
  CHECK(agent.lines->count("(sent again)") == 1);
  CHECK(agent.lines->count("came again: it is given the same answer") == 1);
  agent.agent->stop();
  agent.run_out();
}

TEST_CASE("agent: stop takes bounded time although the server does not read") {
  TestSite site;
  asio::io_context server_loop;
  std::string pushes = script_suback();
  for (std::uint16_t id = 1; id <= 40; ++id) pushes += script_push(new_push("large"), id);
  DeafServer server(server_loop, site, pushes);
  int handled = 0;
  PushHandlers handlers;
  handlers.add("large", [&](const PushMessage&, const agent::Answer& answer) {
    ++handled;
    agent::finish(answer, nlohmann::json(std::string(30'000, 'x')));
  });
  RunningAgent agent(site, {{"127.0.0.1", server.port()}}, std::move(handlers),
                     [](AgentOptions& options) { options.goodbye_timeout = milliseconds(100); });
  run_both(server_loop, agent, [&] { return handled >= 20; });
  agent.agent->stop();
  agent.run_out();
}

}  // namespace kscpush::test
