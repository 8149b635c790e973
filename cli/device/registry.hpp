// The registry of a distribution point's push server: by its admin API while it runs, else on its
// state directory. The commands see no difference.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/support/site_file.hpp"
#include "core/ids.hpp"
#include "server/store/device_record.hpp"

namespace kscpush::cli {

class Registry {
 public:
  // Of the distribution point named, or the only one.
  [[nodiscard]] static Result<Registry> open(const SiteFile& file, const std::string& dp,
                                             const Context& context);
  // Of the one named, else of every distribution point whose push server is on, else of the only
  // one there is.
  [[nodiscard]] static Result<std::vector<Registry>> candidates(const SiteFile& file,
                                                                const std::string& dp,
                                                                const Context& context);

  // Shapes: server/admin/json.hpp; enroll(): {"certificate", "key", "authority", "not_after"}.
  [[nodiscard]] Result<nlohmann::json> add(const server::NewDevice& device) const;
  [[nodiscard]] Result<nlohmann::json> show(const DeviceId& id) const;
  // SYNC: a server that runs tells the device to synchronize if it is concerned ("sync").
  [[nodiscard]] Result<nlohmann::json> change(const DeviceId& id,
                                              const server::DeviceChange& change, bool sync) const;
  [[nodiscard]] Status remove(const DeviceId& id) const;
  [[nodiscard]] Result<nlohmann::json> enroll(const DeviceId& id) const;
  // {"id", "token", "expires"}
  [[nodiscard]] Result<nlohmann::json> issue_token(const DeviceId& id,
                                                   std::chrono::seconds ttl) const;

  // Calls PAGE with a list of devices at a time, in order of id: a fleet need not fit into memory.
  using Page = std::function<void(const nlohmann::json& devices)>;
  [[nodiscard]] Status list(const server::DeviceFilter& filter, const Page& page) const;
  [[nodiscard]] Result<server::DeviceCounts> counts() const;

  // Those of DEVICES that are registered already.
  [[nodiscard]] Result<std::vector<std::string>> existing(
      const std::vector<server::NewDevice>& devices) const;
  // All of them at once without a server. Through one in parts, each of which is added whole or
  // not at all; kPartial says how many were when one is refused.
  using Progress = std::function<void(std::size_t done)>;
  [[nodiscard]] Status import(const std::vector<server::NewDevice>& devices,
                              const Progress& progress) const;

  // A server that may run, or a state directory: what asks by the way asks first, so that it makes
  // none.
  [[nodiscard]] bool may_exist() const;

 private:
  Registry(site::DistributionPoint dp, std::filesystem::path folder, const Clock& clock)
      : dp_(std::move(dp)), folder_(std::move(folder)), clock_(clock) {}
  [[nodiscard]] site::ServerPaths paths() const { return site::server_paths(dp_, folder_); }
  // BY_API, and when no server answers BY_STORE.
  template <class Value, class ByApi, class ByStore>
  [[nodiscard]] Result<Value> either(ByApi by_api, ByStore by_store) const;

  site::DistributionPoint dp_;
  std::filesystem::path folder_;
  const Clock& clock_;
};

// How many devices each group has, where a registry can be asked without a fuss; nothing otherwise.
// Of several push servers the one that knows most of a group counts: devices are registered with
// their spares too.
[[nodiscard]] std::optional<server::DeviceCounts> known_counts(const SiteFile& file,
                                                               const std::string& dp,
                                                               const Context& context);

}  // namespace kscpush::cli
