// From a YAML document to the site model, with everything that is wrong with it.
#pragma once

#include "core/diagnostic.hpp"
#include "core/site/model.hpp"
#include "core/yaml/document.hpp"

namespace kscpush::site {

// Always gives a model; it is of use only if the diagnostics hold no error. Checked here: keys,
// types, ranges, names that must be unique, groups that must be declared, ports of one
// distribution point that collide, one active policy per group. Policy settings are checked in
// policy/, which knows them.
[[nodiscard]] Site load(const yaml::Document& document, Diagnostics& diagnostics);

}  // namespace kscpush::site
