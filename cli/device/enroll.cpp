// kscpush device enroll
#include <ostream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/device/registry.hpp"
#include "cli/support/agent_file.hpp"
#include "cli/support/output.hpp"
#include "cli/support/time.hpp"
#include "core/file.hpp"

namespace kscpush::cli {
namespace {

struct EnrollOptions {
  std::string id;
  std::string out;
  std::string config;  // of an agent; empty: none
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

// What `device enroll` writes, all of it new.
struct Places {
  std::filesystem::path folder;
  std::filesystem::path key;
  std::filesystem::path certificate;
  std::filesystem::path config;  // empty: none is asked for
};

Result<Places> find_places(const EnrollOptions& options, const DeviceId& id,
                           const Context& context) {
  if (options.out.empty()) {
    return fail({ErrorCode::kUsage, "where to? Neither --out nor --token is given",
                 "--out DIR writes key and certificate; --token lets the device make its own key"});
  }
  Places places;
  places.folder = (context.directory / options.out / "").lexically_normal();
  places.key = places.folder / (id.str() + ".key");
  places.certificate = places.folder / (id.str() + ".crt");
  if (!options.config.empty()) {
    places.config = (context.directory / options.config).lexically_normal();
  }
  std::error_code error;
  for (const auto& path : {places.key, places.certificate, places.config}) {
    if (path.empty() || !std::filesystem::exists(path, error)) continue;
    return fail({ErrorCode::kConflict, fmt::format("{} exists already", path.string()),
                 "choose another folder with --out, or remove the old files first"});
  }
  return places;
}

// In the folder of the certificate it moves with that to the device.
std::string agent_file(const Places& places, const DeviceId& id,
                       const site::DistributionPoint& dp) {
  const bool beside = places.config.parent_path() / "" == places.folder;
  const auto state = std::filesystem::path(id.str() + ".state");
  return to_yaml({id.str(),
                  {fmt::format("{}:{}", dp.address, dp.push_server.port.value())},
                  beside ? "" : places.folder.string(),
                  (beside ? state : places.folder / state).string()});
}

Status write_files(const Places& places, const nlohmann::json& issued,
                   const std::string& agent_config) {
  const auto text = [&](const char* key) { return issued.at(key).get<std::string>(); };
  auto written = write_new_file(places.key, text("key"), 0600);
  if (written) written = write_new_file(places.certificate, text("certificate"), 0644);
  if (written) written = write_authority(places.folder / "ca.crt", text("authority"));
  if (!written || places.config.empty()) return written;
  return write_new_file(places.config, agent_config, 0644);
}

void report(const EnrollOptions& options, const Places& places, const std::string& not_after,
            const Context& context) {
  const bool has_config = !options.config.empty();
  if (!prints_text(context)) {
    return print_object(
        {{"id", options.id},
         {"certificate", places.certificate.string()},
         {"key", places.key.string()},
         {"authority", (places.folder / "ca.crt").string()},
         {"config", has_config ? nlohmann::json(places.config.string()) : nlohmann::json()},
         {"not_after", not_after}},
        {}, "/id", context);
  }
  context.out << fmt::format("{0}/{1}.crt, {0}/{1}.key and {0}/ca.crt written, valid until {2}\n",
                             options.out, options.id, not_after);
  if (!has_config) return;
  print_note(fmt::format("On the device: kscpush agent --config-file {}", options.config), context);
}

Status run_device_enroll(const EnrollOptions& options, Context& context) {
  const auto id = DeviceId::parse(options.id);
  if (!id) return fail(id.error());
  if (options.token) return run_token(options, *id, context);
  const auto places = find_places(options, *id, context);
  if (!places) return fail(places.error());
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto dp = choose_distribution_point(*file, options.dp);
  if (!dp) return fail(dp.error());
  const auto registry = Registry::open(*file, options.dp, context);
  if (!registry) return fail(registry.error());
  for (const auto& folder : {places->folder, places->config.parent_path()}) {
    std::error_code error;
    if (!folder.empty()) std::filesystem::create_directories(folder, error);
    if (error) return fail(file_error("create the folder", folder, error.value()));
  }
  const auto issued = registry->enroll(*id);
  if (!issued) return fail(issued.error());
  const auto written = write_files(*places, *issued, agent_file(*places, *id, **dp));
  if (!written) return written;
  report(options, *places, issued->at("not_after").get<std::string>(), context);
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
  command
      ->add_option("--write-config", options->config,
                   "Write an agent.yaml with id, server and folders too")
      ->type_name("FILE")
      ->needs(out);
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
