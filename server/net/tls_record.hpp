// The record protection of TLS 1.3 (RFC 8446, 5.2 and 7): the keys of one direction, sealing and
// opening with OpenSSL's AEADs, and the next generation of keys.
//
// The cipher contexts are one set a thread: an object of this holds keys and nothing else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace kscpush::server {

// The numbers of the cipher suites.
enum class TlsSuite : std::uint16_t {
  kAes128GcmSha256 = 0x1301,
  kAes256GcmSha384 = 0x1302,
  kChacha20Poly1305Sha256 = 0x1303,
};
[[nodiscard]] std::optional<TlsSuite> tls_suite(std::uint16_t number);

using Bytes = std::span<const std::uint8_t>;

inline constexpr std::size_t kTlsHeader = 5;
inline constexpr std::size_t kTlsTag = 16;
inline constexpr std::size_t kMostTlsPlain = 1U << 14U;                     // of a record
inline constexpr std::size_t kMostTlsCipher = kMostTlsPlain + 256;          // behind the header
inline constexpr std::size_t kMostTlsRecord = kTlsHeader + kMostTlsCipher;  // as it is sent
inline constexpr std::size_t kTlsOverhead = kTlsHeader + 1 + kTlsTag;       // of our records

// A traffic secret: as long as the suite's hash.
class TlsSecret {
 public:
  TlsSecret() = default;
  explicit TlsSecret(Bytes bytes);  // at most 48
  ~TlsSecret();
  TlsSecret(const TlsSecret&) = default;
  TlsSecret& operator=(const TlsSecret&) = default;
  [[nodiscard]] Bytes bytes() const { return {bytes_.data(), size_}; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

 private:
  std::array<std::uint8_t, 48> bytes_{};
  std::uint8_t size_ = 0;
};

// RFC 8446, 7.1, with an empty context. INTO: at most as long as the hash. False: OpenSSL failed.
[[nodiscard]] bool tls_expand_label(TlsSuite suite, Bytes secret, std::string_view label,
                                    std::span<std::uint8_t> into);

// One direction. Not to be copied about: it wipes itself, once.
class TlsKeys {
 public:
  TlsKeys() = default;
  ~TlsKeys();
  TlsKeys(const TlsKeys&) = delete;
  TlsKeys& operator=(const TlsKeys&) = delete;

  // SECRET: as long as the suite's hash. SEQUENCE: records so far. False: OpenSSL failed, or the
  // length is another.
  [[nodiscard]] bool set(TlsSuite suite, const TlsSecret& secret, std::uint64_t sequence);
  // The next generation (7.2), whose records count from 0.
  [[nodiscard]] bool update();

  [[nodiscard]] std::uint64_t sequence() const { return sequence_; }

  // RECORD: header and room for INNER bytes (content, its type, padding) which stand behind it, and
  // for the tag; in place. The header is filled in. False: OpenSSL failed, or the sequence numbers
  // are used up; nothing may be sent then.
  [[nodiscard]] bool seal(std::span<std::uint8_t> record);
  // RECORD: a whole one, header and all, at least kTlsHeader + kTlsTag long. In place: afterwards
  // what stands behind the header is the inner text, shorter by the tag. False: it is not of the
  // peer (bad_record_mac), or the sequence numbers are used up.
  [[nodiscard]] bool open(std::span<std::uint8_t> record);

 private:
  using Nonce = std::array<std::uint8_t, 12>;
  [[nodiscard]] bool derive();
  [[nodiscard]] Nonce nonce() const;

  TlsSecret secret_;
  std::array<std::uint8_t, 32> key_{};
  Nonce iv_{};
  TlsSuite suite_ = TlsSuite::kAes128GcmSha256;
  std::uint64_t sequence_ = 0;
};

}  // namespace kscpush::server
