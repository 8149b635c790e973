// TLS towards the push server, with the files of a device.
#pragma once

#include <filesystem>

#include <asio/ssl/context.hpp>

#include "core/result.hpp"

namespace kscpush::agent {

struct TlsFiles {
  std::filesystem::path authority;      // by which the server is known
  std::filesystem::path certificate{};  // empty: none is shown
  std::filesystem::path key{};
};

// 1.2 and 1.3; who is at the other end is the caller's to check. Makes the process ignore SIGPIPE.
// kInvalidConfig: a file cannot be used.
[[nodiscard]] Status load_tls(asio::ssl::context& tls, const TlsFiles& files);

}  // namespace kscpush::agent
