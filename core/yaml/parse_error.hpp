// From yaml-cpp's exceptions to errors that say what to do.
#pragma once

#include <string_view>

#include <yaml-cpp/exceptions.h>

#include "core/yaml/document.hpp"

namespace kscpush::yaml {

// "NAME:LINE:COLUMN: what".
[[nodiscard]] Error to_error(const Mark& mark, std::string_view what, std::string_view hint,
                             std::string_view name);
// OPEN_FLOW: the bracket that was open then, or nullptr.
[[nodiscard]] Error explain(const YAML::Exception& error, const Node* open_flow,
                            std::string_view text, std::string_view name);

}  // namespace kscpush::yaml
