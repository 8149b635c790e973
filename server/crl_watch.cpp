#include "server/crl_watch.hpp"

namespace kscpush::server {
namespace {

constexpr std::int64_t kWarnEvery = 24L * 3600;  // seconds

}  // namespace

std::optional<std::chrono::seconds> CrlWatch::left(WallTime now) const {
  const std::int64_t expires = expires_;
  if (expires == TlsTrust::kNever) return std::nullopt;
  return std::chrono::seconds(expires - unix_seconds(now));
}

void CrlWatch::tick(WallTime now) {
  const std::int64_t expires = expires_;
  if (expires != watched_) next_warning_ = watched_ = expires;
  if (expires == TlsTrust::kNever || unix_seconds(now) < next_warning_) return;
  next_warning_ = unix_seconds(now) + kWarnEvery;
  log_.warn(
      "the revocation list (push_server.tls.crl) is out of date since {}: it still applies, but "
      "what "
      "was revoked later is not known. Put the authority's newest list there and reload (SIGHUP); "
      "a "
      "restart would be refused without it",
      to_rfc3339(WallTime(std::chrono::seconds(expires))));
}

}  // namespace kscpush::server
