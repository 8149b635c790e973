// A device on a real socket, TLS or plain: blocking, every wait bounded.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <openssl/ssl.h>

#include "core/descriptor.hpp"
#include "core/ids.hpp"
#include "tests/support/net/mqtt_packets.hpp"
#include "tests/support/net/test_site.hpp"
#include "tests/support/patience.hpp"

namespace kscpush::test {

// A descriptor connected to 127.0.0.1:PORT, whose reads and writes give up after kPatience.
[[nodiscard]] Descriptor connect_to(Port port);
// The next close() sends a reset.
void reset_on_close(int descriptor);

class SocketDevice {
 public:
  // Plain.
  SocketDevice(Port port, ConnectSpec spec);
  // TLS, with the device's certificate. Throws when the handshake fails.
  SocketDevice(Port port, ConnectSpec spec, const TestSite& site, const DeviceFiles& files);

  void send(std::string_view bytes);
  void connect() { send(connect_bytes(spec)); }
  // CONNECT and SUBSCRIBE, and their answers.
  void go_online();
  void ack(std::uint16_t packet_id) { send(puback_bytes(spec, packet_id)); }

  // The next packet. Throws when none comes.
  [[nodiscard]] ServerPacket next();
  [[nodiscard]] std::string next_line() { return to_string(next()); }
  // Reads to the end of the connection; false when it does not come.
  [[nodiscard]] bool wait_for_end();
  void reset();

  ConnectSpec spec;

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  // Bytes read; 0 at the end, -1 when nothing came.
  [[nodiscard]] long read_some(std::span<char> into);

  Descriptor socket_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  PacketReader reader_;
  std::vector<ServerPacket> unread_;
};

}  // namespace kscpush::test
