// kscpush device enroll
#include <ostream>

#include "cli/commands.hpp"
#include "cli/device/registry.hpp"
#include "core/file.hpp"

namespace kscpush::cli {
namespace {

struct EnrollOptions {
  std::string id;
  std::string out;
  std::string dp;
};

// A CA certificate that is there already is fine if it is the same one.
Status write_authority(const std::filesystem::path& path, const std::string& content) {
  if (const auto present = read_file(path, 64 * 1024); present && *present == content) return {};
  return write_new_file(path, content, 0644);
}

Status run_device_enroll(const EnrollOptions& options, Context& context) {
  const auto id = DeviceId::parse(options.id);
  if (!id) return fail(id.error());
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
  command->add_option("--out", options->out, "Folder for the three files")
      ->type_name("DIR")
      ->required();
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_device_enroll(*options, context); };
  });
}

}  // namespace kscpush::cli
