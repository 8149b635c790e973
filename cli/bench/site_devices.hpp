// The devices of a load test on a kscpush site: registered for it, enrolled, and removed again.
#pragma once

#include "cli/bench/http_client.hpp"
#include "cli/bench/tls_client.hpp"
#include "cli/context.hpp"
#include "cli/device/registry.hpp"

namespace kscpush::cli::bench {

// The admin API of a push server.
struct AdminAccess {
  site::ListenAddress listen;
  Target target;  // the same, resolved
  Secret token;
};
[[nodiscard]] Result<AdminAccess> admin_access(const site::DistributionPoint& dp,
                                               const site::ServerPaths& paths);

class SiteDevices {
 public:
  SiteDevices(Registry registry, const Context& context)
      : registry_(std::move(registry)), context_(context) {}

  // Registers those of IDS that are not, in GROUP, by the admin API or on the state directory.
  [[nodiscard]] Status add(const std::vector<DeviceId>& ids, const std::string& group);
  // Removes those that add() registered, 64 at a time; how many could not be is the error.
  [[nodiscard]] Status remove(Loop& loop, const AdminAccess& admin) const;

 private:
  Registry registry_;
  const Context& context_;
  std::vector<std::string> added_;
};

// Certificates of the site's own authority, all of one key. kInvalidConfig: its key is not here.
[[nodiscard]] Result<TlsIdentity> site_identity(const site::ServerPaths& paths,
                                                const std::vector<DeviceId>& ids, WallTime now);

}  // namespace kscpush::cli::bench
