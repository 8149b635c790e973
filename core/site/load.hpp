// From the YAML files of a site to its model, with everything that is wrong with it.
#pragma once

#include "core/diagnostic.hpp"
#include "core/site/model.hpp"
#include "core/site/sources.hpp"
#include "core/yaml/document.hpp"

namespace kscpush::site {

// Always gives a model; it is of use only if the diagnostics hold no error. Checked here: keys,
// types, ranges, names that must be unique, groups that must be declared, ports of one
// distribution point that collide, one active policy per group. Policy settings are checked in
// policy/, which knows them. What the sources found is among the diagnostics; when a file is
// missing, rules between the parts are not checked.
[[nodiscard]] Site load(const Sources& sources, Diagnostics& diagnostics);
// Of a single file, one that includes nothing.
[[nodiscard]] Site load(const yaml::Document& document, Diagnostics& diagnostics);

}  // namespace kscpush::site
