#include "server/enrolment.hpp"

#include "core/file.hpp"

namespace kscpush::server {
namespace {

constexpr std::size_t kMaxPem = 64UL * 1024;
constexpr std::chrono::days kDeviceValidity{825};

Result<Enrolment> enrolment_of(pki::KeyPair device, std::string authority) {
  const auto info = pki::inspect(device.certificate);
  if (!info) return fail(info.error());
  return Enrolment{std::move(device), std::move(authority), info->fingerprint, info->not_after};
}

}  // namespace

Result<pki::KeyPair> read_authority(const site::ServerPaths& paths) {
  auto certificate = read_file(paths.client_ca, kMaxPem);
  if (!certificate) return fail(certificate.error());
  auto key = read_file(paths.authority_key, kMaxPem);
  if (!key) {
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("no certificates can be issued here: {}", key.error().message),
                 fmt::format("the authority's key belongs beside its certificate, in {}; without "
                             "it, issue certificates where the key is kept",
                             paths.authority_key.string())});
  }
  return pki::KeyPair{std::move(*certificate), Secret(std::move(*key))};
}

Result<Enrolment> enroll(const Store& store, const site::ServerPaths& paths, const DeviceId& id,
                         const Clock& clock) {
  auto device = store.find_device(id);
  if (!device) return fail(device.error());
  if (!device->has_value()) return fail(unknown_device(id));
  if ((*device)->revoked) {
    return fail({ErrorCode::kDenied, fmt::format("device '{}' has been revoked", id.str()), ""});
  }
  auto authority = read_authority(paths);
  if (!authority) return fail(authority.error());
  auto issued = pki::issue_device(*authority, id.str(), clock.wall(), kDeviceValidity);
  if (!issued) return fail(issued.error());
  return enrolment_of(std::move(*issued), std::move(authority->certificate));
}

Result<Enrolment> certify(const site::ServerPaths& paths, const DeviceId& id, std::string_view csr,
                          const Clock& clock) {
  auto authority = read_authority(paths);
  if (!authority) return fail(authority.error());
  auto issued = pki::certify_device(*authority, csr, id, clock.wall(), kDeviceValidity);
  if (!issued) return fail(issued.error());
  return enrolment_of({std::move(*issued), Secret()}, std::move(authority->certificate));
}

std::string hash_of(const Secret& secret) {
  return pki::sha256_hex(secret.str());
}

Result<std::string> authority_of_server(const site::ServerPaths& paths) {
  const auto certificate = read_file(paths.certificate, kMaxPem);
  if (!certificate) return fail(certificate.error());
  const auto authorities = read_file(paths.client_ca, kMaxPem);
  if (!authorities) return fail(authorities.error());
  auto issuer = pki::issuer_among(*certificate, *authorities);
  if (!issuer) return fail(issuer.error());
  if (issuer->has_value()) return std::move(**issuer);
  return fail({ErrorCode::kInvalidConfig,
               fmt::format("devices cannot be enrolled by token here: no authority in {} has "
                           "issued the server's certificate {}, so that a token cannot say by what "
                           "to know the server",
                           paths.client_ca.string(), paths.certificate.string()),
               "make a server certificate of that authority: kscpush dp renew-certificate; or hand "
               "the files over: kscpush device enroll ID --out DIR"});
}

Result<IssuedToken> issue_token(const site::ServerPaths& paths, const DeviceId& id,
                                std::chrono::seconds ttl, const Clock& clock) {
  if (ttl < kShortestToken || ttl > kLongestToken) {
    return fail_field("ttl", "a token lives from {}s to {}d ({} seconds)",
                      std::int64_t{kShortestToken.count()},
                      std::chrono::duration_cast<std::chrono::days>(kLongestToken).count(),
                      std::int64_t{kLongestToken.count()});
  }
  const auto authority = authority_of_server(paths);
  if (!authority) return fail(authority.error());
  const auto info = pki::inspect(*authority);
  if (!info) return fail(info.error());
  // What needs it later must be there, or the token promises in vain.
  if (const auto key = read_authority(paths); !key) return fail(key.error());
  EnrolmentToken token{pki::random_token(), info->fingerprint};
  std::string hash = hash_of(token.secret);
  return IssuedToken{std::move(token), NewToken{std::move(hash), id, clock.wall() + ttl}};
}

}  // namespace kscpush::server
