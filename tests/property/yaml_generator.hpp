// Random YAML: a model and a text that says the same, in any style that people write.
#pragma once

#include <string>

#include "tests/property/yaml_model.hpp"

namespace kscpush::yaml {

// Every comment in the text is "#~N~" with a number of its own, and no value has "#~" in it.
struct Sample {
  Model model;
  std::string text;
  int comments = 0;
};

[[nodiscard]] Sample generate(Random& random);

}  // namespace kscpush::yaml
