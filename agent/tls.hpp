// TLS towards the push server: the one way to set it up, for all that a device, or an operator, has
// to say to it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <asio/ssl/context.hpp>

#include "core/result.hpp"

namespace kscpush::agent {

struct TlsFiles {
  std::filesystem::path authority;      // by which the server is known
  std::filesystem::path certificate{};  // empty: none is shown
  std::filesystem::path key{};
};

// What connections have in common: 1.2 and 1.3. Makes the process ignore SIGPIPE. kInvalidConfig: a
// file cannot be used.
[[nodiscard]] Status load_tls(asio::ssl::context& tls, const TlsFiles& files);
// The same with nothing to show. AUTHORITY, PEM: by what the server is known; empty: whoever
// answers will do. kFailed: it cannot be used.
[[nodiscard]] Status load_authority(asio::ssl::context& tls, const std::string& authority);

// Whom a connection is for, before its handshake: HOST, a name or an address, must be in the
// server's certificate wherever one is verified. PROTOCOL: offered by ALPN; empty: none.
void aim(SSL* connection, const std::string& host, std::string_view protocol = {});
// Why the server's certificate was refused, and what to do about it; empty: it was not. AUTHORITY:
// the file that decides.
[[nodiscard]] std::string why_refused(const SSL* connection,
                                      const std::filesystem::path& authority);
// What was agreed on by ALPN; empty: nothing.
[[nodiscard]] std::string_view protocol_of(const SSL* connection);

}  // namespace kscpush::agent
