// The HTTP side of the admin API: clients that dribble, never read, or stay for a stream.
#include "server/admin/http_server.hpp"

#include <atomic>
#include <future>
#include <thread>

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/net/socket_device.hpp"
#include "tests/support/net/test_site.hpp"

namespace kscpush::test {
namespace {

using server::HttpLimits;
using server::HttpRequest;
using server::HttpRespond;
using server::HttpServer;
using server::HttpStream;
using std::chrono::milliseconds;

struct Http {
  explicit Http(server::HttpHandler handler, HttpLimits limits = {}) : port(free_port()) {
    auto started = HttpServer::start({"127.0.0.1", port}, std::move(handler), limits, usage);
    REQUIRE_MESSAGE(started.has_value(), started.error().message);
    server = std::move(*started);
  }
  Port port;
  std::shared_ptr<server::HttpUsage> usage = std::make_shared<server::HttpUsage>();
  std::unique_ptr<HttpServer> server;
};

void send_all(const Descriptor& socket, std::string_view bytes) {
  // A peer that has closed is no failure here.
  static_cast<void>(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

// What comes until the end of the connection, or until WORDS have come.
std::string read_until(const Descriptor& socket, std::string_view words) {
  std::string text;
  char buffer[4096];
  for (;;) {
    if (!words.empty() && text.find(words) != std::string::npos) return text;
    const auto count = ::recv(socket.get(), buffer, sizeof buffer, 0);
    if (count < 0) throw std::runtime_error("nothing came: " + text);
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

void answer_ok(const HttpRequest& request, const HttpRespond& respond) {
  respond({200, "text/plain", request.path + "\n"});
}

}  // namespace

TEST_CASE("http: headers that the API uses, and the client's address") {
  HttpRequest seen;
  const Http http([&](HttpRequest request, const HttpRespond& respond) {
    seen = std::move(request);
    answer_ok(seen, respond);
  });
  const Descriptor client = connect_to(http.port);
  send_all(client,
           "POST /x?a=b HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\nidempotency-key: k\r\n"
           "Last-Event-ID: 7-1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
  CHECK(read_until(client, "").find("\r\n\r\n/x\n") != std::string::npos);
  CHECK(seen.method == "POST");
  CHECK(seen.query == "a=b");
  CHECK(seen.authorization == "Bearer t");
  CHECK(seen.idempotency_key == "k");
  CHECK(seen.last_event_id == "7-1");
  CHECK(seen.remote == "127.0.0.1");
  CHECK(seen.body == "{}");
}

TEST_CASE("http: a client that dribbles its request is closed at the deadline") {
  HttpLimits limits;
  limits.read_timeout = milliseconds(300);
  const Http http(answer_ok, limits);
  const Descriptor slow = connect_to(http.port);
  send_all(slow, "GET /x HTTP/1.1\r\nX-Long: ");
  // A byte of a header now and then, for as long as it is let.
  pollfd end{slow.get(), POLLIN, 0};
  wait_until([&] {
    if (::poll(&end, 1, 20) != 0) return true;
    send_all(slow, "x");
    return false;
  });
  char byte = 0;
  CHECK(::recv(slow.get(), &byte, 1, MSG_DONTWAIT) <= 0);
  CHECK(end.revents != 0);
  const Descriptor quick = connect_to(http.port);
  send_all(quick, "GET /y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  CHECK(read_until(quick, "").find("200 OK") != std::string::npos);
}

TEST_CASE("http: all requests together are bounded, and small ones get through nevertheless") {
  HttpLimits limits;
  limits.all_requests_bytes = 100'000;
  limits.free_request_bytes = 1'000;
  const Http http(answer_ok, limits);
  const auto held = [&] { return http.usage->request_bytes.load(); };
  const auto request = [](std::size_t body, std::string_view connection) {
    return fmt::format(
        "POST /x HTTP/1.1\r\nHost: h\r\nConnection: {}\r\nContent-Length: {}\r\n\r\n", connection,
        body);
  };
  // Most of what there is, and then nothing more.
  std::optional<Descriptor> hoarder = connect_to(http.port);
  send_all(*hoarder, request(200'000, "close") + std::string(90'000, 'x'));
  wait_until([&] { return held() > 90'000; });
  const std::size_t hoarded = held();

  const Descriptor large = connect_to(http.port);
  send_all(large, request(50'000, "close") + std::string(50'000, 'x'));
  char byte = 0;
  CHECK(::recv(large.get(), &byte, 1, 0) <= 0);  // closed without a word
  CHECK(http.usage->requests_dropped == 1);
  wait_until([&] { return held() == hoarded; });
  const Descriptor small = connect_to(http.port);
  for (int i = 0; i < 20; ++i) {
    send_all(small, request(900, "keep-alive") + std::string(900, 'x'));
    CHECK(read_until(small, "/x\n").find("200 OK") != std::string::npos);
  }
  hoarder.reset();
  wait_until([&] { return held() == 0; });
  const Descriptor next = connect_to(http.port);
  send_all(next, request(50'000, "close") + std::string(50'000, 'x'));
  CHECK(read_until(next, "").find("200 OK") != std::string::npos);
  CHECK(http.usage->requests_dropped == 1);
}

TEST_CASE("http: a client that never reads its answer is closed at the deadline") {
  HttpLimits limits;
  limits.write_timeout = milliseconds(300);
  // What keeps the answer alive: gone when the connection is.
  auto alive = std::make_shared<int>(0);
  const std::weak_ptr<int> watched = alive;
  const Http http(
      [alive = std::move(alive)](const HttpRequest&, const HttpRespond& respond) mutable {
        server::HttpResponse response{200, "text/plain", ""};
        response.stream = [held = std::move(alive)](const std::shared_ptr<HttpStream>& stream) {
          stream->on_progress([held] {});
          stream->send(std::string(std::size_t{32} << 20U, 'x'));  // beyond all socket buffers
        };
        respond(std::move(response));
      },
      limits);
  const Descriptor client = connect_to(http.port);
  send_all(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_until([&] { return watched.expired(); });
}

TEST_CASE("http: who answers when the server is gone holds nothing of it") {
  std::promise<HttpRespond> asked;
  Http http([&](const HttpRequest&, const HttpRespond& respond) { asked.set_value(respond); });
  const Descriptor client = connect_to(http.port);
  send_all(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  HttpRespond respond = asked.get_future().get();
  CHECK(http.usage->request_bytes > 0);
  http.server.reset();
  CHECK(http.usage->request_bytes == 0);  // its connection is gone too
  respond({200, "text/plain", "late"});
  CHECK(read_until(client, "").empty());
}

TEST_CASE("http: a stream goes on until the server ends it, and knows what was taken") {
  std::shared_ptr<HttpStream> stream;
  std::atomic<bool> begun = false;
  std::atomic<int> progress = 0;
  const Http http([&](const HttpRequest&, const HttpRespond& respond) {
    server::HttpResponse response{200, "text/event-stream", ""};
    response.stream = [&](std::shared_ptr<HttpStream> given) {
      stream = std::move(given);
      stream->on_progress([&] { ++progress; });
      stream->send("one\n");
      begun = true;
    };
    respond(std::move(response));
  });
  const Descriptor client = connect_to(http.port);
  send_all(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string head = read_until(client, "one\n");
  CHECK(head.find("Transfer-Encoding: chunked") != std::string::npos);
  CHECK(head.find("text/event-stream") != std::string::npos);
  wait_until([&] { return begun.load(); });
  stream->send("two\n");
  read_until(client, "two\n");
  wait_until([&] { return stream->unsent() == 0; });
  CHECK(progress >= 2);
  stream->end();
  stream->send("three\n");
  CHECK(read_until(client, "0\r\n\r\n").find("three") == std::string::npos);
}

TEST_CASE("http: a stream whose client has gone says so") {
  std::shared_ptr<HttpStream> stream;
  std::atomic<bool> begun = false;
  const Http http([&](const HttpRequest&, const HttpRespond& respond) {
    server::HttpResponse response{200, "text/event-stream", ""};
    response.stream = [&](std::shared_ptr<HttpStream> given) {
      stream = std::move(given);
      stream->send("one\n");
      begun = true;
    };
    respond(std::move(response));
  });
  {
    const Descriptor client = connect_to(http.port);
    send_all(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    read_until(client, "one\n");
    wait_until([&] { return begun.load(); });
  }
  wait_until([&] {
    if (stream->unsent() == 0) stream->send("more\n");
    return stream->gone();
  });
  CHECK(stream->unsent() == 0);
  stream.reset();  // before the server goes, as the feed of events does
}

}  // namespace kscpush::test
