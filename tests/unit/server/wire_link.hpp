// A connection of the side's in memory, for tests that turn its loop themselves.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/net/link.hpp"
#include "server/net/peer.hpp"

namespace kscpush::server {

// What the peer of a link sees and does.
struct Wire {
  std::string sent;              // by the peer, and not yet read
  std::string heard;             // by the peer
  std::size_t room = 1'000'000;  // bytes that the peer takes
  std::size_t record = 0;        // bytes of one read at most; 0: as many as there are
  bool ended = false;            // the peer has closed its side
  bool lost = false;
  bool shut = false;    // the server's side
  bool broken = false;  // it ended without a word
  bool gone = false;
  std::function<void()> wake = [] {};
};

// Who it is.
struct WirePeer {
  std::string_view protocol;  // that ALPN agreed on
  std::string device{};       // that its certificate is of; empty: none
  const PeerProof* proof = nullptr;
  std::string address = "192.0.2.1:1";
};

class WireLink final : public Link {
 public:
  WireLink(std::shared_ptr<Wire> wire, WirePeer peer)
      : wire_(std::move(wire)), peer_(std::move(peer)) {}

  IoResult read(std::span<char> into) override {
    if (wire_->lost) return {IoResult::Kind::kError, 0};
    if (wire_->sent.empty()) {
      return {wire_->ended ? IoResult::Kind::kEnd : IoResult::Kind::kWantRead, 0};
    }
    const std::size_t record = wire_->record > 0 ? wire_->record : into.size();
    const std::size_t n = wire_->sent.copy(into.data(), std::min(record, into.size()));
    wire_->sent.erase(0, n);
    return {IoResult::Kind::kBytes, n};
  }
  IoResult write(std::string_view bytes) override {
    const std::size_t n = std::min(bytes.size(), wire_->room);
    if (n == 0) return {IoResult::Kind::kWantWrite, 0};
    wire_->heard += bytes.substr(0, n);
    wire_->room -= n;
    return {IoResult::Kind::kBytes, n};
  }
  void wait_readable() override { reads_ = true; }
  void wait_writable() override { writes_ = true; }
  IoResult shutdown_write() override {
    wire_->shut = true;
    return {IoResult::Kind::kBytes, 0};
  }
  void detach() override {
    wire_->wake = [] {};
  }
  void attach(Loop& /*loop*/) override {
    wire_->wake = [this] { wake(); };
  }
  void break_off() override { wire_->broken = true; }
  [[nodiscard]] Result<std::string> peer_device_id() const override {
    if (peer_.device.empty()) return fail(ErrorCode::kDenied, "no client certificate");
    return peer_.device;
  }
  [[nodiscard]] const PeerProof* peer_proof() const override { return peer_.proof; }
  [[nodiscard]] std::string_view other_protocol() const override { return peer_.protocol; }
  [[nodiscard]] bool secure() const override { return true; }
  [[nodiscard]] std::string peer_address() const override { return peer_.address; }
  [[nodiscard]] std::string last_error() const override { return wire_->lost ? "reset" : ""; }
  void dispose() override {
    wire_->gone = true;
    wire_->wake = [] {};
    delete this;
  }

 private:
  // Level-triggered, one at a time, as the loop.
  void wake() {
    const bool readable = !wire_->sent.empty() || wire_->ended || wire_->lost;
    if (writes_ && wire_->room > 0) {
      writes_ = false;
      owner()->on_writable();
    } else if (reads_ && readable) {
      reads_ = false;
      owner()->on_readable();
    }
  }

  const std::shared_ptr<Wire> wire_;
  const WirePeer peer_;
  bool reads_ = false;
  bool writes_ = false;
};

}  // namespace kscpush::server
