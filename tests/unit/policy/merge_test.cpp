#include "policy/merge.hpp"

#include <doctest/doctest.h>

namespace kscpush::policy {

TEST_CASE("merge: open values, over them local ones, over these locked ones") {
  const PolicyValues policy{{"open", {"policy", false}},
                            {"open.local", {"policy", false}},
                            {"locked", {"policy", true}},
                            {"locked.local", {"policy", true}}};
  const ReportedSettings local{
      {"open.local", "device"}, {"locked.local", "device"}, {"only.local", "device"}};
  CHECK(merge(policy, local) == std::map<std::string, std::string>{{"open", "policy"},
                                                                   {"open.local", "device"},
                                                                   {"locked", "policy"},
                                                                   {"locked.local", "policy"},
                                                                   {"only.local", "device"}});
  CHECK(merge({}, {}).empty());
}

TEST_CASE("merge: a device is told every setting, with its lock") {
  site::Site site;
  site::Setting setting;
  setting.path = kForceViaDp;
  setting.value = "true";
  setting.locked = true;
  site::Policy own;
  own.name = "Network Agent";
  own.group = "Managed devices";
  own.settings.push_back(setting);
  site.policies.push_back(own);
  Resolver resolver(site);
  const auto values = values_of(*resolver.resolve({.id = "pc-1", .group = "Managed devices"}));
  CHECK(values.size() == settings().size());
  CHECK(values.at(std::string(kForceViaDp)) == PolicyValue{"true", true});
  CHECK(values.at("connectivity.schedule.synchronization_interval") == PolicyValue{"15", false});
}

}  // namespace kscpush::policy
