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

Policy read_policy(Reader& reader, const Node& node) {
  Policy policy;
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

// The keys of one file, the DOCUMENT-th; lists go behind what the files before it have brought.
void read_keys(Reader& reader, const Node& root, std::size_t document, Site& site,
               Origin& administration_server) {
  std::uint32_t version = 0;
  const auto list = [&](std::string_view name, auto& target, auto read) -> Reader::Field {
    return {name, [&reader, name, &target, read, document](const Node& v) {
              reader.sequence(v, name, [&](const Node& item, std::size_t i) {
                const std::size_t before = target.size();
                read(item);
                if (target.size() > before) target.back().place = {document, i};
              });
            }};
  };
  reader.mapping(root, document == 0 ? "the site configuration" : "an included file",
                 {{"version", [&](auto& v) { reader.read(v, "version", version, 1, 1); }},
                  {"include", [](auto&) {}},  // Sources has followed it
                  {"administration_server",
                   [&](auto& v) {
                     if (!administration_server.file.empty()) {
                       reader.error(
                           v, "administration_server is given twice",
                           fmt::format("it stands at {} already; there is one for all files",
                                       to_string(administration_server)));
                     }
                     administration_server = reader.origin(v);
                     site.administration_server = read_administration_server(reader, v);
                   }},
                  list("groups", site.groups,
                       [&](const Node& n) { read_group(reader, n, "a group", site.groups); }),
                  list("distribution_points", site.distribution_points,
                       [&](const Node& n) {
                         site.distribution_points.push_back(read_distribution_point(reader, n));
                       }),
                  list("policies", site.policies,
                       [&](const Node& n) { site.policies.push_back(read_policy(reader, n)); })});
  if (document == 0 && root.kind == yaml::Kind::kMapping && root.find("version") == nullptr) {
    reader.error(root, "'version' is missing", "write 'version: 1' at the top of the file");
  }
}

}  // namespace

Site load(const Sources& sources, Diagnostics& diagnostics) {
  Site site;
  diagnostics.insert(diagnostics.end(), sources.diagnostics().begin(), sources.diagnostics().end());
  Origin administration_server;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const yaml::Document& document = sources.document(i);
    Reader reader(document, diagnostics);
    if (document.root().kind != yaml::Kind::kNull) {
      read_keys(reader, document.root(), i, site, administration_server);
    } else if (i == 0) {
      reader.error(Origin{document.name(), 0, 0}, "the file is empty",
                   "write a new site with: kscpush init --dir DIR");
      return site;
    }
  }
  // Without what a missing file declares, much would seem to be wrong that is not.
  if (!has_errors(sources.diagnostics())) check(site, diagnostics);
  return site;
}

Site load(const yaml::Document& document, Diagnostics& diagnostics) {
  return load(Sources::alone(document), diagnostics);
}

}  // namespace kscpush::site
