#include "server/systemd.hpp"

#include <array>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

namespace kscpush::server::systemd {

void ready(const std::string& status) {
  sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

void reloading() {
  sd_notify(0, "RELOADING=1");
}

void stopping() {
  sd_notify(0, "STOPPING=1");
}

Result<PassedSockets> PassedSockets::take() {
  PassedSockets passed;
  const int count = sd_listen_fds(/*unset_environment=*/1);
  for (int i = 0; i < count; ++i) {
    Descriptor socket(SD_LISTEN_FDS_START + i);
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    const bool tcp =
        sd_is_socket_inet(socket.get(), AF_UNSPEC, SOCK_STREAM, /*listening=*/1, 0) > 0 &&
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &size) == 0;
    if (!tcp || ::fcntl(socket.get(), F_SETFL, O_NONBLOCK) != 0) {
      return fail({ErrorCode::kInvalidConfig,
                   fmt::format("the socket unit passes a socket ({}) that is no listening TCP "
                               "socket",
                               i + 1),
                   "use ListenStream=ADDRESS:PORT in the socket unit"});
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    const bool v4 = storage.ss_family == AF_INET;
    const auto& in4 = reinterpret_cast<const sockaddr_in&>(storage);
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(storage);
    ::inet_ntop(storage.ss_family, v4 ? static_cast<const void*>(&in4.sin_addr) : &in6.sin6_addr,
                text.data(), text.size());
    passed.sockets_.push_back(
        {text.data(), ntohs(v4 ? in4.sin_port : in6.sin6_port), std::move(socket)});
  }
  return passed;
}

std::optional<Descriptor> PassedSockets::find(const site::ListenAddress& address) const {
  for (const Passed& passed : sockets_) {
    // systemd's own way to listen everywhere is "::", which takes IPv4 too.
    const bool everywhere = passed.host == "::" && address.host == "0.0.0.0";
    if (passed.port != address.port.value()) continue;
    if (passed.host != address.host && !everywhere) continue;
    return Descriptor(::fcntl(passed.socket.get(), F_DUPFD_CLOEXEC, 0));
  }
  return std::nullopt;
}

}  // namespace kscpush::server::systemd
