#include "core/site/load.hpp"

#include "core/site/check.hpp"
#include "core/site/reader.hpp"

namespace kscpush::site {
namespace {

using yaml::Node;

void read_listen(Reader& reader, const Node& node, std::string_view what, ListenAddress& target) {
  std::string text;
  reader.read(node, what, text);
  if (text.empty()) return;
  const std::size_t colon = text.rfind(':');
  const auto port = Port::parse(colon == std::string::npos ? "" : text.substr(colon + 1));
  if (colon == 0 || !port) {
    reader.error(node, fmt::format("{} must be ADDRESS:PORT, not '{}'", what, text),
                 "for example 127.0.0.1:13299, or [::1]:13299");
    return;
  }
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  target = ListenAddress{std::move(host), *port};
}

void read_tls(Reader& reader, const Node& node, Tls& tls) {
  reader.mapping(node, "tls",
                 {{"certificate", [&](auto& v) { reader.read(v, "certificate", tls.certificate); }},
                  {"key", [&](auto& v) { reader.read(v, "key", tls.key); }},
                  {"client_ca", [&](auto& v) { reader.read(v, "client_ca", tls.client_ca); }}});
}

void read_admin(Reader& reader, const Node& node, Admin& admin) {
  reader.mapping(
      node, "admin",
      {{"listen", [&](auto& v) { read_listen(reader, v, "admin.listen", admin.listen); }},
       {"token_file", [&](auto& v) { reader.read(v, "token_file", admin.token_file); }},
       {"operator_token_file",
        [&](auto& v) { reader.read(v, "operator_token_file", admin.operator_token_file); }},
       {"viewer_token_file",
        [&](auto& v) { reader.read(v, "viewer_token_file", admin.viewer_token_file); }}});
}

void read_limits(Reader& reader, const Node& node, ServerLimits& limits) {
  const auto number = [&](std::string_view what, std::uint32_t& target, std::uint32_t least,
                          std::uint32_t most) -> Reader::Field {
    return {what, [&reader, what, &target, least, most](const Node& v) {
              reader.read(v, fmt::format("limits.{}", what), target, least, most);
            }};
  };
  reader.mapping(node, "limits",
                 {number("handshakes_in_flight", limits.handshakes_in_flight, 1, 100'000),
                  number("handshake_timeout_s", limits.handshake_timeout_s, 1, 300),
                  number("keep_alive_max_s", limits.keep_alive_max_s, 5, 65'535),
                  number("session_expiry_max_s", limits.session_expiry_max_s, 0, 30 * 86'400),
                  number("pending_per_device", limits.pending_per_device, 1, 10'000),
                  number("message_bytes", limits.message_bytes, 1'024, 1'048'576),
                  number("unsent_bytes", limits.unsent_bytes, 4'096, 16'777'216),
                  number("slow_reader_timeout_s", limits.slow_reader_timeout_s, 1, 3'600),
                  number("shards", limits.shards, 0, 256)});
}

void read_push_server(Reader& reader, const Node& node, PushServer& server) {
  server.origin = reader.origin(node);
  reader.mapping(
      node, "push_server",
      {{"enabled", [&](auto& v) { reader.read(v, "enabled", server.enabled); }},
       {"port",
        [&](auto& v) {
          server.port_origin = reader.origin(v);
          reader.read(v, "port", server.port);
        }},
       {"max_connections",
        [&](auto& v) { reader.read(v, "max_connections", server.max_connections, 1, 10'000'000); }},
       {"listen", [&](auto& v) { reader.read(v, "listen", server.listen); }},
       {"plain_listener",
        [&](auto& v) {
          read_listen(reader, v, "plain_listener",
                      server.plain_listener.emplace(ListenAddress{"", kPushServerPort}));
          if (server.plain_listener->host.empty()) server.plain_listener.reset();
        }},
       {"tls", [&](auto& v) { read_tls(reader, v, server.tls); }},
       {"admin", [&](auto& v) { read_admin(reader, v, server.admin); }},
       {"state_directory",
        [&](auto& v) { reader.read(v, "state_directory", server.state_directory); }},
       {"limits", [&](auto& v) { read_limits(reader, v, server.limits); }}});
}

void read_group(Reader& reader, const Node& node, std::string_view what,
                std::vector<Group>& groups) {
  Group group{"", reader.origin(node)};
  reader.read(node, what, group.path);
  if (group.path.empty()) {
    // Anything else than a text has been reported.
    if (reader.resolve(node).kind == yaml::Kind::kScalar) {
      reader.error(node, fmt::format("{} must not be empty", what));
    }
    return;
  }
  groups.push_back(std::move(group));
}

DistributionPoint read_distribution_point(Reader& reader, const Node& node) {
  DistributionPoint dp;
  dp.origin = reader.origin(node);
  const auto group = [&](const Node& v, std::size_t) {
    read_group(reader, v, "scope.groups", dp.scope_groups);
  };
  reader.mapping(node, "a distribution point",
                 {{"name", [&](auto& v) { reader.read(v, "name", dp.name); }},
                  {"address", [&](auto& v) { reader.read(v, "address", dp.address); }},
                  {"scope",
                   [&](auto& v) {
                     reader.mapping(
                         v, "scope",
                         {{"groups", [&](auto& g) { reader.sequence(g, "groups", group); }}});
                   }},
                  {"push_server", [&](auto& v) { read_push_server(reader, v, dp.push_server); }}});
  return dp;
}

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

// Settings nest three deep. The bounds are for files in which aliases of aliases multiply.
constexpr int kDeepestSetting = 16;
constexpr std::size_t kMostSettings = 10'000;

// Flattens the nested mappings: every leaf is a setting, its path the keys joined by dots.
void read_settings(Reader& reader, const Node& written, const std::string& prefix,
                   std::vector<Setting>& settings, int depth = 0) {
  const Node& node = reader.resolve(written);
  if (node.kind == yaml::Kind::kMapping) {
    if (depth == kDeepestSetting) {
      reader.error(written, "settings are nested too deeply");
      return;
    }
    for (const yaml::Entry* const entry : reader.entries(node)) {
      read_settings(reader, entry->value,
                    prefix.empty() ? entry->key.value : prefix + "." + entry->key.value, settings,
                    depth + 1);
      if (settings.size() > kMostSettings) break;
    }
    if (depth == 0 && settings.size() > kMostSettings) {
      reader.error(written, fmt::format("more than {} settings in one policy", kMostSettings));
    }
    return;
  }
  if (prefix.empty()) {
    if (node.kind != yaml::Kind::kNull) reader.error(written, "settings must be a mapping");
    return;
  }
  if (!node.tag.empty() && node.tag != "!locked") {
    reader.error(written, fmt::format("unknown tag '{}' on a setting", node.tag),
                 "the only tag of a setting is !locked; without it the value is open");
  }
  settings.push_back({prefix, node.value, node.quoted, node.kind == yaml::Kind::kScalar,
                      node.tag == "!locked", reader.origin(written)});
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
                  {"settings", [&](auto& v) { read_settings(reader, v, "", profile.settings); }},
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
                  {"settings", [&](auto& v) { read_settings(reader, v, "", policy.settings); }},
                  {"profiles", [&](auto& v) { read_profiles(reader, v, policy); }}});
  return policy;
}

void read_administration_server(Reader& reader, const Node& node, Site& site) {
  reader.mapping(
      node, "administration_server",
      {{"address", [&](auto& v) { reader.read(v, "address", site.administration_server); }},
       {"tls_port",
        [&](auto& v) { reader.read(v, "tls_port", site.administration_server_port); }}});
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
                     read_administration_server(reader, v, site);
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
