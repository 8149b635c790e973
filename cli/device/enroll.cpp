// kscpush device enroll
#include <ostream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/device/registry.hpp"
#include "cli/support/output.hpp"
#include "cli/support/time.hpp"
#include "core/file.hpp"

namespace kscpush::cli {
namespace {

struct EnrollOptions {
  std::string id;
  std::string out;
  bool token = false;
  std::string ttl = "24h";
  std::string dp;
};

// A CA certificate that is there already is fine if it is the same one.
Status write_authority(const std::filesystem::path& path, const std::string& content) {
  if (const auto present = read_file(path, 64 * 1024); present && *present == content) return {};
  return write_new_file(path, content, 0644);
}

Status run_token(const EnrollOptions& options, const DeviceId& id, Context& context) {
  const auto ttl = parse_duration(options.ttl);
  if (!ttl) return fail(ttl.error());
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto dp = choose_distribution_point(*file, options.dp);
  if (!dp) return fail(dp.error());
  const auto registry = Registry::open(*file, options.dp, context);
  if (!registry) return fail(registry.error());
  const auto issued = registry->issue_token(id, *ttl);
  if (!issued) return fail(issued.error());
  if (!prints_text(context)) {
    print_object(*issued, {}, "/token", context);
    return {};
  }
  const auto token = issued->at("token").get<std::string>();
  context.out << token << '\n';
  print_note(
      fmt::format("It works once, until {}. On the device:\n  kscpush agent enroll {}:{} TOKEN",
                  issued->at("expires").get<std::string>(), (*dp)->address,
                  (*dp)->push_server.port.value()),
      context);
  return {};
}

Status run_device_enroll(const EnrollOptions& options, Context& context) {
  const auto id = DeviceId::parse(options.id);
  if (!id) return fail(id.error());
  if (options.token) return run_token(options, *id, context);
  if (options.out.empty()) {
    return fail({ErrorCode::kUsage, "where to? Neither --out nor --token is given",
                 "--out DIR writes key and certificate; --token lets the device make its own key"});
  }
  const auto folder = context.directory / options.out;
  const auto key_path = folder / (id->str() + ".key");
  const auto certificate_path = folder / (id->str() + ".crt");
  std::error_code error;
  for (const auto& path : {key_path, certificate_path}) {
    if (std::filesystem::exists(path, error)) {
      return fail({ErrorCode::kConflict, fmt::format("{} exists already", path.string()),
                   "choose another folder with --out, or remove the old files first"});
    }
  }
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto registry = Registry::open(*file, options.dp, context);
  if (!registry) return fail(registry.error());
  std::filesystem::create_directories(folder, error);
  if (error) return fail(file_error("create the folder", folder, error.value()));
  const auto issued = registry->enroll(*id);
  if (!issued) return fail(issued.error());
  const auto text = [&](const char* key) { return issued->at(key).get<std::string>(); };
  if (auto written = write_new_file(key_path, text("key"), 0600); !written) return written;
  if (auto written = write_new_file(certificate_path, text("certificate"), 0644); !written) {
    return written;
  }
  if (auto written = write_authority(folder / "ca.crt", text("authority")); !written) {
    return written;
  }
  if (!prints_text(context)) {
    print_object({{"id", id->str()},
                  {"certificate", certificate_path.string()},
                  {"key", key_path.string()},
                  {"authority", (folder / "ca.crt").string()},
                  {"not_after", text("not_after")}},
                 {}, "/id", context);
    return {};
  }
  context.out << fmt::format("{0}/{1}.crt, {0}/{1}.key and {0}/ca.crt written, valid until {2}\n",
                             options.out, id->str(), text("not_after"));
  return {};
}

}  // namespace

void add_device_enroll(CLI::App& parent, Context& context) {
  auto options = std::make_shared<EnrollOptions>();
  CLI::App* command =
      parent.add_subcommand("enroll", "Give a device its certificate: ID.crt, ID.key, ca.crt");
  command->add_option("id", options->id, "Device id")->type_name("ID")->required();
  auto* const out = command->add_option("--out", options->out, "Folder for the three files");
  out->type_name("DIR");
  auto* const token = command->add_flag(
      "--token", options->token, "Print a token instead, with which the device enrols itself once");
  token->excludes(out);
  command->add_option("--ttl", options->ttl, "How long the token works (default: 24h)")
      ->type_name("TIME")
      ->needs(token);
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_device_enroll(*options, context); };
  });
}

}  // namespace kscpush::cli
