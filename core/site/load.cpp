#include "core/site/load.hpp"

#include "core/site/check.hpp"
#include "core/site/parts.hpp"
#include "core/site/reader.hpp"

namespace kscpush::site {
namespace {

using yaml::Node;

PolicyStatus read_status(Reader& reader, const Node& node) {
  std::string text;
  reader.read(node, "status", text);
  for (const auto status :
       {PolicyStatus::kActive, PolicyStatus::kInactive, PolicyStatus::kOutOfOffice}) {
    if (text == to_string(status)) return status;
  }
  reader.error(node, fmt::format("status must be active, inactive or out_of_office, not '{}'",
                                 text.substr(0, 80)));
  return PolicyStatus::kInactive;
}

Profile read_profile(Reader& reader, const Node& node) {
  Profile profile;
  profile.origin = profile.condition_origin = reader.origin(node);
  reader.mapping(node, "a profile",
                 {{"name", [&](auto& v) { reader.read(v, "name", profile.name); }},
                  {"condition",
                   [&](auto& v) {
                     profile.condition_origin = reader.origin(v);
                     reader.read(v, "condition", profile.condition);
                   }},
                  {"settings", [&](auto& v) { read_settings(reader, v, profile.settings); }},
                  {"profiles", [&](auto& v) {
                     reader.error(v, "a profile cannot contain profiles",
                                  "list it beside this one, in the policy's profiles");
                   }}});
  if (profile.name.empty()) reader.error(node, "a profile has no name");
  if (profile.condition.empty()) {
    reader.error(node, fmt::format("profile '{}' has no activation condition", profile.name),
                 "for example: condition: tags contains laptop");
  }
  for (const Setting& setting : profile.settings) {
    if (setting.locked) continue;
    reader.error(
        setting.origin,
        fmt::format("{} is open, but the settings of a profile are always locked", setting.path),
        "write !locked in front of the value");
  }
  return profile;
}

void read_profiles(Reader& reader, const Node& node, Policy& policy) {
  reader.sequence(node, "profiles", [&](const Node& item, std::size_t) {
    policy.profiles.push_back(read_profile(reader, item));
    const Profile& added = policy.profiles.back();
    for (const Profile& other : policy.profiles) {
      if (&other != &added && other.name == added.name) {
        reader.error(
            item, fmt::format("policy '{}' has two profiles named '{}'", policy.name, added.name));
        break;
      }
    }
  });
  if (policy.profiles.size() > kMostProfiles) {
    reader.error(node, fmt::format("policy '{}' has {} profiles, at most {} are allowed",
                                   policy.name, policy.profiles.size(), kMostProfiles));
  }
}

Policy read_policy(Reader& reader, const Node& node, std::size_t index) {
  Policy policy;
  policy.index = index;
  policy.origin = reader.origin(node);
  reader.mapping(node, "a policy",
                 {{"name", [&](auto& v) { reader.read(v, "name", policy.name); }},
                  {"group", [&](auto& v) { reader.read(v, "group", policy.group); }},
                  {"status", [&](auto& v) { policy.status = read_status(reader, v); }},
                  {"inherit", [&](auto& v) { reader.read(v, "inherit", policy.inherit); }},
                  {"force_inheritance",
                   [&](auto& v) { reader.read(v, "force_inheritance", policy.force_inheritance); }},
                  {"settings", [&](auto& v) { read_settings(reader, v, policy.settings); }},
                  {"profiles", [&](auto& v) { read_profiles(reader, v, policy); }}});
  return policy;
}

void read_root(Reader& reader, const Node& root, Site& site) {
  std::uint32_t version = 0;
  reader.mapping(
      root, "the site configuration",
      {{"version", [&](auto& v) { reader.read(v, "version", version, 1, 1); }},
       {"administration_server",
        [&](auto& v) { site.administration_server = read_administration_server(reader, v); }},
       {"groups",
        [&](auto& v) {
          reader.sequence(v, "groups", [&](const Node& g, std::size_t) {
            read_group(reader, g, "a group", site.groups);
          });
        }},
       {"distribution_points",
        [&](auto& v) {
          reader.sequence(v, "distribution_points", [&](const Node& n, std::size_t i) {
            site.distribution_points.push_back(read_distribution_point(reader, n, i));
          });
        }},
       {"policies", [&](auto& v) {
          reader.sequence(v, "policies", [&](const Node& n, std::size_t i) {
            site.policies.push_back(read_policy(reader, n, i));
          });
        }}});
  if (root.kind == yaml::Kind::kMapping && root.find("version") == nullptr) {
    reader.error(root, "'version' is missing", "write 'version: 1' at the top of the file");
  }
}

}  // namespace

Site load(const yaml::Document& document, Diagnostics& diagnostics) {
  Site site;
  Reader reader(document, diagnostics);
  if (document.root().kind == yaml::Kind::kNull) {
    reader.error(Origin{document.name(), 0, 0}, "the file is empty",
                 "write a new site with: kscpush init --dir DIR");
    return site;
  }
  read_root(reader, document.root(), site);
  check(site, diagnostics);
  return site;
}

}  // namespace kscpush::site
