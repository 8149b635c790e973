// Keys and certificates: the site's own certificate authority, server and device certificates.
//
// PEM in, PEM out; ECDSA P-256 with SHA-256. No files, no clock: the caller gives both. Private
// keys are in strings that wipe themselves.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/ids.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"

struct x509_st;  // OpenSSL's X509

namespace kscpush::pki {

// In front of the device id in a certificate's SAN.
inline constexpr std::string_view kDeviceUri = "urn:kscpush:device:";

struct KeyPair {
  std::string certificate;  // PEM
  Secret key;               // PEM, PKCS#8, unencrypted
};

// Validity counts from five minutes before NOW, for clocks that are slightly off, and ends with the
// authority's own at the latest. Serial numbers are 128 random bits.
//
// Errors of all of them: kUsage for names X.509 cannot hold and a validity that is not positive,
// kInvalidConfig for an AUTHORITY that is none, whose key is another's, or that has expired.

// A certificate authority that signs end certificates only (path length 0). COMMON_NAME: 1 to 64
// bytes of UTF-8.
[[nodiscard]] Result<KeyPair> create_authority(std::string_view common_name, WallTime now,
                                               std::chrono::days validity);
// Purpose TLS server. NAMES that are IP addresses become IP entries of the SAN, the others DNS
// entries ("*." in front is allowed); at least one. A common name longer than X.509's 64 bytes is
// left out, as nobody looks at it beside a SAN.
[[nodiscard]] Result<KeyPair> issue_server(const KeyPair& authority, std::string_view common_name,
                                           const std::vector<std::string>& names, WallTime now,
                                           std::chrono::days validity);
// Purpose TLS client. CN = the device id, and URI urn:kscpush:device:ID in the SAN; an id longer
// than X.509's 64 bytes for a CN is in the SAN only.
[[nodiscard]] Result<KeyPair> issue_device(const KeyPair& authority, std::string_view device_id,
                                           WallTime now, std::chrono::days validity);

// The same for many devices at once that all share one key: for load tests, which need thousands
// and no secrecy.
struct SharedKeyDevices {
  Secret key;                             // PEM, PKCS#8, unencrypted
  std::vector<std::string> certificates;  // DER, in the order of the ids
};
[[nodiscard]] Result<SharedKeyDevices> issue_devices(const KeyPair& authority,
                                                     const std::vector<DeviceId>& ids, WallTime now,
                                                     std::chrono::days validity);

// A certificate signing request (PKCS#10, PEM) and the key that it is for, which stays where it was
// made. It names nobody: who signs it knows whom it is for.
struct SigningRequest {
  std::string request;
  Secret key;  // PEM, PKCS#8, unencrypted
};
[[nodiscard]] Result<SigningRequest> create_request();
// The SHA-256 of its public key, hex, of a request that may be signed. kUsage: it is none, or its
// signature is not its own key's. kDenied: its key is weak, or of a kind that is not taken (taken
// are ECDSA P-256, P-384, P-521, RSA with 2048 to 4096 bits, Ed25519).
[[nodiscard]] Result<std::string> check_request(std::string_view request_pem);
// As issue_device(), for the key of a request; names in the request mean nothing. Errors are those
// of both.
[[nodiscard]] Result<std::string> certify_device(const KeyPair& authority,
                                                 std::string_view request_pem, const DeviceId& id,
                                                 WallTime now, std::chrono::days validity);

struct CertificateInfo {
  std::string subject;      // one line, RFC 2253
  std::string fingerprint;  // SHA-256 of the DER, lower-case hex
  WallTime not_before{};
  WallTime not_after{};
};
[[nodiscard]] Result<CertificateInfo> inspect(std::string_view certificate_pem);
[[nodiscard]] std::string fingerprint(const x509_st& certificate);

// When to renew a certificate: after two thirds of its life.
[[nodiscard]] WallTime renewal_due(const CertificateInfo& certificate);
// Whether a TLS client that connects to HOST, a DNS name or an IP address, finds it in the
// certificate.
[[nodiscard]] Result<bool> is_for_host(std::string_view certificate_pem, std::string_view host);
// The names of a server certificate, as issue_server() takes them.
[[nodiscard]] Result<std::vector<std::string>> server_names(std::string_view certificate_pem);
// The one of the authorities in the PEM text that has signed the certificate; nothing: none has.
[[nodiscard]] Result<std::optional<std::string>> issuer_among(std::string_view certificate_pem,
                                                              std::string_view authorities_pem);

// The device that the certificate is of: its one CN, or urn:kscpush:device:ID in its SAN. kDenied,
// with the reason, when it has neither, several that differ, or one that is not a device id. That a
// trusted authority issued it is for the TLS handshake to check.
[[nodiscard]] Result<DeviceId> device_id_of(const x509_st& certificate);
[[nodiscard]] Result<DeviceId> device_id_of(std::string_view certificate_pem);

// kInvalidConfig when the key is not the certificate's, or one of them cannot be read.
[[nodiscard]] Status check_key_fits(std::string_view certificate_pem, const Secret& key_pem);

// A bearer token: 32 random bytes in URL-safe base 64, and how it is stored (SHA-256, hex).
[[nodiscard]] Secret random_token();
[[nodiscard]] std::string sha256_hex(std::string_view data);

}  // namespace kscpush::pki
