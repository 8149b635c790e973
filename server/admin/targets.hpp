// Which devices a request means.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/ids.hpp"
#include "core/result.hpp"
#include "core/site/model.hpp"
#include "policy/condition.hpp"
#include "server/store/store.hpp"

namespace kscpush::server {

// One of: devices by their ids; a group with its subgroups; a condition, as profiles have them;
// all. All but the first mean those that are in the registry then, in the scope of the distribution
// point, and not revoked.
struct Targets {
  static constexpr std::size_t kMostListed = 10'000;
  // The fields of a request's body that say it.
  static const std::vector<std::string>& fields();

  std::vector<DeviceId> devices{};
  std::string group{};
  std::optional<policy::Condition> select{};
  nlohmann::json as_asked{};  // the one field, for people

  [[nodiscard]] bool listed() const { return !devices.empty(); }
};

// kUsage: none, several, or one that makes no sense. kNotFound: no such group.
[[nodiscard]] Result<Targets> read_targets(const nlohmann::json& body, const site::Site& site);
// Takes long for a large registry. kTooLarge: more than MOST.
[[nodiscard]] Result<std::vector<DeviceId>> resolve(const Targets& targets, const Store& store,
                                                    const site::DistributionPoint& dp,
                                                    std::size_t most);

}  // namespace kscpush::server
