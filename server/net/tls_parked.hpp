// A TLS 1.3 connection of a server after its handshake, without OpenSSL's connection object: bytes
// in, bytes out (RFC 8446, 4.6.3, 5 and 6). About 300 bytes against 15,000.
//
// What the peer may send is application data, KeyUpdate and alerts. Everything else ends the
// connection with the alert that the RFC names. No renegotiation, early data or authentication
// after the handshake: the server never offers them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "server/net/secret_memory.hpp"
#include "server/net/tls_record.hpp"

namespace kscpush::server {

enum class TlsAlert : std::uint8_t {
  kCloseNotify = 0,
  kUnexpectedMessage = 10,
  kBadRecordMac = 20,
  kRecordOverflow = 22,
  kIllegalParameter = 47,
  kDecodeError = 50,
  kInternalError = 80,
  kUserCanceled = 90,
};
// As RFC 8446 names them: "bad_record_mac"; "alert 200" for what it does not know.
[[nodiscard]] std::string to_string(TlsAlert alert);

// Where a connection stands when its handshake is over.
struct TlsTraffic {
  TlsSuite suite = TlsSuite::kAes128GcmSha256;
  TlsSecret client;  // client_application_traffic_secret_0
  TlsSecret server;
  std::uint64_t received = 0;  // records under these secrets so far
  std::uint64_t sent = 0;
  std::size_t most_plain = kMostTlsPlain;  // of a record to the peer (max_fragment_length)
};

class ParkedTls : public Undumped {
 public:
  enum class State : std::uint8_t {
    kOpen,
    kPeerClosed,  // close_notify has come; we may go on writing
    kAlerted,     // a fatal alert has come: nothing can be read or written any more
    kFailed,      // the peer broke the protocol; an alert for it is in the output
  };

  // Records under one generation of keys, of ours, before we change them: for AES-GCM the RFC
  // allows 2^24.5 full ones (5.5).
  static constexpr std::uint64_t kRecordsPerKey = 1U << 24U;
  // Records in a row that bring no data: a peer that sends more keeps us busy for nothing.
  static constexpr int kMostIdleRecords = 32;

  // False: OpenSSL failed, or the secrets are not of the suite.
  [[nodiscard]] bool begin(const TlsTraffic& traffic);

  struct Received {
    std::size_t plain = 0;     // bytes of application data, which now stand at the front of BYTES
    std::size_t consumed = 0;  // whole records; the rest is to be given again with what follows
  };
  // Opens the records in BYTES, in place. Stops when the state changes; then ask state(). Appends
  // to CONTROL what is to be sent for it: an alert, or the answer to a KeyUpdate, which waits for
  // the next seal() when CONTROL is not empty, so that it never grows.
  Received receive(std::span<char> bytes, std::string& control);
  [[nodiscard]] State state() const { return state_; }
  // What ended it, for the log; empty while it is open.
  [[nodiscard]] std::string reason() const;

  // Appends to OUT one record with the front of PLAIN, after a KeyUpdate if it is time for one;
  // returns how much of PLAIN that is. 0: the connection is over.
  std::size_t seal(std::string_view plain, std::string& out);
  // Appends close_notify, once.
  void close(std::string& out);

  // For tests: as if it had sent so many records with these keys.
  [[nodiscard]] std::uint64_t sent() const { return out_.sequence(); }

 private:
  enum class ContentType : std::uint8_t { kAlert = 21, kHandshake = 22, kApplicationData = 23 };

  struct Opened {
    std::uint8_t type = 0;
    std::span<std::uint8_t> content;
  };
  [[nodiscard]] bool open(std::span<std::uint8_t> record, Opened& opened);
  void take_handshake(Bytes content);
  void key_update(std::uint8_t request);
  void take_alert(Bytes content);
  void append_record(ContentType type, std::string_view content, std::string& out);
  void append_key_update(std::string& out);
  bool fail(TlsAlert alert);

  TlsKeys in_;
  TlsKeys out_;
  std::uint16_t most_plain_ = kMostTlsPlain;
  State state_ = State::kOpen;
  TlsAlert alert_ = TlsAlert::kCloseNotify;  // sent or received, as the state says
  bool closed_ = false;                      // close_notify or an alert has been sent
  bool owes_update_ = false;                 // the answer to a KeyUpdate
  std::uint8_t idle_records_ = 0;
  // A handshake message may come in pieces; the only one there may be has 5 bytes.
  std::uint8_t message_size_ = 0;
  std::array<std::uint8_t, 5> message_{};
};

}  // namespace kscpush::server
