// TLS on a raw SSL object per connection, which a TLS 1.3 connection gives up after its handshake
// when its context says so (ParkedTls; docs/decisions/0007).
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

// The handshake happens inside the first reads.
class TlsLink final : public TcpLink {
 public:
  // CONTEXT: a TlsContext's.
  TlsLink(Descriptor socket, Poller& poller, SSL_CTX* context);

  // INTO has room for a record (kMostTlsRecord), so that none is kept for the next read.
  IoResult read(std::span<char> into) override;
  IoResult write(std::string_view bytes) override;
  void shutdown_write() override;
  [[nodiscard]] Result<std::string> peer_device_id() const override;
  [[nodiscard]] const PeerProof* peer_proof() const override;
  [[nodiscard]] bool secure() const override { return true; }
  [[nodiscard]] std::string last_error() const override;
  [[nodiscard]] bool parked() const { return parked_ != nullptr; }

 protected:
  ~TlsLink() override = default;

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  // Of a parked connection, while there is something to keep.
  struct Held {
    std::string in;             // the start of a record
    std::string out;            // records that the kernel has not taken yet
    std::size_t out_plain = 0;  // how much of what is written next they are already
  };

  IoResult outcome(int result);
  void after_handshake();
  void park_if_possible();
  IoResult read_parked(std::span<char> into);
  IoResult write_parked(std::string_view bytes);
  IoResult ended() const;
  IoResult flush_held();
  void send_control(std::string control);
  [[nodiscard]] Held& held();
  void release_held();

  Peer peer_;                            // before ssl_, which refers to it
  std::unique_ptr<TlsCapture> capture_;  // the same; null: never to be parked, or parked
  std::unique_ptr<SSL, Free> ssl_;       // null when parked
  std::unique_ptr<ParkedTls> parked_;
  std::unique_ptr<Held> held_;
  unsigned long tls_error_ = 0;
  bool handshake_done_ = false;
  bool write_blocked_ = false;  // OpenSSL has a record half written
};

}  // namespace kscpush::server
