// The registry of a distribution point's push server: by its admin API while it runs, else on its
// state directory. The commands see no difference.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/support/site_file.hpp"
#include "core/ids.hpp"

namespace kscpush::cli {

class Registry {
 public:
  // For the distribution point named, or the only one.
  [[nodiscard]] static Result<Registry> open(const std::string& dp, const Context& context);

  // Shapes: server/admin/json.hpp; enroll(): {"certificate", "key", "authority", "not_after"}.
  [[nodiscard]] Result<nlohmann::json> add(const DeviceId& id, const std::string& group) const;
  [[nodiscard]] Result<nlohmann::json> list() const;
  [[nodiscard]] Result<nlohmann::json> show(const DeviceId& id) const;
  [[nodiscard]] Result<nlohmann::json> enroll(const DeviceId& id) const;

 private:
  Registry(SiteFile file, std::string dp, const Clock& clock)
      : file_(std::move(file)), dp_(std::move(dp)), clock_(clock) {}
  [[nodiscard]] const site::DistributionPoint& dp() const;
  // BY_API, and when no server answers BY_STORE.
  template <class ByApi, class ByStore>
  [[nodiscard]] Result<nlohmann::json> either(ByApi by_api, ByStore by_store) const;

  SiteFile file_;
  std::string dp_;
  const Clock& clock_;
};

}  // namespace kscpush::cli
