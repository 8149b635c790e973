// The client's end of a parked connection, by hand: any record, well formed or not.
#pragma once

#include <string>
#include <string_view>

#include "server/net/tls_parked.hpp"

namespace kscpush::test {

// "17 03 03" as bytes; blanks are left out.
[[nodiscard]] std::string from_hex(std::string_view text);
[[nodiscard]] server::Bytes bytes_of(std::string_view text);

inline constexpr char kAlertType = 21;
inline constexpr char kHandshakeType = 22;
inline constexpr char kDataType = 23;
inline constexpr std::string_view kUpdateNotRequested("\x18\0\0\1\0", 5);
inline constexpr std::string_view kUpdateRequested("\x18\0\0\1\1", 5);

// Secrets that nobody else has: the client's and the server's.
[[nodiscard]] server::TlsTraffic test_traffic(
    server::TlsSuite suite = server::TlsSuite::kAes128GcmSha256);

class RecordClient {
 public:
  explicit RecordClient(const server::TlsTraffic& traffic);

  // One record with CONTENT of TYPE and so much padding.
  [[nodiscard]] std::string record(char type, std::string_view content, std::size_t padding = 0);
  [[nodiscard]] std::string data(std::string_view content) { return record(kDataType, content); }
  // INNER as it is: content, type, padding, or nothing of these.
  [[nodiscard]] std::string raw(std::string_view inner);
  // What the server has sent, each record as "data:text", "handshake:hex", "alert:hex".
  [[nodiscard]] std::string read(std::string_view records);

  server::TlsKeys sending;
  server::TlsKeys receiving;
};

}  // namespace kscpush::test
