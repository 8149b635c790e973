// Keys and certificates: the site's own certificate authority, server and device certificates.
//
// PEM in, PEM out; ECDSA P-256 with SHA-256. No files, no clock: the caller gives both. Private
// keys are in strings that wipe themselves.
#pragma once

#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"

namespace kscpush::pki {

struct KeyPair {
  std::string certificate;  // PEM
  Secret key;               // PEM, PKCS#8, unencrypted
};

// Validity counts from five minutes before NOW, for clocks that are slightly off.
[[nodiscard]] Result<KeyPair> create_authority(std::string_view common_name, WallTime now,
                                               std::chrono::days validity);
// Names that are IP addresses become IP entries of the SAN, the others DNS entries.
[[nodiscard]] Result<KeyPair> issue_server(const KeyPair& authority, std::string_view common_name,
                                           const std::vector<std::string>& names, WallTime now,
                                           std::chrono::days validity);
// CN = the device id, purpose TLS client.
[[nodiscard]] Result<KeyPair> issue_device(const KeyPair& authority, std::string_view device_id,
                                           WallTime now, std::chrono::days validity);

struct CertificateInfo {
  std::string subject;      // one line, RFC 2253
  std::string fingerprint;  // SHA-256 of the DER, lower-case hex
  WallTime not_before{};
  WallTime not_after{};
};
[[nodiscard]] Result<CertificateInfo> inspect(std::string_view certificate_pem);
// kInvalidConfig when the key is not the certificate's.
[[nodiscard]] Status check_key_fits(std::string_view certificate_pem, const Secret& key_pem);

// A bearer token: 32 random bytes in URL-safe base 64, and how it is stored (SHA-256, hex).
[[nodiscard]] Secret random_token();
[[nodiscard]] std::string sha256_hex(std::string_view data);

}  // namespace kscpush::pki
