// kscpush agent enroll: a device gets its first certificate, for a key that never leaves it.
#include <iostream>
#include <ostream>

#include <unistd.h>

#include "agent/enrolment.hpp"
#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/support/agent_file.hpp"
#include "cli/support/output.hpp"
#include "core/file.hpp"
#include "core/pki.hpp"

namespace kscpush::cli {
namespace {

struct EnrollOptions {
  std::string server;
  std::string token;
  std::string files = ".";
  std::string id;
  std::string config;
};

Result<EnrolmentToken> read_token(const std::string& text) {
  if (text != "-") return parse_token(text);
  std::string line;
  std::getline(std::cin, line);
  return parse_token(line);
}

Status write_authority(const std::filesystem::path& path, const std::string& content) {
  constexpr std::size_t kMaxPem = 64UL * 1024;
  const auto present = read_file(path, kMaxPem);
  if (present) return replace_file(path, content, *present);  // of an enrolment before
  if (present.error().code != ErrorCode::kNotFound) return fail(present.error());
  return write_new_file(path, content, 0644);
}

// That files can be made in the folder, and reach the disk.
Status try_folder(const std::filesystem::path& folder) {
  constexpr std::size_t kAboutAsMuch = 16UL * 1024;
  const auto probe = folder / fmt::format(".kscpush-probe-{}", ::getpid());
  if (auto written = write_new_file(probe, std::string(kAboutAsMuch, 'x'), 0600); !written) {
    return written;
  }
  std::error_code error;
  std::filesystem::remove(probe, error);
  return error ? fail(file_error("remove", probe, error.value())) : Status();
}

// Before the token is used: what cannot be kept must not be asked for.
Status prepare_places(const std::filesystem::path& folder, const std::filesystem::path& config) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail(file_error("create the folder", folder, error.value()));
  if (auto usable = try_folder(folder); !usable || config.empty()) return usable;
  if (std::filesystem::exists(std::filesystem::symlink_status(config, error))) {
    return fail({ErrorCode::kConflict, fmt::format("{} exists already", config.string()),
                 "nothing was asked for; name another file, or move it away"});
  }
  return try_folder(config.parent_path());
}

Status report(const agent::Enrolled& enrolled, const agent::CredentialFiles& files,
              const Context& context) {
  const auto info = pki::inspect(enrolled.certificate);
  if (!info) return fail(info.error());
  if (!prints_text(context)) {
    print_object({{"id", enrolled.device.str()},
                  {"servers", enrolled.servers},
                  {"files", files.key.parent_path().string()},
                  {"not_after", to_rfc3339(info->not_after)}},
                 {}, "/id", context);
    return {};
  }
  context.out << fmt::format("{} is enrolled: {}, {} and {} written, valid until {}\n",
                             enrolled.device.str(), files.certificate.string(), files.key.string(),
                             files.authority.string(), to_rfc3339(info->not_after));
  print_note(fmt::format("Its push servers: {}", fmt::join(enrolled.servers, ", ")), context);
  return {};
}

Status run_agent_enroll(const EnrollOptions& options, Context& context) {
  const auto server = agent::parse_endpoint(options.server);
  if (!server) return fail(server.error());
  const auto token = read_token(options.token);
  if (!token) return fail(token.error());
  std::optional<DeviceId> device;
  if (!options.id.empty()) {
    auto id = DeviceId::parse(options.id);
    if (!id) return fail(id.error());
    device = std::move(*id);
  }
  const auto folder = (context.directory / options.files).lexically_normal();
  const auto config = options.config.empty()
                          ? std::filesystem::path()
                          : (context.directory / options.config).lexically_normal();
  if (auto prepared = prepare_places(folder, config); !prepared) return prepared;
  const auto enrolled = agent::enroll(*server, *token, device);
  if (!enrolled) return fail(enrolled.error());
  const auto files = agent::CredentialFiles::in(folder, enrolled->device);
  auto written = replace(files, enrolled->certificate, enrolled->key);
  if (written) written = write_authority(files.authority, enrolled->authority);
  if (!written) return written;
  if (!config.empty()) {
    // What became of the device is told in any case.
    const NewAgentFile file{enrolled->device.str(), enrolled->servers, folder.string(),
                            std::string(agent::kUsualStateDirectory)};
    written = write_new_file(config, to_yaml(file), 0644);
  }
  if (auto told = report(*enrolled, files, context); !told) return told;
  return written;
}

}  // namespace

void add_agent_enroll(CLI::App& parent, Context& context) {
  auto options = std::make_shared<EnrollOptions>();
  CLI::App* command = parent.add_subcommand(
      "enroll", "Enrol this device by a token: the key is made here and stays here");
  command->add_option("server", options->server, "The push server, as the token was printed with")
      ->type_name("HOST:PORT")
      ->required();
  command
      ->add_option("token", options->token,
                   "As 'device enroll ID --token' printed it; -: from standard input, where no "
                   "other user can see it")
      ->type_name("TOKEN")
      ->required();
  command->add_option("--files", options->files, "Folder for ID.crt, ID.key and ca.crt")
      ->type_name("DIR");
  command->add_option("--device", options->id, "Refuse a token of another device")->type_name("ID");
  command
      ->add_option("--write-config", options->config,
                   "Write an agent.yaml with id, servers and folders too")
      ->type_name("FILE");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_agent_enroll(*options, context); };
  });
}

}  // namespace kscpush::cli
