#include "server/net/listener.hpp"

#include <optional>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/support/net/socket_device.hpp"

namespace kscpush::test {
namespace {

using server::check_port_free;
using server::Listener;
using server::Loop;

// A listener and what it accepted.
struct Accepting {
  explicit Accepting(Loop& loop, Port on)
      : listener(
            Listener::open(loop, "127.0.0.1", on,
                           {[this] { return room; },
                            [this](Descriptor socket) { accepted.push_back(std::move(socket)); },
                            [this](const std::string& reason) { failures.push_back(reason); }})
                .value()) {
    listener->start();
  }
  bool room = true;
  std::vector<Descriptor> accepted;
  std::vector<std::string> failures;
  std::unique_ptr<Listener> listener;
};

template <class Condition>
void run_until(Loop& loop, Condition&& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    loop.turn(kPatience);
  }
}

// A client that has sent something.
Descriptor speak_to(Port port) {
  Descriptor client = connect_to(port);
  REQUIRE(::send(client.get(), "x", 1, MSG_NOSIGNAL) == 1);
  return client;
}

// Leaves the process room for COUNT more descriptors as long as it lives.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t count) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const Descriptor next(::dup(0));
    rlimit few = before_;
    few.rlim_cur = static_cast<rlim_t>(next.get()) + count;
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("listener: a port that is taken is a conflict that says how to find out by whom") {
  Loop loop;
  const Port port = free_port();
  REQUIRE(check_port_free("127.0.0.1", port).has_value());
  asio::io_context elsewhere;
  asio::ip::tcp::acceptor other(elsewhere, {asio::ip::make_address("127.0.0.1"), port.value()});
  const auto taken = check_port_free("127.0.0.1", port);
  REQUIRE_FALSE(taken.has_value());
  CHECK(taken.error().code == ErrorCode::kConflict);
  CHECK(taken.error().hint.find("ss -ltnp") != std::string::npos);
  const auto listener = Listener::open(loop, "127.0.0.1", port, {});
  REQUIRE_FALSE(listener.has_value());
  CHECK(listener.error().code == ErrorCode::kConflict);
}

TEST_CASE("listener: a second push server would share the port, so it is asked for first") {
  Loop loop;
  const Port port = free_port();
  Accepting first(loop, port);
  CHECK(Listener::open(loop, "127.0.0.1", port, {}).has_value());
  CHECK(check_port_free("127.0.0.1", port).error().code == ErrorCode::kConflict);
}

TEST_CASE("listener: addresses that are none, or another machine's, are named") {
  Loop loop;
  const Port port = free_port();
  CHECK(Listener::open(loop, "nonsense", port, {}).error().code == ErrorCode::kInvalidConfig);
  const auto foreign = Listener::open(loop, "192.0.2.1", port, {});
  REQUIRE_FALSE(foreign.has_value());
  CHECK(foreign.error().message.find("192.0.2.1") != std::string::npos);
}

TEST_CASE("listener: who says nothing is not accepted at once, but is in the end") {
  Loop loop;
  const Port port = free_port();
  Accepting accepting(loop, port);
  const Descriptor silent = connect_to(port);
  const Descriptor client = speak_to(port);
  run_until(loop, [&] { return !accepting.accepted.empty(); });
  char byte = 0;
  CHECK(::recv(accepting.accepted[0].get(), &byte, 1, MSG_DONTWAIT) == 1);
  run_until(loop, [&] { return accepting.accepted.size() == 2; });
}

TEST_CASE("listener: without room it leaves connections in the backlog until there is some") {
  Loop loop;
  const Port port = free_port();
  Accepting accepting(loop, port);
  const Descriptor first = speak_to(port);
  run_until(loop, [&] { return accepting.accepted.size() == 1; });
  accepting.room = false;
  const Descriptor second = speak_to(port);
  const Descriptor third = speak_to(port);
  loop.poll();
  CHECK(accepting.accepted.size() == 1);
  accepting.room = true;
  accepting.listener->resume();
  run_until(loop, [&] { return accepting.accepted.size() == 3; });
}

TEST_CASE("listener: out of descriptors it says so, and goes on when there are some again") {
  Loop loop;
  const Port port = free_port();
  Accepting accepting(loop, port);
  std::vector<Descriptor> clients;
  clients.reserve(4);
  for (int i = 0; i < 4; ++i) clients.push_back(speak_to(port));
  {
    const FewDescriptors few(1);
    run_until(loop, [&] { return accepting.failures.size() >= 2; });
    CHECK(accepting.accepted.size() <= 1);
    CHECK(accepting.failures[0] == "Too many open files");
  }
  run_until(loop, [&] { return accepting.accepted.size() == 4; });
}

TEST_CASE("listener: what is small goes out at once on every connection") {
  Loop loop;
  const Port port = free_port();
  Accepting accepting(loop, port);
  const Descriptor client = speak_to(port);
  run_until(loop, [&] { return accepting.accepted.size() == 1; });
  int on = 0;
  socklen_t size = sizeof on;
  REQUIRE(::getsockopt(accepting.accepted[0].get(), IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0);
  CHECK(on != 0);
}

TEST_CASE("listener: closed, it accepts nothing more and leaves nothing to wait for") {
  Loop loop;
  const Port port = free_port();
  Accepting accepting(loop, port);
  accepting.listener->close();
  loop.poll();
  accepting.listener->resume();
  CHECK(loop.poll() == 0);
  CHECK(check_port_free("127.0.0.1", port).has_value());
}

}  // namespace kscpush::test
