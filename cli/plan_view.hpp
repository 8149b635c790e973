// What changes between two configurations, as lines for people.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace kscpush::cli {

// PLAN: as the admin API gives it (server/admin/site_json.hpp). Empty when nothing changes.
[[nodiscard]] std::vector<std::string> plan_lines(const nlohmann::json& plan);

// "3 devices"; with "1 device".
[[nodiscard]] std::string count_devices(std::uint64_t count);

}  // namespace kscpush::cli
