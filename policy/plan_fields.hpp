// The parts of a configuration as fields that can be compared one by one; for policy/plan.cpp.
#pragma once

#include <string>
#include <vector>

#include "core/site/model.hpp"

namespace kscpush::policy {

// Of two lists, fields of the same label are the same field. What is in one list only has been
// added or removed: members of sets ("scope group 'A'"), settings.
struct Field {
  std::string label;
  std::string value;  // as shown; empty for members of sets
  Origin origin{};
};

// The defaults included, so that a field is missing only where something is missing.
[[nodiscard]] std::vector<Field> fields(const site::Site& site);  // of the Administration Server
[[nodiscard]] std::vector<Field> fields(const site::DistributionPoint& dp);
[[nodiscard]] std::vector<Field> fields(const site::Policy& policy);  // profiles apart
[[nodiscard]] std::vector<Field> fields(const site::Profile& profile);

}  // namespace kscpush::policy
