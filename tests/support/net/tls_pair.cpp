#include "tests/support/net/tls_pair.hpp"

#include <array>
#include <stdexcept>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/support/net/socket_device.hpp"

namespace kscpush::test {

using server::IoResult;

namespace {

constexpr std::size_t kReadBytes = 64UL * 1024;

void must(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(std::string("TLS pair: ") + what);
}

// OpenSSL forbids to resume the session of a connection that was not closed in good order, of which
// each connection therefore has one of its own.
SessionPtr copy_of(const SSL_SESSION* session) {
  return SessionPtr(SSL_SESSION_dup(session));
}

// Until one of them is ready.
void wait(short event, int first, int second = -1) {
  pollfd both[] = {{first, event, 0}, {second, event, 0}};
  const auto most = std::chrono::milliseconds(kPatience).count();
  must(::poll(both, 2, static_cast<int>(most)) > 0, "nothing happened");
}

}  // namespace

server::TlsFiles tls_files(const TestSite& site) {
  return {site.config.paths.certificate, site.config.paths.key, site.config.paths.client_ca};
}

server::TlsShared tls_shared(const TestSite& site, const std::string& crl) {
  const auto now = unix_seconds(system_clock().wall());
  return {std::make_shared<server::TicketKeys>(system_clock().now()),
          server::TlsTrust::load(site.config.paths.client_ca, crl, now).value()};
}

std::unique_ptr<server::TlsContext> tls_context(const TestSite& site, bool park) {
  server::TlsShared shared = tls_shared(site);
  shared.park = park;
  return server::TlsContext::create(tls_files(site), std::move(shared)).value();
}

TlsPair::TlsPair(const server::TlsContext& context, const std::optional<DeviceFiles>& files,
                 const ConfigureClient& configure, SSL_SESSION* session) {
  asio::io_context accepting;
  asio::ip::tcp::acceptor acceptor(accepting, {asio::ip::make_address("127.0.0.1"), 0});
  descriptor_ = connect_to(Port::from(acceptor.local_endpoint().port()).value());
  Descriptor socket(acceptor.accept().release());
  must(::fcntl(socket.get(), F_SETFL, O_NONBLOCK) == 0, "its socket");
  server_descriptor_ = socket.get();
  link.reset(new server::TlsLink(std::move(socket), loop_, context.get()));
  client_context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const client = client_context_.get();
  if (files) {
    must(SSL_CTX_use_certificate_chain_file(client, files->certificate.c_str()) == 1, "its files");
    must(SSL_CTX_use_PrivateKey_file(client, files->key.c_str(), SSL_FILETYPE_PEM) == 1, "its key");
  }
  if (configure) configure(client);
  ssl_.reset(SSL_new(client));
  if (session != nullptr) {
    const SessionPtr own(copy_of(session));
    must(SSL_set_session(ssl_.get(), own.get()) == 1, "its session");
  }
  must(::fcntl(descriptor_.get(), F_SETFL, O_NONBLOCK) == 0, "its socket");
  SSL_set_fd(ssl_.get(), descriptor_.get());
  SSL_set_connect_state(ssl_.get());
}

IoResult::Kind TlsPair::talk() {
  for (int turn = 0; turn < 100; ++turn) {
    client_turn();
    const IoResult got = read();
    const bool made =
        got.kind == IoResult::Kind::kBytes || got.kind == IoResult::Kind::kOtherProtocol;
    if (made) return got.kind;
    if (got.kind != IoResult::Kind::kWantRead) {
      wait(POLLIN, descriptor_.get());
      client_turn();
      return got.kind;
    }
    wait(POLLIN, descriptor_.get(), server_descriptor_);
  }
  throw std::runtime_error("TLS pair: the two did not come to an end");
}

IoResult TlsPair::read() {
  std::string buffer(kReadBytes, '\0');
  const IoResult result = link->read(buffer);
  if (result.kind == IoResult::Kind::kBytes) heard.append(buffer, 0, result.bytes);
  return result;
}

IoResult::Kind TlsPair::read_until(std::size_t bytes) {
  while (heard.size() < bytes) {
    const IoResult got = read();
    if (got.kind == IoResult::Kind::kBytes) continue;
    if (got.kind != IoResult::Kind::kWantRead) return got.kind;
    wait_for_server();
  }
  return IoResult::Kind::kBytes;
}

void TlsPair::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const IoResult wrote = link->write(bytes);
    if (wrote.kind == IoResult::Kind::kBytes) {
      bytes.remove_prefix(wrote.bytes);
      continue;
    }
    must(wrote.kind == IoResult::Kind::kWantWrite, "the server cannot write");
    wait_for_client();
    client_read();
  }
}

void TlsPair::client_write(std::string_view bytes) {
  ERR_clear_error();
  std::size_t n = 0;
  must(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &n) == 1 && n == bytes.size(),
       "the client cannot write");
}

void TlsPair::client_read() {
  std::array<char, 4096> buffer{};
  for (;;) {
    ERR_clear_error();
    std::size_t n = 0;
    const int result = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &n);
    if (result == 1) {
      client_heard.append(buffer.data(), n);
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), result);
    const unsigned long code = ERR_peek_error();
    if (code != 0) client_error = ERR_reason_error_string(code);
    client_ended = client_ended || error != SSL_ERROR_WANT_READ;
    return;
  }
}

void TlsPair::client_read_until(std::size_t bytes) {
  for (client_read(); client_heard.size() < bytes && !client_ended; client_read()) {
    wait_for_client();
  }
}

SessionPtr TlsPair::session() {
  SessionPtr session = copy_of(SSL_get0_session(ssl_.get()));
  return SSL_SESSION_is_resumable(session.get()) == 1 ? std::move(session) : nullptr;
}

void TlsPair::send_raw(std::string_view bytes) const {
  must(::send(descriptor_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size()),
       "the client cannot send");
}

void TlsPair::reset() {
  reset_on_close(descriptor_.get());
  descriptor_ = Descriptor();
}

void TlsPair::wait_for_server() const {
  wait(POLLIN, server_descriptor_);
}

void TlsPair::wait_for_client() const {
  wait(POLLIN, descriptor_.get());
}

void TlsPair::client_turn() {
  ERR_clear_error();
  std::size_t n = 0;
  if (!said_) {
    said_ = SSL_write_ex(ssl_.get(), "hello", 5, &n) == 1;
    const unsigned long code = ERR_peek_error();
    if (code != 0) client_error = ERR_reason_error_string(code);
  } else {
    client_read();
  }
}

}  // namespace kscpush::test
