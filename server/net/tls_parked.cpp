#include "server/net/tls_parked.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <openssl/crypto.h>

namespace kscpush::server {
namespace {

constexpr std::uint8_t kOuterType = 23;  // every protected record says application data
constexpr std::uint8_t kKeyUpdate = 24;  // HandshakeType
constexpr std::uint8_t kFatal = 2;
constexpr std::uint8_t kWarning = 1;

std::size_t length_of(Bytes header) {
  return static_cast<std::size_t>(header[3]) << 8U | header[4];
}

}  // namespace

std::string to_string(TlsAlert alert) {
  switch (alert) {
    case TlsAlert::kCloseNotify:
      return "close_notify";
    case TlsAlert::kUnexpectedMessage:
      return "unexpected_message";
    case TlsAlert::kBadRecordMac:
      return "bad_record_mac";
    case TlsAlert::kRecordOverflow:
      return "record_overflow";
    case TlsAlert::kIllegalParameter:
      return "illegal_parameter";
    case TlsAlert::kDecodeError:
      return "decode_error";
    case TlsAlert::kInternalError:
      return "internal_error";
    case TlsAlert::kUserCanceled:
      return "user_canceled";
  }
  return fmt::format("alert {}", static_cast<int>(alert));
}

bool ParkedTls::begin(const TlsTraffic& traffic) {
  most_plain_ = static_cast<std::uint16_t>(std::min(traffic.most_plain, kMostTlsPlain));
  return in_.set(traffic.suite, traffic.client, traffic.received) &&
         out_.set(traffic.suite, traffic.server, traffic.sent);
}

std::string ParkedTls::reason() const {
  switch (state_) {
    case State::kOpen:
    case State::kPeerClosed:
      return {};
    case State::kAlerted:
      return fmt::format("the peer ended it: {}", to_string(alert_));
    case State::kFailed:
      return to_string(alert_);
  }
  return {};
}

bool ParkedTls::fail(TlsAlert alert) {
  state_ = State::kFailed;
  alert_ = alert;
  return false;
}

// --- What comes in

ParkedTls::Received ParkedTls::receive(std::span<char> bytes, std::string& control) {
  auto* const base = reinterpret_cast<std::uint8_t*>(bytes.data());
  Received got;
  while (state_ == State::kOpen && bytes.size() - got.consumed >= kTlsHeader) {
    const std::span<std::uint8_t> rest(base + got.consumed, bytes.size() - got.consumed);
    // Before the rest is waited for: what is wrong with the header is known.
    if (rest[0] != kOuterType) {
      fail(TlsAlert::kUnexpectedMessage);
      break;
    }
    if (length_of(rest) > kMostTlsCipher) {
      fail(TlsAlert::kRecordOverflow);
      break;
    }
    const std::size_t size = kTlsHeader + length_of(rest);
    if (rest.size() < size) break;
    got.consumed += size;
    Opened opened;
    if (!open(rest.first(size), opened)) break;
    if (opened.type == static_cast<std::uint8_t>(ContentType::kApplicationData)) {
      std::memmove(base + got.plain, opened.content.data(), opened.content.size());
      got.plain += opened.content.size();
      if (!opened.content.empty()) idle_records_ = 0;
    } else if (opened.type == static_cast<std::uint8_t>(ContentType::kHandshake)) {
      take_handshake(opened.content);
    } else {
      take_alert(opened.content);
    }
  }
  // One answer is enough for all that have asked; while others wait to be sent, seal() gives it.
  if (owes_update_ && !closed_ && control.empty()) append_key_update(control);
  if (state_ == State::kFailed && !closed_) {
    const char text[] = {static_cast<char>(kFatal), static_cast<char>(alert_)};
    append_record(ContentType::kAlert, {text, sizeof text}, control);
    closed_ = true;
  }
  return got;
}

bool ParkedTls::open(std::span<std::uint8_t> record, Opened& opened) {
  if (record.size() < kTlsHeader + kTlsTag + 1 || !in_.open(record)) {
    return fail(TlsAlert::kBadRecordMac);
  }
  auto inner = record.subspan(kTlsHeader, record.size() - kTlsHeader - kTlsTag);
  if (inner.size() > kMostTlsPlain + 1) return fail(TlsAlert::kRecordOverflow);
  while (!inner.empty() && inner.back() == 0) inner = inner.first(inner.size() - 1);
  if (inner.empty()) return fail(TlsAlert::kUnexpectedMessage);
  opened.type = inner.back();
  opened.content = inner.first(inner.size() - 1);
  const bool data = opened.type == static_cast<std::uint8_t>(ContentType::kApplicationData);
  const bool known = data || opened.type == static_cast<std::uint8_t>(ContentType::kHandshake) ||
                     opened.type == static_cast<std::uint8_t>(ContentType::kAlert);
  if (!known) return fail(TlsAlert::kUnexpectedMessage);
  // Only data may be empty; nothing may come between the pieces of a message.
  if (!data && opened.content.empty()) return fail(TlsAlert::kUnexpectedMessage);
  const bool piece = opened.type == static_cast<std::uint8_t>(ContentType::kHandshake);
  if (message_size_ > 0 && !piece) return fail(TlsAlert::kUnexpectedMessage);
  if (data && !opened.content.empty()) return true;
  if (++idle_records_ > kMostIdleRecords) return fail(TlsAlert::kUnexpectedMessage);
  return true;
}

void ParkedTls::take_handshake(Bytes content) {
  std::size_t take = 0;
  while (take < content.size() && message_size_ < message_.size()) {
    message_[message_size_++] = content[take++];
  }
  // The type is known first: what a client may not send is refused without its rest.
  if (message_[0] != kKeyUpdate) {
    fail(TlsAlert::kUnexpectedMessage);
    return;
  }
  if (message_size_ >= 4 && (message_[1] != 0 || message_[2] != 0 || message_[3] != 1)) {
    fail(TlsAlert::kDecodeError);
    return;
  }
  if (message_size_ < message_.size()) return;
  // The keys change here, so nothing may follow in this record (5.1).
  if (take != content.size()) {
    fail(TlsAlert::kUnexpectedMessage);
    return;
  }
  message_size_ = 0;
  key_update(message_[4]);
}

void ParkedTls::key_update(std::uint8_t request) {
  if (request > 1) {
    fail(TlsAlert::kIllegalParameter);
  } else if (!in_.update()) {
    fail(TlsAlert::kInternalError);
  } else if (request == 1) {
    owes_update_ = true;
  }
}

void ParkedTls::take_alert(Bytes content) {
  if (content.size() != 2) {
    fail(TlsAlert::kDecodeError);
    return;
  }
  const auto alert = static_cast<TlsAlert>(content[1]);
  // It announces close_notify; the level means nothing any more (6).
  if (alert == TlsAlert::kUserCanceled) return;
  state_ = alert == TlsAlert::kCloseNotify ? State::kPeerClosed : State::kAlerted;
  alert_ = alert;
}

// --- What goes out

void ParkedTls::append_record(ContentType type, std::string_view content, std::string& out) {
  const std::size_t begin = out.size();
  out.append(kTlsHeader, '\0');
  out.append(content);
  out += static_cast<char>(type);
  out.append(kTlsTag, '\0');
  const std::span<std::uint8_t> record(reinterpret_cast<std::uint8_t*>(out.data()) + begin,
                                       out.size() - begin);
  if (out_.seal(record)) return;
  // Nothing that is not sealed may leave.
  OPENSSL_cleanse(record.data(), record.size());
  out.resize(begin);
  closed_ = true;
  fail(TlsAlert::kInternalError);
}

void ParkedTls::append_key_update(std::string& out) {
  constexpr std::string_view kNotRequested("\x18\x00\x00\x01\x00", 5);
  owes_update_ = false;
  append_record(ContentType::kHandshake, kNotRequested, out);
  if (!closed_ && !out_.update()) {
    closed_ = true;
    fail(TlsAlert::kInternalError);
  }
}

std::size_t ParkedTls::seal(std::string_view plain, std::string& out) {
  const bool update_due = owes_update_ || out_.sequence() >= kRecordsPerKey;
  if (update_due && !closed_ && state_ != State::kAlerted) append_key_update(out);
  if (closed_ || state_ == State::kAlerted) return 0;
  const std::string_view front = plain.substr(0, most_plain_);
  append_record(ContentType::kApplicationData, front, out);
  return closed_ ? 0 : front.size();
}

void ParkedTls::close(std::string& out) {
  if (closed_ || state_ == State::kAlerted) return;
  const char text[] = {static_cast<char>(kWarning), static_cast<char>(TlsAlert::kCloseNotify)};
  append_record(ContentType::kAlert, {text, sizeof text}, out);
  closed_ = true;
}

}  // namespace kscpush::server
