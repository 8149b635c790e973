// TLS on a raw SSL object per connection, which a TLS 1.3 connection gives up after its handshake
// when its context says so (ParkedTls; docs/decisions/0008).
//
// asio::ssl::stream keeps two 17 KiB buffers a connection (measured: 67 KB against 14.4 KB idle),
// so OpenSSL reads and writes the descriptor itself.
#pragma once

#include <memory>

#include <openssl/ssl.h>

#include "server/net/peer.hpp"
#include "server/net/tcp_link.hpp"
#include "server/net/tls_capture.hpp"

namespace kscpush::server {

// The handshake happens inside the first reads. Of a connection that agrees on another protocol
// than MQTT the read that ends it says so (kOtherProtocol), and nothing behind it has been read; it
// is never parked, and an end of the stream without close_notify is an error.
class TlsLink final : public TcpLink {
 public:
  // CONTEXT: a TlsContext's.
  TlsLink(Descriptor socket, Loop& loop, SSL_CTX* context);

  // INTO has room for a record (kMostTlsRecord), so that none is kept for the next read.
  IoResult read(std::span<char> into) override;
  IoResult write(std::string_view bytes) override;
  IoResult shutdown_write() override;
  void break_off() override;
  // Says close_notify first, as far as the kernel takes it.
  void dispose() override;
  [[nodiscard]] Result<std::string> peer_device_id() const override;
  [[nodiscard]] const PeerProof* peer_proof() const override;
  [[nodiscard]] bool secure() const override { return true; }
  [[nodiscard]] std::string_view other_protocol() const override;
  [[nodiscard]] bool handshake_begun() const override;
  [[nodiscard]] std::string last_error() const override;
  [[nodiscard]] bool parked() const override { return parked_ != nullptr; }

 protected:
  ~TlsLink() override = default;

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  // Until it is parked.
  struct OpenSsl {
    Peer peer;                            // before ssl, which refers to it
    std::unique_ptr<TlsCapture> capture;  // the same; null: never to be parked
    std::unique_ptr<SSL, Free> ssl;
    unsigned long error = 0;
    bool write_blocked = false;  // a record is half written
    bool failed = false;         // OpenSSL forbids to go on with it
    bool close_said = false;
  };
  // Of a parked connection, while there is something to keep.
  struct Held {
    std::string in;             // the start of a record
    std::string out;            // records that the kernel has not taken yet
    std::size_t out_plain = 0;  // how much of what is written next they are already
  };

  IoResult outcome(int result);
  void after_handshake();
  void prepare_for_streams();
  bool say_close();  // false: the kernel has not taken it
  void park_if_possible();
  IoResult read_parked(std::span<char> into);
  IoResult write_parked(std::string_view bytes);
  IoResult ended() const;
  IoResult flush_held();
  void send_control(const std::string& control);
  [[nodiscard]] Held& held();
  void release_held();

  std::unique_ptr<OpenSsl> openssl_;   // null when parked
  std::unique_ptr<ParkedTls> parked_;  // null until then
  std::unique_ptr<Held> held_;
  std::string who_;  // the device, or why it is none
  PeerProof proof_;
  bool is_device_ = false;
  bool handshake_done_ = false;
  bool speaks_mqtt_ = true;
};

}  // namespace kscpush::server
