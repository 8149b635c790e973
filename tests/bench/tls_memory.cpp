// Memory and processor time of a server's TLS connections alone, without MQTT: bench_tls_memory
// [CONNECTIONS] [RUN ...]. The clients are a process of their own, one connection at a time. Runs:
//   ordinary  every connection keeps OpenSSL's object
//   parked    limits.park_idle_tls
//   resumed   parked, all but the first with a session ticket
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <asio/ip/tcp.hpp>
#include <malloc.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/net/socket_device.hpp"
#include "tests/support/net/tls_pair.hpp"

namespace {

using namespace kscpush;
using server::IoResult;

struct Usage {
  double heap = 0;      // bytes that malloc has given out
  double resident = 0;  // private memory of the process
  double cpu = 0;       // seconds
};

double private_bytes() {
  std::ifstream file("/proc/self/smaps_rollup");
  std::string word;
  double total = 0;
  while (file >> word) {
    double kilobytes = 0;
    if (word.starts_with("Private_") && file >> kilobytes) total += kilobytes * 1024;
  }
  return total;
}

Usage usage_now() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  const auto heap = ::mallinfo2();
  return {static_cast<double>(heap.uordblks + heap.hblkhd), private_bytes(),
          seconds(used.ru_utime) + seconds(used.ru_stime)};
}

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "error: %s\n", what);
  std::exit(1);
}

test::SessionPtr session_of(const SSL* ssl) {
  return test::SessionPtr(SSL_SESSION_dup(SSL_get0_session(ssl)));
}

// Connects COUNT times, one after the other, and holds all until HOLD is closed.
void run_clients(Port port, const test::DeviceFiles& files, int count, bool resume, int hold) {
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    give_up("the device's files");
  }
  test::SessionPtr session;
  std::vector<Descriptor> held;
  for (int i = 0; i < count; ++i) {
    held.push_back(test::connect_to(port));
    const std::unique_ptr<SSL, test::SslFreed> ssl(SSL_new(context));
    if (session) SSL_set_session(ssl.get(), session.get());
    SSL_set_fd(ssl.get(), held.back().get());
    char byte = 'x';
    if (SSL_connect(ssl.get()) != 1 || SSL_write(ssl.get(), &byte, 1) != 1 ||
        SSL_read(ssl.get(), &byte, 1) != 1) {
      give_up("a connection");
    }
    if (resume) session = session_of(ssl.get());
  }
  char byte = 0;
  static_cast<void>(::read(hold, &byte, 1));
}

void serve(server::Link& link, int descriptor, std::string& scratch) {
  for (IoResult got = link.read(scratch); got.kind != IoResult::Kind::kBytes;
       got = link.read(scratch)) {
    if (got.kind != IoResult::Kind::kWantRead) give_up("a link");
    pollfd waited{descriptor, POLLIN, 0};
    ::poll(&waited, 1, -1);
  }
  if (link.write("y").kind != IoResult::Kind::kBytes) give_up("a write");
}

void measure(std::string_view name, int count) {
  const test::TestSite site;
  const auto files = site.enroll("pc-1");
  const auto context = test::tls_context(site, name != "ordinary");
  server::Loop loop;
  asio::basic_socket_acceptor<asio::ip::tcp, server::Loop::executor_type> acceptor(
      loop, {asio::ip::make_address("127.0.0.1"), 0});
  const Port port = Port::from(acceptor.local_endpoint().port()).value();
  int hold[2];
  if (::pipe(hold) != 0) give_up("a pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(hold[1]);
    run_clients(port, files, count, name == "resumed", hold[0]);
    ::_exit(0);
  }
  std::vector<server::LinkPtr> links;
  links.reserve(static_cast<std::size_t>(count));
  std::string scratch(128UL * 1024, '\0');
  Usage before;
  for (int i = 0; i < count; ++i) {
    server::Socket socket = acceptor.accept(loop);
    const int descriptor = socket.native_handle();
    links.emplace_back(new server::TlsLink(std::move(socket), context->get()));
    serve(*links.back(), descriptor, scratch);
    if (i == count / 10) before = usage_now();  // what the first ones set up is not theirs
  }
  const Usage after = usage_now();
  const double measured = count - count / 10 - 1;
  std::printf("%-9s %8.0f %10.0f %8.0f\n", std::string(name).c_str(),
              (after.heap - before.heap) / measured, (after.resident - before.resident) / measured,
              (after.cpu - before.cpu) / measured * 1e6);
  links.clear();
  ::close(hold[1]);
  ::waitpid(child, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 3000;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  std::printf("%d connections, mutual TLS 1.3; a connection:\n", count);
  std::printf("%-9s %8s %10s %8s\n", "run", "heap, B", "private, B", "CPU, us");
  std::vector<std::string_view> runs(argv + std::min(argc, 2), argv + argc);
  if (runs.empty()) runs = {"ordinary", "parked", "resumed"};
  for (const std::string_view run : runs) measure(run, count);
  return 0;
}
