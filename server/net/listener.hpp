// Accepts connections for one shard on one address.
//
// Every shard listens on the same port (SO_REUSEPORT) and the kernel spreads the connections.
// Accepting stops while the shard has as many handshakes in flight as it may: the backlog is the
// queue, it does not grow in memory. Out of descriptors, it waits a moment and tries again.
// One thread: the shard's.
#pragma once

#include <functional>
#include <memory>

#include "core/descriptor.hpp"
#include "core/ids.hpp"
#include "core/result.hpp"
#include "server/net/loop.hpp"

namespace kscpush::server {

// Connections that the kernel keeps until they are accepted, at most; its somaxconn may be less.
inline constexpr int kListenBacklog = 4096;

struct ListenerActions {
  std::function<bool()> may_accept;
  std::function<void(Descriptor)> accepted;               // a socket that does not block
  std::function<void(const std::string& reason)> failed;  // accepting; it goes on by itself
};

class Listener final : private Watched {
 public:
  // Any thread. kConflict when the port is taken; kDenied when it may not be used.
  [[nodiscard]] static Result<std::unique_ptr<Listener>> open(Loop& loop, const std::string& host,
                                                              Port port, ListenerActions actions);
  // SOCKET listens already.
  [[nodiscard]] static std::unique_ptr<Listener> adopt(Loop& loop, Descriptor socket,
                                                       ListenerActions actions);
  ~Listener() { close(); }
  void start();
  // Accepts again if it had stopped and may.
  void resume();
  void close();

 private:
  Listener(Loop& loop, ListenerActions actions)
      : loop_(loop), retry_(loop), actions_(std::move(actions)) {}
  void on_events(std::uint32_t events) override;
  void watch(bool watched);

  Loop& loop_;
  Descriptor socket_;
  LoopTimer retry_;
  ListenerActions actions_;
  bool started_ = false;
  bool watched_ = false;
  bool resting_ = false;  // after a failure
};

// Fails (kConflict) if another process listens on the port. SO_REUSEPORT would let a second push
// server of the same user share it silently.
[[nodiscard]] Status check_port_free(const std::string& host, Port port);

}  // namespace kscpush::server
