// Groups named on the command line.
#pragma once

#include <string>

#include "core/result.hpp"
#include "core/site/model.hpp"

namespace kscpush::cli {

// kNotFound, with a "did you mean" and the list, when the site does not declare the group.
[[nodiscard]] Status require_group(const site::Site& site, const std::string& group);

// "move them: ...", all devices of the group.
[[nodiscard]] std::string how_to_move(const std::string& group);

}  // namespace kscpush::cli
