// A stream of bytes to one peer, without blocking: plain TCP, TLS, or the simulation's.
//
// Readiness is asked for (wait_*) and told to the LinkOwner; nothing is buffered for an idle link.
// All calls on the thread of the shard that the link is attached to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/io_result.hpp"
#include "core/result.hpp"

namespace kscpush::server {

class Loop;
struct PeerProof;

class LinkOwner {
 public:
  virtual void on_readable() = 0;
  virtual void on_writable() = 0;

 protected:
  ~LinkOwner() = default;
};

using kscpush::IoResult;

class Link {
 public:
  virtual ~Link() = default;

  void set_owner(LinkOwner* owner) { owner_ = owner; }

  virtual IoResult read(std::span<char> into) = 0;
  virtual IoResult write(std::string_view bytes) = 0;
  virtual void wait_readable() = 0;
  virtual void wait_writable() = 0;
  // Says "no more from me"; what the peer sends can still be read. kBytes: it is said. kWantWrite,
  // of a link that speaks another protocol than MQTT: ask again when it is writable.
  virtual IoResult shutdown_write() = 0;

  // Leaves the loop of its shard; nothing may be waited for. attach() enters another one's.
  virtual void detach() = 0;
  virtual void attach(Loop& loop) = 0;

  // Who the peer proved to be. Plain links prove nothing: an empty id. An error says why the
  // peer's certificate names no device. Only after the first bytes were read.
  [[nodiscard]] virtual Result<std::string> peer_device_id() const = 0;
  // What this rests on, and must go on to hold; null if nothing was proved.
  [[nodiscard]] virtual const PeerProof* peer_proof() const { return nullptr; }
  [[nodiscard]] virtual bool secure() const = 0;
  // What was agreed on by ALPN when that is not MQTT; else empty.
  [[nodiscard]] virtual std::string_view other_protocol() const { return {}; }
  // A handshake has begun that costs: TLS has read a whole ClientHello.
  [[nodiscard]] virtual bool handshake_begun() const { return false; }
  // It has TLS without an object of the TLS library's.
  [[nodiscard]] virtual bool parked() const { return false; }
  [[nodiscard]] virtual std::string peer_address() const = 0;  // "127.0.0.1:40312"
  // What went wrong with the last read or write, for the log; empty if nothing did.
  [[nodiscard]] virtual std::string last_error() const = 0;

  // What follows is no end in good order: TLS says nothing any more, and TCP resets the connection.
  virtual void break_off() {}
  // Closes and destroys.
  virtual void dispose() = 0;

 protected:
  [[nodiscard]] LinkOwner* owner() const { return owner_; }

 private:
  LinkOwner* owner_ = nullptr;
};

struct LinkDisposer {
  void operator()(Link* link) const { link->dispose(); }
};
using LinkPtr = std::unique_ptr<Link, LinkDisposer>;

}  // namespace kscpush::server
