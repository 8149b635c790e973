// What systemd and the push server tell each other. Without systemd nothing here does anything.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/descriptor.hpp"
#include "core/result.hpp"
#include "core/site/model.hpp"

namespace kscpush::server::systemd {

// sd_notify(3): "READY=1", "RELOADING=1", "STOPPING=1", with a line for `systemctl status`.
void ready(const std::string& status);
void reloading();
void stopping();

// Sockets that were passed at the start (sd_listen_fds(3), socket activation). Taken once; they
// listen already, so that no connection is refused while the service starts again.
class PassedSockets {
 public:
  // kInvalidConfig: what was passed is no listening TCP socket.
  [[nodiscard]] static Result<PassedSockets> take();
  // Another descriptor of the passed socket that listens on ADDRESS; nothing when there is none.
  [[nodiscard]] std::optional<Descriptor> find(const site::ListenAddress& address) const;
  [[nodiscard]] bool empty() const { return sockets_.empty(); }

 private:
  struct Passed {
    std::string host;
    std::uint16_t port;
    Descriptor socket;
  };
  std::vector<Passed> sockets_;
};

}  // namespace kscpush::server::systemd
