#include "cli/doctor/finding.hpp"

#include <array>

namespace kscpush::cli {

std::string_view to_string(Finding::Level level) {
  constexpr std::array<std::string_view, 3> kNames{"ok", "warning", "error"};
  return kNames.at(static_cast<std::size_t>(level));
}

nlohmann::json to_json(const Findings& findings) {
  nlohmann::json list = nlohmann::json::array();
  for (const Finding& finding : findings) {
    list.push_back(
        {{"level", to_string(finding.level)},
         {"subject", finding.subject},
         {"what", finding.what},
         {"mend", finding.mend.empty() ? nlohmann::json() : nlohmann::json(finding.mend)}});
  }
  return list;
}

}  // namespace kscpush::cli
