// kscpush init: a new site, ready to be edited and served.
#include <array>
#include <ostream>

#include <unistd.h>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/support/output.hpp"
#include "cli/support/site_template.hpp"
#include "core/file.hpp"
#include "core/ids.hpp"
#include "core/pki.hpp"

namespace kscpush::cli {
namespace {

struct InitOptions {
  std::string directory = ".";
  std::string name = "dp-1";
  std::string address;  // empty: this host's name
};

constexpr std::chrono::days kAuthorityValidity{3650};
constexpr std::chrono::days kServerValidity{825};

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data()
                                                                             : "localhost";
}

struct NewFile {
  std::filesystem::path path;
  std::string content;
  mode_t mode;
};

Result<std::vector<NewFile>> make_files(const InitOptions& options, const std::string& address,
                                        const Context& context) {
  const WallTime now = context.clock.wall();
  auto authority =
      pki::create_authority("kscpush device CA of " + options.name, now, kAuthorityValidity);
  if (!authority) return fail(authority.error());
  std::vector<std::string> names{"localhost", "127.0.0.1"};
  if (address != "localhost" && address != "127.0.0.1") names.push_back(address);
  auto server = pki::issue_server(*authority, options.name, names, now, kServerValidity);
  if (!server) return fail(server.error());
  return std::vector<NewFile>{
      {"pki/ca.crt", authority->certificate, 0644},
      {"pki/ca.key", authority->key.str(), 0600},
      {"pki/" + options.name + ".crt", server->certificate, 0644},
      {"pki/" + options.name + ".key", server->key.str(), 0600},
      {"pki/admin.token", pki::random_token().str() + "\n", 0600},
      {".gitignore", "/state/\n/pki/*.key\n/pki/*.token\n", 0644},
      {"kscpush.yaml", site_template(options.name, address), 0644},
  };
}

Status check_arguments(const InitOptions& options, const std::string& address) {
  // Both end up in file names, certificates and YAML.
  if (!DeviceId::valid(options.name) || options.name.front() == '.' ||
      options.name.find(':') != std::string::npos) {
    return fail({ErrorCode::kUsage,
                 fmt::format("'{}' cannot name a distribution point", options.name),
                 "use letters, digits, '.', '_' and '-'"});
  }
  if (!DeviceId::valid(address)) {
    return fail({ErrorCode::kUsage, fmt::format("'{}' is not a host name or IP address", address),
                 "give the address that devices connect to: --address dp.example.com"});
  }
  return {};
}

Status run_init(const InitOptions& options, Context& context) {
  const std::string address = options.address.empty() ? host_name() : options.address;
  if (auto valid = check_arguments(options, address); !valid) return valid;
  const auto folder = context.directory / options.directory;
  auto files = make_files(options, address, context);
  if (!files) return fail(files.error());
  std::error_code error;
  for (const NewFile& file : *files) {
    if (std::filesystem::exists(std::filesystem::symlink_status(folder / file.path, error))) {
      return fail({ErrorCode::kConflict,
                   fmt::format("{} exists already; nothing was written",
                               (folder / file.path).lexically_normal().string()),
                   "choose another folder with --dir, or remove the old site first"});
    }
  }
  std::filesystem::create_directories(folder / "pki", error);
  if (error) return fail(file_error("create the folder", folder / "pki", error.value()));
  for (const NewFile& file : *files) {
    if (auto written = write_new_file(folder / file.path, file.content, file.mode); !written) {
      return written;
    }
  }
  if (!prints_text(context)) {
    print_object({{"file", (folder / "kscpush.yaml").lexically_normal().string()},
                  {"distribution_point", options.name},
                  {"address", address}},
                 {}, "/file", context);
    return {};
  }
  const auto shown = std::filesystem::path(options.directory).lexically_normal();
  const std::string enter = shown == "." ? "" : fmt::format("  cd {}\n", shown.string());
  context.out << fmt::format(
      "A new site in {}: one group, the distribution point '{}' at {}, one policy.\n"
      "The push server is off and the policy option open. Next:\n"
      "{}"
      "  kscpush dp enable --port 13295\n"
      "  kscpush policy set force-via-dp\n"
      "  kscpush serve\n",
      (shown / "kscpush.yaml").lexically_normal().string(), options.name, address, enter);
  return {};
}

}  // namespace

void add_init(CLI::App& parent, Context& context) {
  auto options = std::make_shared<InitOptions>();
  CLI::App* command = parent.add_subcommand(
      "init", "Write a new site: configuration, certificate authority, admin token");
  command->add_option("--dir", options->directory, "Where to (default: the current folder)")
      ->type_name("DIR");
  command->add_option("--name", options->name, "Name of the distribution point (default: dp-1)")
      ->type_name("NAME");
  command
      ->add_option("--address", options->address,
                   "What devices connect to (default: this host's name)")
      ->type_name("HOST");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_init(*options, context); };
  });
}

}  // namespace kscpush::cli
