// Who may do what on the admin API: bearer tokens with roles.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "core/site/paths.hpp"

namespace kscpush::server {

// Each may all that those before it may.
enum class Role : std::uint8_t { kNobody, kViewer, kOperator, kAdmin };
[[nodiscard]] std::string_view to_string(Role role);

// Constant after construction. Holds hashes, never the tokens.
class Authenticator {
 public:
  // Reads the token files. kInvalidConfig: the admin token is missing or too short, or a token file
  // is readable by others.
  [[nodiscard]] static Result<Authenticator> load(const site::ServerPaths& paths);
  // Of an Authorization header; kNobody for none, another scheme, or an unknown token.
  [[nodiscard]] Role role_of(std::string_view authorization) const;

 private:
  struct Token {
    Role role;
    std::string hash;
  };
  std::vector<Token> tokens_;
};

}  // namespace kscpush::server
