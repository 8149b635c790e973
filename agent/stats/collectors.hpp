// Statistics of applications: what declared collectors print, or what their files hold.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "agent/services.hpp"

namespace kscpush::agent {

// Of one collector: {"name", "values": JSON}, {"name", "metrics": Prometheus text, parsed and
// written anew} or {"name", "error"}.
using Collected = std::function<void(nlohmann::json applications)>;

inline constexpr std::size_t kMostCollected = std::size_t{32} * 1024;  // bytes, of one, and of all

// All of them, at the same time, each within its timeout; those beyond the bound of all say so.
void collect(Services& services, Collected done);

// What one collector gave, as it is told.
[[nodiscard]] nlohmann::json read_collected(const CollectorDeclaration& collector,
                                            std::string_view text);

}  // namespace kscpush::agent
