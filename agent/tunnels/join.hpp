// A side of a tunnel comes to the push server: TCP, TLS with its own protocol, the token, and what
// the server says to it. docs/device-protocol.md has the bytes.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <asio/ssl/context.hpp>

#include "agent/endpoint.hpp"
#include "agent/tunnels/stream.hpp"
#include "core/result.hpp"

namespace kscpush::agent {

// How long each step of the way to a tunnel may take: the target, the server.
inline constexpr std::chrono::seconds kJoinWithin{12};

// Ends it at once with an error; nothing happens when it is over already. On the loop.
using Cancel = std::function<void()>;

// DONE is called once, on the loop and not from here. kUnreachable, kNoAnswer, and what the server
// says.
using Joined = std::function<void(Result<std::unique_ptr<Stream>>)>;
Cancel join_tunnel(asio::io_context& loop, const Endpoint& server,
                   std::shared_ptr<asio::ssl::context> tls, std::string token, Joined done);

// A plain connection, with the same deadline. kUnreachable, kNoAnswer.
using Connected = std::function<void(Result<Descriptor>)>;
Cancel connect_tcp(asio::io_context& loop, const Endpoint& target, Connected done);

}  // namespace kscpush::agent
