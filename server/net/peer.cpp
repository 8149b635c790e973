#include "server/net/peer.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <openssl/evp.h>

#include "core/ids.hpp"
#include "core/openssl.hpp"
#include "core/pki.hpp"

namespace kscpush::server {
namespace {

constexpr char kFormat = 2;  // of the encoded text: it, the count of intermediates, numbers, id
constexpr std::size_t kNumbers = 4;
constexpr std::size_t kHeader = 2 + kNumbers * 8;

void append(std::string& text, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) text += static_cast<char>(number >> shift & 0xFFU);
}

std::uint64_t read_number(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes.substr(0, 8))
    number = number << 8U | static_cast<unsigned char>(byte);
  return number;
}

std::unique_ptr<const std::vector<std::uint64_t>> kept(std::vector<std::uint64_t> hashes) {
  if (hashes.empty()) return nullptr;
  return std::make_unique<const std::vector<std::uint64_t>>(std::move(hashes));
}

std::uint64_t first_64(const std::array<unsigned char, EVP_MAX_MD_SIZE>& digest) {
  return read_number({reinterpret_cast<const char*>(digest.data()), 8});
}

std::uint64_t hash_in(const STACK_OF(X509) * chain, int at) {
  const int issuer = std::min(at + 1, sk_X509_num(chain) - 1);
  return certificate_hash(authority_hash(sk_X509_value(chain, issuer)),
                          X509_get0_serialNumber(sk_X509_value(chain, at)));
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
  peer.proof.not_after = openssl::seconds_of(X509_get0_notAfter(own));
  // No chain outlives one of its certificates.
  for (int i = 1; i <= last; ++i) {
    peer.proof.not_after = std::min(
        peer.proof.not_after, openssl::seconds_of(X509_get0_notAfter(sk_X509_value(chain, i))));
  }
  peer.proof.certificate = hash_in(chain, 0);
  std::vector<std::uint64_t> intermediates;
  for (int i = 1; i < last; ++i) intermediates.push_back(hash_in(chain, i));
  peer.proof.intermediates = kept(std::move(intermediates));
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
  text += static_cast<char>(proof.intermediates ? proof.intermediates->size() : 0);
  append(text, static_cast<std::uint64_t>(proved));
  append(text, static_cast<std::uint64_t>(proof.not_after));
  append(text, proof.certificate);
  append(text, proof.anchor);
  if (proof.intermediates) {
    for (const std::uint64_t hash : *proof.intermediates) append(text, hash);
  }
  return text + device_id;
}

std::optional<Peer> Peer::decode(std::string_view text) {
  if (text.size() <= kHeader || text[0] != kFormat) return std::nullopt;
  const auto number = [&](std::size_t index) { return read_number(text.substr(2 + index * 8)); };
  const auto count = static_cast<unsigned char>(text[1]);
  const std::size_t header = kHeader + std::size_t{8} * count;
  if (text.size() <= header || !DeviceId::parse(text.substr(header))) return std::nullopt;
  std::vector<std::uint64_t> intermediates;
  for (std::size_t i = 0; i < count; ++i) intermediates.push_back(number(kNumbers + i));
  Peer peer;
  peer.device_id = text.substr(header);
  peer.proved = static_cast<std::int64_t>(number(0));
  peer.proof = {static_cast<std::int64_t>(number(1)), number(2), number(3),
                kept(std::move(intermediates))};
  return peer;
}

}  // namespace kscpush::server
