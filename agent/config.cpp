#include "agent/config.hpp"

#include "core/file.hpp"
#include "core/site/reader.hpp"

namespace kscpush::agent {
namespace {

using site::Reader;
using yaml::Node;

constexpr std::size_t kMostBytes = 1 << 20;
constexpr std::size_t kMostServers = 32;
constexpr std::size_t kMostRules = 256;
constexpr std::size_t kMostLocal = 256;

void read_version(Reader& reader, const Node& node) {
  std::uint32_t version = 0;
  reader.read(node, "version", version, 1, 1);
}

void read_servers(Reader& reader, const Node& node, std::vector<Endpoint>& servers) {
  reader.sequence(node, "servers", [&](const Node& item, std::size_t) {
    std::string text;
    reader.read(item, "a server", text);
    auto server = parse_endpoint(text);
    if (!server) {
      reader.error(item, server.error().message, server.error().hint);
    } else if (servers.size() == kMostServers) {
      reader.error(item, fmt::format("more than {} servers", kMostServers));
    } else {
      servers.push_back(std::move(*server));
    }
  });
}

// "HOST:PORT", "*:22", "db-*" is none: a star stands for all of it.
Status check_rule(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const std::string_view port = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  const std::string_view host = text.substr(0, std::min(colon, text.size()));
  const bool any_host = host == "*";
  const bool is_host = any_host || (!host.empty() && parse_endpoint(host));
  if (colon == std::string_view::npos || !is_host) {
    return fail(ErrorCode::kUsage, "'{}' is not HOST:PORT", text.substr(0, 80));
  }
  if (port == "*") return {};
  if (auto number = Port::parse(port); !number) return fail(number.error());
  return {};
}

void read_tunnels(Reader& reader, const Node& node, TunnelRules& rules) {
  const auto number = [&](std::string_view what, std::uint32_t& target, std::uint32_t least,
                          std::uint32_t most) -> Reader::Field {
    return {what, [&reader, what, &target, least, most](const Node& v) {
              reader.read(v, fmt::format("tunnels.{}", what), target, least, most);
            }};
  };
  const auto read_allow = [&](const Node& list) {
    reader.sequence(list, "tunnels.allow", [&](const Node& item, std::size_t) {
      std::string text;
      reader.read(item, "an address of tunnels.allow", text);
      if (text.empty()) return;
      if (auto right = check_rule(text); !right) {
        reader.error(item, right.error().message, "for example 127.0.0.1:22, 127.0.0.1:*, *:443");
      } else if (rules.allow.size() == kMostRules) {
        reader.error(item, fmt::format("more than {} addresses in tunnels.allow", kMostRules));
      } else {
        rules.allow.push_back(std::move(text));
      }
    });
  };
  reader.mapping(node, "tunnels",
                 {{"allow", read_allow},
                  number("max", rules.max, 0, 10'000),
                  number("idle_s", rules.idle_s, 1, 86'400),
                  number("lifetime_s", rules.lifetime_s, 1, 7 * 86'400)});
}

void read_local(Reader& reader, const Node& node, ReportedSettings& local) {
  if (reader.resolve(node).kind == yaml::Kind::kNull) return;
  if (reader.resolve(node).kind != yaml::Kind::kMapping) {
    reader.error(node, "local must be a mapping of settings and their values");
    return;
  }
  for (const yaml::Entry* const entry : reader.entries(node)) {
    std::string value;
    reader.read(entry->value, fmt::format("local.{}", entry->key.value.substr(0, 80)), value);
    if (local.size() == kMostLocal) {
      reader.error(entry->key, fmt::format("more than {} local settings", kMostLocal));
      return;
    }
    local[entry->key.value] = std::move(value);
  }
}

}  // namespace

AgentConfig read_config(const yaml::Document& document, const std::filesystem::path& folder,
                        Diagnostics& diagnostics) {
  Reader reader(document, diagnostics);
  AgentConfig config;
  config.files = folder;
  config.state_directory = kUsualStateDirectory;
  const auto path = [&](std::string_view what, std::filesystem::path& target) -> Reader::Field {
    return {what, [&reader, &folder, what, &target](const Node& v) {
              std::string text;
              reader.read(v, what, text);
              if (!text.empty()) target = (folder / text).lexically_normal();
            }};
  };
  bool versioned = false;
  reader.mapping(document.root(), "the agent's file",
                 {{"version",
                   [&](auto& v) {
                     versioned = true;
                     read_version(reader, v);
                   }},
                  {"id",
                   [&](auto& v) {
                     std::string text;
                     reader.read(v, "id", text);
                     auto id = DeviceId::parse(text);
                     if (!id) return reader.error(v, id.error().message, id.error().hint);
                     config.id = std::move(*id);
                   }},
                  {"servers", [&](auto& v) { read_servers(reader, v, config.servers); }},
                  path("files", config.files),
                  path("state_directory", config.state_directory),
                  {"tasks", [&](auto& v) { read_tasks(reader, v, config.tasks); }},
                  {"collectors", [&](auto& v) { read_collectors(reader, v, config.collectors); }},
                  {"tunnels", [&](auto& v) { read_tunnels(reader, v, config.tunnels); }},
                  {"local", [&](auto& v) { read_local(reader, v, config.local); }}});
  if (!versioned) {
    reader.error(Origin{document.name(), 0, 0}, "'version' is missing", "begin with: version: 1");
  }
  return config;
}

Result<AgentConfig> load_config(const std::filesystem::path& file, Diagnostics& diagnostics) {
  auto text = read_file(file, kMostBytes);
  if (!text) return fail(text.error());
  const auto document = yaml::Document::parse(std::move(*text), file.string());
  if (!document) {
    diagnostics.push_back(to_diagnostic(document.error(), file.string()));
  } else {
    AgentConfig config = read_config(*document, file.parent_path(), diagnostics);
    if (!has_errors(diagnostics)) return config;
  }
  const auto errors = diagnostics.size();
  return fail(ErrorCode::kInvalidConfig, "{}: {} error{}", file.string(), errors,
              errors == 1 ? "" : "s");
}

}  // namespace kscpush::agent
