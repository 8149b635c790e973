// The device's side of an enrolment: a key of its own, and a certificate for it from the push
// server. Each call waits, for a bounded time; for a thread that may.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/credentials.hpp"
#include "agent/endpoint.hpp"
#include "core/enrolment.hpp"

namespace kscpush::agent {

inline constexpr std::chrono::seconds kEnrolmentDeadline{20};  // of one connection

struct Enrolled {
  DeviceId device;
  std::string certificate;  // PEM
  Secret key;               // PEM
  std::string authority;    // PEM; by what the device knows its servers
  std::vector<std::string> servers;
};

// Between two attempts; waits.
using Pause = std::function<void(std::chrono::milliseconds)>;
void pause_for(std::chrono::milliseconds time);

// With a token, on a device that has nothing else. DEVICE: the token must be this one's. The token
// is sent to no one but the server that it is of. kUnreachable, kNoAnswer; kDenied: the server is
// another one, or refuses the token. Who is not there, or has too much to do, is asked up to three
// times.
[[nodiscard]] Result<Enrolled> enroll(const Endpoint& server, const EnrolmentToken& token,
                                      const std::optional<DeviceId>& device,
                                      const Pause& pause = pause_for);

// With the certificate in FILES, at the first of SERVERS that gives a new one. The new key is
// prepared in FILES before anybody is asked; complete() is the caller's. STOP: it ends at once.
[[nodiscard]] Result<Enrolled> renew(const std::vector<Endpoint>& servers,
                                     const CredentialFiles& files, const std::stop_token& stop);

}  // namespace kscpush::agent
