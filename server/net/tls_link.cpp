#include "server/net/tls_link.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include "core/port_protocols.hpp"
#include "server/net/tls_context.hpp"
#include "server/net/tls_resumption.hpp"

namespace kscpush::server {
namespace {

// Reads in a row that bring nothing for the owner.
constexpr int kReadsInARow = 4;

// What OpenSSL reads of a stream with one system call; without it there are two for each record.
constexpr std::size_t kReadAhead = 64UL * 1024;

// By ALPN; empty: nothing was spoken of.
std::string_view agreed_protocol(const SSL* ssl) {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

}  // namespace

TlsLink::TlsLink(Descriptor socket, Loop& loop, SSL_CTX* context)
    : TcpLink(std::move(socket), loop), openssl_(std::make_unique<OpenSsl>()) {
  openssl_->ssl.reset(SSL_new(context));
  SSL* const ssl = openssl_->ssl.get();
  if (ssl == nullptr) throw std::bad_alloc();
  identify(ssl, openssl_->peer);
  if (TlsContext::shared_of(context).park) {
    openssl_->capture = std::make_unique<TlsCapture>();
    capture_traffic(ssl, *openssl_->capture);
  }
  SSL_set_fd(ssl, descriptor());
  SSL_set_accept_state(ssl);
}

IoResult TlsLink::outcome(int result) {
  switch (SSL_get_error(openssl_->ssl.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {IoResult::Kind::kWantRead, 0};
    case SSL_ERROR_WANT_WRITE:
      return {IoResult::Kind::kWantWrite, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {IoResult::Kind::kEnd, 0};
    case SSL_ERROR_SYSCALL:
      set_error(errno);
      openssl_->failed = true;
      return {IoResult::Kind::kError, 0};
    default:
      openssl_->failed = true;
      openssl_->error = ERR_peek_error();
      return {IoResult::Kind::kError, 0};
  }
}

void TlsLink::after_handshake() {
  handshake_done_ = true;
  SSL* const ssl = openssl_->ssl.get();
  Peer& peer = openssl_->peer;
  if (SSL_session_reused(ssl) == 1 && !resumed_peer(ssl, peer)) {
    peer = {};
    peer.refusal = "its session ticket names no device";
  }
  drop_certificates(ssl);
  const std::string_view protocol = agreed_protocol(ssl);
  speaks_mqtt_ = protocol.empty() || protocol == kMqttProtocol;
  if (!speaks_mqtt_) prepare_for_streams();
  is_device_ = !peer.device_id.empty();
  who_ = is_device_ ? std::move(peer.device_id) : std::move(peer.refusal);
  proof_ = std::move(peer.proof);
  peer = {};
}

void TlsLink::prepare_for_streams() {
  SSL* const ssl = openssl_->ssl.get();
  if (openssl_->capture) {
    stop_capture(ssl);
    openssl_->capture.reset();
  }
  SSL_clear_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_set_read_ahead(ssl, 1);
  SSL_set_default_read_buffer_len(ssl, kReadAhead);
}

void TlsLink::park_if_possible() {
  if (!openssl_->capture || !handshake_done_ || openssl_->write_blocked) return;
  SSL* const ssl = openssl_->ssl.get();
  const Parkable possible = parkable(ssl, *openssl_->capture);
  if (possible == Parkable::kLater) return;
  if (possible == Parkable::kYes) parked_ = park(ssl, *openssl_->capture);
  if (parked_) {
    openssl_.reset();
  } else {
    stop_capture(ssl);
    openssl_->capture.reset();
  }
}

IoResult TlsLink::read(std::span<char> into) {
  if (parked_) return read_parked(into);
  SSL* const ssl = openssl_->ssl.get();
  ERR_clear_error();
  if (!handshake_done_) {
    if (const int done = SSL_do_handshake(ssl); done != 1) return outcome(done);
    after_handshake();
    if (!speaks_mqtt_) return {IoResult::Kind::kOtherProtocol, 0};
  }
  std::size_t n = 0;
  const int result = SSL_read_ex(ssl, into.data(), into.size(), &n);
  const IoResult got = result == 1 ? IoResult{IoResult::Kind::kBytes, n} : outcome(result);
  if (got.kind == IoResult::Kind::kBytes || got.kind == IoResult::Kind::kWantRead) {
    park_if_possible();
  }
  return got;
}

IoResult TlsLink::write(std::string_view bytes) {
  if (parked_) return write_parked(bytes);
  ERR_clear_error();
  std::size_t n = 0;
  const int result = SSL_write_ex(openssl_->ssl.get(), bytes.data(), bytes.size(), &n);
  openssl_->write_blocked = result != 1;
  if (result == 1) return {IoResult::Kind::kBytes, n};
  return outcome(result);
}

// Once; and not after an error, when TLS has said what there was to say.
bool TlsLink::say_close() {
  if (parked_) {
    std::string last;
    parked_->close(last);
    send_control(last);
    return true;
  }
  SSL* const ssl = openssl_->ssl.get();
  if (!handshake_done_ || openssl_->failed || openssl_->close_said) return true;
  ERR_clear_error();
  const int result = SSL_shutdown(ssl);
  const bool blocked = result < 0 && SSL_get_error(ssl, result) == SSL_ERROR_WANT_WRITE;
  ERR_clear_error();
  openssl_->close_said = !blocked;
  return !blocked;
}

// A device learns of the end by the packet before it, and by TCP. Of a stream close_notify is the
// only proof that it is whole.
IoResult TlsLink::shutdown_write() {
  if (!say_close() && !speaks_mqtt_) return {IoResult::Kind::kWantWrite, 0};
  return TcpLink::shutdown_write();
}

void TlsLink::break_off() {
  if (openssl_) openssl_->failed = true;
  TcpLink::break_off();
}

void TlsLink::dispose() {
  say_close();
  TcpLink::dispose();
}

// --- Parked

TlsLink::Held& TlsLink::held() {
  if (!held_) held_ = std::make_unique<Held>();
  return *held_;
}

void TlsLink::release_held() {
  if (held_ && held_->in.empty() && held_->out.empty() && held_->out_plain == 0) held_.reset();
}

IoResult TlsLink::ended() const {
  const bool closed = parked_->state() == ParkedTls::State::kPeerClosed;
  return {closed ? IoResult::Kind::kEnd : IoResult::Kind::kError, 0};
}

IoResult TlsLink::read_parked(std::span<char> into) {
  if (parked_->state() != ParkedTls::State::kOpen) return ended();
  for (int i = 0; i < kReadsInARow; ++i) {
    const std::size_t before = held_ ? held_->in.size() : 0;
    if (into.size() < kMostTlsRecord) {
      set_error(EMSGSIZE);
      return {IoResult::Kind::kError, 0};
    }
    const auto room = into.subspan(before);
    const IoResult got = TcpLink::read(room);
    if (got.kind != IoResult::Kind::kBytes) return got;
    if (before > 0) std::ranges::copy(held_->in, into.begin());
    const auto all = into.first(before + got.bytes);
    std::string control = held_ ? std::move(held_->out) : std::string();
    if (held_) held_->out.clear();
    const auto received = parked_->receive(all, control);
    const bool open = parked_->state() == ParkedTls::State::kOpen;
    const auto rest = open ? all.subspan(received.consumed) : std::span<char>();
    if (held_ || !rest.empty()) held().in.assign(rest.begin(), rest.end());
    send_control(control);
    release_held();
    if (received.plain > 0) {
      // The owner comes for the end when the socket is readable, which it is once it is shut.
      if (!open) ::shutdown(descriptor(), SHUT_RD);
      return {IoResult::Kind::kBytes, received.plain};
    }
    if (!open) return ended();
    if (got.bytes < room.size()) return {IoResult::Kind::kWantRead, 0};
  }
  return {IoResult::Kind::kWantRead, 0};
}

// Behind what waits already. What the kernel does not take goes with the next write.
void TlsLink::send_control(const std::string& control) {
  if (control.empty() && (!held_ || held_->out.empty())) return;
  held().out += control;
  static_cast<void>(flush_held());
}

// kBytes: all of it is out.
IoResult TlsLink::flush_held() {
  while (!held_->out.empty()) {
    const IoResult wrote = TcpLink::write(held_->out);
    if (wrote.kind != IoResult::Kind::kBytes) return wrote;
    held_->out.erase(0, wrote.bytes);
  }
  return {IoResult::Kind::kBytes, 0};
}

IoResult TlsLink::write_parked(std::string_view bytes) {
  if (held_ && (!held_->out.empty() || held_->out_plain > 0)) {
    if (const IoResult flushed = flush_held(); flushed.kind != IoResult::Kind::kBytes) {
      return flushed;
    }
    const std::size_t plain = std::exchange(held_->out_plain, 0);
    release_held();
    if (plain > 0) return {IoResult::Kind::kBytes, plain};
  }
  thread_local std::string record;
  record.clear();
  const std::size_t plain = parked_->seal(bytes, record);
  if (plain == 0) return {IoResult::Kind::kError, 0};
  const IoResult wrote = TcpLink::write(record);
  if (wrote.kind == IoResult::Kind::kError) return wrote;
  const std::size_t taken = wrote.kind == IoResult::Kind::kBytes ? wrote.bytes : 0;
  if (taken == record.size()) return {IoResult::Kind::kBytes, plain};
  held().out.assign(record, taken);
  held().out_plain = plain;
  return {IoResult::Kind::kWantWrite, 0};
}

// --- Who it is

std::string_view TlsLink::other_protocol() const {
  return speaks_mqtt_ ? std::string_view() : agreed_protocol(openssl_->ssl.get());
}

bool TlsLink::handshake_begun() const {
  if (!openssl_) return true;
  const OSSL_HANDSHAKE_STATE state = SSL_get_state(openssl_->ssl.get());
  return state != TLS_ST_BEFORE && state != TLS_ST_SR_CLNT_HELLO;
}

Result<std::string> TlsLink::peer_device_id() const {
  if (is_device_) return who_;
  return fail({ErrorCode::kDenied, who_.empty() ? "no client certificate" : who_,
               "connect with the files that 'kscpush device enroll' wrote"});
}

const PeerProof* TlsLink::peer_proof() const {
  return handshake_done_ ? &proof_ : nullptr;
}

std::string TlsLink::last_error() const {
  if (parked_ && !parked_->reason().empty()) return fmt::format("TLS: {}", parked_->reason());
  const unsigned long error = openssl_ ? openssl_->error : 0;
  if (error == 0) return TcpLink::last_error();
  if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    return fmt::format("TLS: certificate verify failed: {}",
                       X509_verify_cert_error_string(SSL_get_verify_result(openssl_->ssl.get())));
  }
  std::array<char, 200> text{};
  const char* reason = ERR_reason_error_string(error);
  if (reason != nullptr) return fmt::format("TLS: {}", reason);
  ERR_error_string_n(error, text.data(), text.size());
  return text.data();
}

}  // namespace kscpush::server
