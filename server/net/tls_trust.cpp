#include "server/net/tls_trust.hpp"

#include <algorithm>

#include <openssl/pem.h>

#include "core/file.hpp"
#include "core/openssl.hpp"

namespace kscpush::server {
namespace {

using openssl::Certificate;
using RevocationList = std::unique_ptr<X509_CRL, openssl::Freed<X509_CRL_free>>;

constexpr std::size_t kMaxAuthorities = 4UL * 1024 * 1024;  // bytes of the files
constexpr std::size_t kMaxCrl = 64UL * 1024 * 1024;         // about a million revoked certificates

tl::unexpected<Error> ca_error(const std::string& path, std::string_view why) {
  return fail(
      {ErrorCode::kInvalidConfig,
       fmt::format("the certificate authority of the devices, {}, cannot be used: {}", path, why),
       "put it there, or set push_server.tls.client_ca to its PEM file"});
}

tl::unexpected<Error> crl_error(const std::string& path, std::string_view why,
                                std::string hint = "") {
  if (hint.empty()) {
    hint = "put the authority's complete list there as PEM, or take push_server.tls.crl out";
  }
  return fail({ErrorCode::kInvalidConfig,
               fmt::format("the revocation list {} cannot be used: {}", path, why),
               std::move(hint)});
}

openssl::Bio reader(const std::string& text) {
  return openssl::Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The end of a PEM text is an error of its own in OpenSSL.
bool at_end_of_pem() {
  const unsigned long code = ERR_peek_last_error();
  const bool end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  if (end) ERR_clear_error();
  return end;
}

Result<std::vector<Certificate>> read_authorities(const std::string& path) {
  const auto text = read_file(path, kMaxAuthorities);
  if (!text) return ca_error(path, text.error().message);
  const auto bio = reader(*text);
  std::vector<Certificate> all;
  while (Certificate next{PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr)}) {
    all.push_back(std::move(next));
  }
  if (!at_end_of_pem()) return ca_error(path, openssl::last_reason());
  if (all.empty()) return ca_error(path, "there is no certificate in it");
  return all;
}

Result<std::vector<RevocationList>> read_lists(const std::string& path) {
  const auto text = read_file(path, kMaxCrl);
  if (!text) return crl_error(path, text.error().message);
  const auto bio = reader(*text);
  std::vector<RevocationList> all;
  while (RevocationList next{PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr)}) {
    all.push_back(std::move(next));
  }
  if (!at_end_of_pem()) return crl_error(path, openssl::last_reason());
  if (all.empty()) {
    return crl_error(path, "there is no list in it",
                     fmt::format("a list in DER becomes PEM with: openssl crl -inform DER -in {} "
                                 "-out NEW",
                                 path));
  }
  return all;
}

const X509* issuer_of(X509_CRL* list, const std::vector<Certificate>& authorities) {
  for (const Certificate& authority : authorities) {
    if (X509_NAME_cmp(X509_get_subject_name(authority.get()), X509_CRL_get_issuer(list)) != 0) {
      continue;
    }
    if ((X509_get_key_usage(authority.get()) & KU_CRL_SIGN) == 0) continue;
    if (X509_CRL_verify(list, X509_get0_pubkey(authority.get())) == 1) return authority.get();
  }
  ERR_clear_error();
  return nullptr;
}

Status add_list(X509_CRL* list, const std::string& path,
                const std::vector<Certificate>& authorities, std::int64_t now,
                std::vector<std::uint64_t>& revoked, std::int64_t& expires) {
  const X509* const issuer = issuer_of(list, authorities);
  if (issuer == nullptr) {
    return crl_error(path, "none of the authorities in push_server.tls.client_ca has signed it");
  }
  std::time_t at = now;
  if (X509_cmp_time(X509_CRL_get0_lastUpdate(list), &at) > 0) {
    return crl_error(path, "it is not valid yet", "check the clock of this machine");
  }
  const ASN1_TIME* const next = X509_CRL_get0_nextUpdate(list);
  if (next != nullptr && X509_cmp_time(next, &at) < 0) {
    return crl_error(path, "it is out of date: the time of its next update has passed",
                     "put the authority's newest list there");
  }
  if (next != nullptr) expires = std::min(expires, openssl::seconds_of(next));
  // Such as of a part (issuing distribution point), or a delta: its entries mean something else.
  if (X509_CRL_get_ext_by_critical(list, 1, -1) >= 0) {
    return crl_error(path, "it has a critical extension, as a delta or a list of a part has");
  }
  const std::uint64_t authority = authority_hash(issuer);
  STACK_OF(X509_REVOKED)* const entries = X509_CRL_get_REVOKED(list);
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
    const X509_REVOKED* const entry = sk_X509_REVOKED_value(entries, i);
    if (X509_REVOKED_get_ext_by_critical(entry, 1, -1) >= 0) {
      return crl_error(path, "an entry has a critical extension, as those of other issuers have");
    }
    revoked.push_back(certificate_hash(authority, X509_REVOKED_get0_serialNumber(entry)));
  }
  return {};
}

void sort_out(std::vector<std::uint64_t>& hashes) {
  std::ranges::sort(hashes);
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  hashes.shrink_to_fit();
}

}  // namespace

Result<std::shared_ptr<const TlsTrust>> TlsTrust::load(const std::string& client_ca,
                                                       const std::string& crl, std::int64_t now) {
  ERR_clear_error();
  const auto authorities = read_authorities(client_ca);
  if (!authorities) return fail(authorities.error());
  auto trust = std::make_shared<TlsTrust>();
  for (const Certificate& authority : *authorities) {
    trust->authorities_.push_back(authority_hash(authority.get()));
  }
  sort_out(trust->authorities_);
  if (crl.empty()) return trust;
  const auto lists = read_lists(crl);
  if (!lists) return fail(lists.error());
  for (const RevocationList& list : *lists) {
    auto added = add_list(list.get(), crl, *authorities, now, trust->revoked_, trust->expires_);
    if (!added) return fail(added.error());
  }
  sort_out(trust->revoked_);
  return trust;
}

bool TlsTrust::revoked(std::uint64_t certificate) const {
  return std::ranges::binary_search(revoked_, certificate);
}

std::string_view TlsTrust::objection(const PeerProof& proof, std::int64_t now) const {
  if (now > proof.not_after) return "its certificate has expired";
  if (revoked(proof.certificate)) return "its certificate has been revoked";
  if (proof.intermediates) {
    for (const std::uint64_t authority : *proof.intermediates) {
      if (revoked(authority)) return "an authority of its certificate has been revoked";
    }
  }
  if (!std::ranges::binary_search(authorities_, proof.anchor)) {
    return "the authority of its certificate is not trusted any more";
  }
  return {};
}

}  // namespace kscpush::server
