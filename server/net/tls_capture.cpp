#include "server/net/tls_capture.hpp"

#include <string_view>

#include <openssl/crypto.h>

namespace kscpush::server {
namespace {

constexpr std::uint8_t kFinished = 20;  // HandshakeType
constexpr std::uint8_t kKeyUpdate = 24;

int capture_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

TlsCapture* capture_of(const SSL* ssl) {
  return static_cast<TlsCapture*>(SSL_get_ex_data(ssl, capture_index()));
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Empty when it is no even number of lower-case digits, or too long.
TlsSecret read_hex(std::string_view text) {
  std::array<std::uint8_t, 48> bytes{};
  if (text.size() % 2 != 0 || text.size() > 2 * bytes.size()) return {};
  for (std::size_t i = 0; i < text.size() / 2; ++i) {
    const int high = digit_of(text[2 * i]);
    const int low = digit_of(text[2 * i + 1]);
    if (high < 0 || low < 0) return {};
    bytes.at(i) = static_cast<std::uint8_t>(high * 16 + low);
  }
  const TlsSecret secret(Bytes(bytes).first(text.size() / 2));
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return secret;
}

// "LABEL CLIENT-RANDOM SECRET", in hexadecimal digits. OpenSSL wipes the line.
void on_key_log(const SSL* ssl, const char* line) {
  TlsCapture* const capture = capture_of(ssl);
  if (capture == nullptr) return;
  const std::string_view text(line);
  const std::string_view label = text.substr(0, text.find(' '));
  const std::string_view secret = text.substr(text.rfind(' ') + 1);
  if (label == "CLIENT_TRAFFIC_SECRET_0") capture->client = read_hex(secret);
  if (label == "SERVER_TRAFFIC_SECRET_0") capture->server = read_hex(secret);
}

// For a handshake message it is called after the records that it came or went in, and for each
// protected record once with its inner type.
void on_message(int sent, int /*version*/, int type, const void* data, std::size_t size, SSL* ssl,
                void* /*unused*/) {
  TlsCapture* const capture = capture_of(ssl);
  if (capture == nullptr) return;
  std::uint64_t& records = sent != 0 ? capture->sent : capture->received;
  if (type == SSL3_RT_INNER_CONTENT_TYPE) {
    ++records;
  } else if (type == SSL3_RT_HANDSHAKE && size > 0) {
    const std::uint8_t message = *static_cast<const std::uint8_t*>(data);
    if (message == kFinished) records = 0;
    if (message == kKeyUpdate) capture->rekeyed = true;
  }
}

std::optional<TlsSuite> suite_of(const SSL* ssl) {
  const SSL_CIPHER* const cipher = SSL_get_current_cipher(ssl);
  return cipher == nullptr ? std::nullopt : tls_suite(SSL_CIPHER_get_protocol_id(cipher));
}

std::size_t most_plain_of(const SSL* ssl) {
  const SSL_SESSION* const session = SSL_get_session(ssl);
  const std::uint8_t mode = session == nullptr ? 0 : SSL_SESSION_get_max_fragment_length(session);
  return mode == TLSEXT_max_fragment_length_DISABLED ? kMostTlsPlain : std::size_t{256} << mode;
}

}  // namespace

void set_up_capture(SSL_CTX* context) {
  SSL_CTX_set_keylog_callback(context, on_key_log);
  SSL_CTX_set_msg_callback(context, on_message);
}

void capture_traffic(SSL* ssl, TlsCapture& capture) {
  SSL_set_ex_data(ssl, capture_index(), &capture);
}

void stop_capture(SSL* ssl) {
  SSL_set_ex_data(ssl, capture_index(), nullptr);
  SSL_set_msg_callback(ssl, nullptr);
}

Parkable parkable(const SSL* ssl, const TlsCapture& capture) {
  const bool kept_up = !capture.rekeyed && !capture.client.empty() && !capture.server.empty();
  if (SSL_version(ssl) != TLS1_3_VERSION || !kept_up || !suite_of(ssl)) return Parkable::kNever;
  if (SSL_get_shutdown(ssl) != 0) return Parkable::kNever;
  // It has the first part of a message that goes on in the next record.
  if (SSL_in_init(ssl) != 0) return Parkable::kLater;
  // OpenSSL reads a record's header, then exactly its body: between records it has nothing.
  const bool between_records = std::string_view(SSL_rstate_string(ssl)) == "RH";
  return between_records && SSL_has_pending(ssl) == 0 ? Parkable::kYes : Parkable::kLater;
}

std::unique_ptr<ParkedTls> park(const SSL* ssl, const TlsCapture& capture) {
  TlsTraffic traffic;
  traffic.suite = *suite_of(ssl);
  traffic.client = capture.client;
  traffic.server = capture.server;
  traffic.received = capture.received;
  traffic.sent = capture.sent;
  traffic.most_plain = most_plain_of(ssl);
  auto parked = std::make_unique<ParkedTls>();
  return parked->begin(traffic) ? std::move(parked) : nullptr;
}

}  // namespace kscpush::server
