#include "server/enrolment.hpp"

#include "core/file.hpp"

namespace kscpush::server {
namespace {

constexpr std::size_t kMaxPem = 64 * 1024;
constexpr std::chrono::days kDeviceValidity{825};

Result<pki::KeyPair> read_authority(const site::ServerPaths& paths) {
  auto certificate = read_file(paths.client_ca, kMaxPem);
  if (!certificate) return fail(certificate.error());
  auto key = read_file(paths.authority_key, kMaxPem);
  if (!key) {
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("devices cannot be enrolled here: {}", key.error().message),
                 fmt::format("the authority's key belongs beside its certificate, in {}; without "
                             "it, issue device certificates where the key is kept",
                             paths.authority_key.string())});
  }
  return pki::KeyPair{std::move(*certificate), Secret(std::move(*key))};
}

}  // namespace

Result<Enrolment> enroll(const Store& store, const site::ServerPaths& paths, const DeviceId& id,
                         const Clock& clock) {
  auto device = store.find_device(id);
  if (!device) return fail(device.error());
  if (!device->has_value()) {
    return fail({ErrorCode::kNotFound, fmt::format("no device '{}'", id.str()),
                 fmt::format("add it first: kscpush device add {}", id.str())});
  }
  if ((*device)->revoked) {
    return fail({ErrorCode::kDenied, fmt::format("device '{}' has been revoked", id.str()), ""});
  }
  auto authority = read_authority(paths);
  if (!authority) return fail(authority.error());
  auto issued = pki::issue_device(*authority, id.str(), clock.wall(), kDeviceValidity);
  if (!issued) return fail(issued.error());
  auto info = pki::inspect(issued->certificate);
  if (!info) return fail(info.error());
  return Enrolment{std::move(*issued), authority->certificate, info->fingerprint, info->not_after};
}

}  // namespace kscpush::server
