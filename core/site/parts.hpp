// The parts of a site configuration, each read from its node. What is wrong is reported to the
// reader; what is returned then holds what could be read.
#pragma once

#include "core/site/model.hpp"
#include "core/site/reader.hpp"

namespace kscpush::site {

[[nodiscard]] AdministrationServer read_administration_server(Reader& reader,
                                                              const yaml::Node& node);
void read_group(Reader& reader, const yaml::Node& node, std::string_view what,
                std::vector<Group>& groups);
[[nodiscard]] DistributionPoint read_distribution_point(Reader& reader, const yaml::Node& node);
void read_push_server(Reader& reader, const yaml::Node& node, PushServer& server);

// Flattens the nested mappings: every leaf is a setting, its path the keys joined by dots. A list
// is one setting.
void read_settings(Reader& reader, const yaml::Node& node, std::vector<Setting>& settings);

}  // namespace kscpush::site
