// A link whose far end is in the test's hand, in memory and in one thread.
//
// The two ends share a Wire. What the peer sends is put on it with give(), split as the test likes;
// what the server wrote is taken off it. Readiness is told by way of the shard's loop, as a
// socket's is, so nothing happens until that is polled.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/net/link.hpp"
#include "server/net/tcp_link.hpp"

namespace kscpush::test {

class SimLink;

// The wire outlives the link: what the server sent last can be looked at after it has closed.
class Wire {
 public:
  static constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

  // --- The peer's side.
  void give(std::string_view bytes);
  void close();  // the peer has no more to say; what it gave can still be read
  void reset();  // reads and writes fail from now on; what was given is lost
  // What the server has written since the last call.
  [[nodiscard]] std::string take();
  // How many more bytes the server may write before it must wait.
  void set_room(std::size_t bytes);
  // The most bytes one read gets.
  void set_chunk(std::size_t bytes) { chunk_ = bytes; }
  // Called when the server has written, shut down or closed.
  void on_server(std::function<void()> call) { on_server_ = std::move(call); }

  [[nodiscard]] bool server_shut() const { return server_shut_; }
  [[nodiscard]] bool server_closed() const { return server_closed_; }
  [[nodiscard]] std::size_t unread() const { return to_server_.size(); }
  [[nodiscard]] bool server_reads() const;  // it waits for more

 private:
  friend class SimLink;
  void wake();
  void tell() const {
    if (on_server_) on_server_();
  }

  std::string to_server_;
  std::string from_server_;
  std::size_t room_ = kNoLimit;
  std::size_t chunk_ = kNoLimit;
  std::function<void()> on_server_;
  SimLink* link_ = nullptr;
  bool closed_ = false;
  bool reset_ = false;
  bool server_shut_ = false;
  bool server_closed_ = false;
};
using WirePtr = std::shared_ptr<Wire>;

// What the server sees of the peer.
struct PeerIdentity {
  std::string address = "192.0.2.1:40000";
  // With TLS: the device that the certificate names, or why it names none.
  std::optional<Result<std::string>> certificate;
};

class SimLink final : public server::Link {
 public:
  // A link that is attached to the loop already.
  [[nodiscard]] static server::LinkPtr make(const WirePtr& wire, server::Loop& loop,
                                            PeerIdentity peer = {});

  server::IoResult read(std::span<char> into) override;
  server::IoResult write(std::string_view bytes) override;
  void wait_readable() override;
  void wait_writable() override;
  server::IoResult shutdown_write() override;
  void detach() override;
  void attach(server::Loop& loop) override;
  [[nodiscard]] Result<std::string> peer_device_id() const override;
  [[nodiscard]] bool secure() const override { return peer_.certificate.has_value(); }
  // As if the first bytes were a ClientHello.
  [[nodiscard]] bool handshake_begun() const override { return secure() && was_read_; }
  [[nodiscard]] std::string peer_address() const override { return peer_.address; }
  [[nodiscard]] std::string last_error() const override { return wire_->reset_ ? "reset" : ""; }
  void dispose() override;

 private:
  friend class Wire;
  SimLink(WirePtr wire, server::Loop& loop, PeerIdentity peer);
  ~SimLink() override = default;
  [[nodiscard]] bool readable() const;
  [[nodiscard]] bool writable() const;
  void wake();
  static void fire(const WirePtr& wire);

  WirePtr wire_;
  server::Loop* loop_;
  const PeerIdentity peer_;
  bool waiting_read_ = false;
  bool waiting_write_ = false;
  bool was_read_ = false;
};

}  // namespace kscpush::test
