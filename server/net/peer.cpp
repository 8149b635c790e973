#include "server/net/peer.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include <openssl/evp.h>

#include "core/ids.hpp"
#include "core/pki.hpp"

namespace kscpush::server {
namespace {

constexpr char kFormat = 1;  // of the encoded text
constexpr std::size_t kNumbers = 4;
constexpr std::size_t kHeader = 1 + kNumbers * 8;

void append(std::string& text, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) text += static_cast<char>(number >> shift & 0xFFU);
}

std::uint64_t read_number(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes.substr(0, 8))
    number = number << 8U | static_cast<unsigned char>(byte);
  return number;
}

std::uint64_t first_64(const std::array<unsigned char, EVP_MAX_MD_SIZE>& digest) {
  return read_number({reinterpret_cast<const char*>(digest.data()), 8});
}

// 0, the beginning of 1970, for what cannot be read: long over.
std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? ::timegm(&parts) : 0;
}

}  // namespace

std::uint64_t authority_hash(const X509* authority) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  X509_pubkey_digest(authority, EVP_sha256(), digest.data(), &size);
  return first_64(digest);
}

std::uint64_t certificate_hash(std::uint64_t issuer, const ASN1_INTEGER* serial) {
  std::string text;
  append(text, issuer);
  text += ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER ? '-' : '+';
  const unsigned char* const bytes = ASN1_STRING_get0_data(serial);
  text.append(bytes, bytes + ASN1_STRING_length(serial));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return first_64(digest);
}

Peer Peer::of(const STACK_OF(X509) * chain, std::int64_t now) {
  const X509* const own = sk_X509_value(chain, 0);
  const int last = sk_X509_num(chain) - 1;
  Peer peer;
  peer.proved = now;
  peer.proof.not_after = seconds_of(X509_get0_notAfter(own));
  // No chain outlives one of its certificates.
  for (int i = 1; i <= last; ++i) {
    peer.proof.not_after =
        std::min(peer.proof.not_after, seconds_of(X509_get0_notAfter(sk_X509_value(chain, i))));
  }
  const std::uint64_t issuer = authority_hash(sk_X509_value(chain, std::min(1, last)));
  peer.proof.certificate = certificate_hash(issuer, X509_get0_serialNumber(own));
  peer.proof.anchor = authority_hash(sk_X509_value(chain, last));
  auto id = pki::device_id_of(*own);
  if (id) {
    peer.device_id = id->str();
  } else {
    peer.refusal = id.error().message;
  }
  return peer;
}

std::string Peer::encode() const {
  if (device_id.empty()) return {};
  std::string text(1, kFormat);
  append(text, static_cast<std::uint64_t>(proved));
  append(text, static_cast<std::uint64_t>(proof.not_after));
  append(text, proof.certificate);
  append(text, proof.anchor);
  return text + device_id;
}

std::optional<Peer> Peer::decode(std::string_view text) {
  if (text.size() <= kHeader || text[0] != kFormat) return std::nullopt;
  const auto number = [&](std::size_t index) { return read_number(text.substr(1 + index * 8)); };
  if (!DeviceId::parse(text.substr(kHeader))) return std::nullopt;
  Peer peer;
  peer.device_id = text.substr(kHeader);
  peer.proved = static_cast<std::int64_t>(number(0));
  peer.proof = {static_cast<std::int64_t>(number(1)), number(2), number(3)};
  return peer;
}

}  // namespace kscpush::server
