#include "cli/bench/site_devices.hpp"

#include <unordered_set>

#include "cli/app.hpp"
#include "cli/support/progress.hpp"
#include "core/file.hpp"
#include "core/pki.hpp"

namespace kscpush::cli::bench {
namespace {

constexpr std::size_t kMaxPem = 64 * 1024;
constexpr std::size_t kMaxToken = 4096;
constexpr std::chrono::days kValidity{7};  // a load test's certificates
constexpr std::size_t kRemovedAtOnce = 64;
constexpr Duration kRemovePatience = std::chrono::minutes(5);

}  // namespace

Result<AdminAccess> admin_access(const site::DistributionPoint& dp,
                                 const site::ServerPaths& paths) {
  auto token = read_file(paths.admin_token, kMaxToken);
  if (!token) {
    return fail({ErrorCode::kDenied,
                 fmt::format("the admin token cannot be read: {}", token.error().message),
                 "run the command as the user who runs the push server"});
  }
  token->resize(std::min(token->size(), token->find_first_of("\r\n")));
  const auto& listen = dp.push_server.admin.listen;
  auto target = resolve(listen.host, listen.port);
  if (!target) return fail(target.error());
  return AdminAccess{listen, std::move(*target), Secret(std::move(*token))};
}

Status SiteDevices::add(const std::vector<DeviceId>& ids, const std::string& group) {
  std::vector<server::NewDevice> devices;
  devices.reserve(ids.size());
  for (const DeviceId& id : ids) devices.push_back({id, group});
  const auto existing = registry_.existing(devices);
  if (!existing) return fail(existing.error());
  const std::unordered_set<std::string> known(existing->begin(), existing->end());
  std::erase_if(devices, [&](const auto& device) { return known.contains(device.id.str()); });
  if (!known.empty()) {
    print_note(fmt::format("{} of the devices are registered already and stay so", known.size()),
               context_);
  }
  if (devices.empty()) return {};
  Progress progress("devices registered", devices.size(), context_);
  const auto imported = registry_.import(devices, [&](std::size_t done) { progress.at(done); });
  if (!imported) return imported;
  for (const auto& device : devices) added_.push_back(device.id.str());
  return {};
}

Status SiteDevices::remove(Loop& loop, const AdminAccess& admin) const {
  std::size_t next = 0;
  std::size_t failures = 0;
  HttpClient client(loop, admin.target, admin.token, kRemovedAtOnce,
                    [&](std::uint64_t, int status, const std::string&) {
                      if (status != 200 && status != 404) ++failures;
                    });
  Progress progress("devices removed", added_.size(), context_);
  loop.run(
      [&] {
        while (next < added_.size() && client.has_room()) {
          if (next % 500 == 0) progress.at(next);
          client.request("DELETE", "/v1/devices/" + added_[next], "", next);
          ++next;
        }
        return next == added_.size() && client.idle();
      },
      loop.now() + kRemovePatience);
  failures += added_.size() - next;
  if (failures == 0) return {};
  return fail({ErrorCode::kPartial,
               fmt::format("{} devices of the load test are still registered", failures),
               "remove them: kscpush device remove ID..."});
}

Result<TlsIdentity> site_identity(const site::ServerPaths& paths, const std::vector<DeviceId>& ids,
                                  WallTime now) {
  auto certificate = read_file(paths.client_ca, kMaxPem);
  if (!certificate) return fail(certificate.error());
  auto key = read_file(paths.authority_key, kMaxPem);
  if (!key) {
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("devices cannot be enrolled here: {}", key.error().message),
                 "run the load test where the authority's key is, or without TLS: --plain"});
  }
  auto issued =
      pki::issue_devices({std::move(*certificate), Secret(std::move(*key))}, ids, now, kValidity);
  if (!issued) return fail(issued.error());
  return TlsIdentity{std::move(issued->key), "", std::move(issued->certificates)};
}

}  // namespace kscpush::cli::bench
