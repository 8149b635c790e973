// What an agent and a push server say to each other when a device is given its certificate, or a
// new one: one line of JSON there, one back, over TLS with ALPN kEnrollProtocol.
//
//   {"v":1,"do":"authority"}
//     {"v":1,"authority":"PEM"}
//   {"v":1,"do":"enrol","token":"SECRET","csr":"PEM"}     also "device":"ID"
//   {"v":1,"do":"renew","csr":"PEM"}                      with the device's certificate
//     {"v":1,"device":"ID","certificate":"PEM","authority":"PEM","servers":["HOST:PORT"]}
//   any: {"v":1,"error":{"code","message","hint"}}
//
// Why two steps, and what the token holds: docs/decisions/0011-enrolment.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"

namespace kscpush {

// What an administrator hands to a device: "kscpush1.SECRET.HASH".
struct EnrolmentToken {
  Secret secret;          // pki::random_token()
  std::string authority;  // SHA-256 of the certificate of the server's authority, hex
};
[[nodiscard]] Secret to_text(const EnrolmentToken& token);
// kUsage: it is none.
[[nodiscard]] Result<EnrolmentToken> parse_token(std::string_view text);

inline constexpr std::size_t kLongestEnrolmentLine = std::size_t{16} * 1024;  // of a request
inline constexpr std::size_t kLongestEnrolmentAnswer = std::size_t{128} * 1024;

struct EnrolmentRequest {
  enum class What : std::uint8_t { kAuthority, kEnrol, kRenew };
  What what = What::kAuthority;
  Secret secret{};                   // kEnrol: of the token
  std::optional<DeviceId> device{};  // kEnrol: the token must be this one's
  std::string csr{};                 // PEM; not yet looked at
};
[[nodiscard]] Secret encode(const EnrolmentRequest& request);  // without the line's end
// kUsage.
[[nodiscard]] Result<EnrolmentRequest> decode_enrolment_request(std::string_view line);

struct EnrolmentAnswer {
  std::string authority;             // PEM; several are possible
  std::optional<DeviceId> device{};  // this and the following: not of kAuthority
  std::string certificate{};
  std::vector<std::string> servers{};  // HOST:PORT, in the order in which to try them
};
[[nodiscard]] std::string encode(const EnrolmentAnswer& answer);
[[nodiscard]] std::string encode_enrolment_error(const Error& error);
// The server's own error, or kFailed: what came is no answer.
[[nodiscard]] Result<EnrolmentAnswer> decode_enrolment_answer(std::string_view line);

}  // namespace kscpush
