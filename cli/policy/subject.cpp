#include "cli/policy/subject.hpp"

#include "cli/device/registry.hpp"
#include "core/diagnostic.hpp"

namespace kscpush::cli {
namespace {

std::string text(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Result<Subject> from_registry(const SubjectOptions& options, const Context& context) {
  const auto id = DeviceId::parse(options.device);
  if (!id) return fail(id.error());
  const auto registry = Registry::open(options.dp, context);
  if (!registry) return fail(registry.error());
  const auto device = registry->show(*id);
  if (!device) return fail(device.error());
  Subject subject{"", id->str(), text(*device, "group"), text(*device, "platform"), "", {}};
  for (const auto& tag : device->value("tags", nlohmann::json::array()))
    subject.tags.push_back(tag);
  if (device->at("connection").is_object()) {
    const std::string address = text(device->at("connection"), "address");
    subject.address = address.substr(0, address.rfind(':'));
  }
  return subject;
}

}  // namespace

void SubjectOptions::add_to(CLI::App& command) {
  CLI::Option* const id = command.add_option("device", device, "Device id")->type_name("DEVICE");
  command
      .add_option("--group", group, "A group instead of a device; with one: as if it were there")
      ->type_name("GROUP");
  command.add_option("--tag", tags, "As if it had this tag (repeatable)")->type_name("TAG");
  command.add_option("--platform", platform, "As if it had this platform")->type_name("PLATFORM");
  command.add_option("--address", address, "As if it had this address")->type_name("ADDRESS");
  command.add_option("--dp", dp, "Whose registry (default: the only distribution point)")
      ->type_name("DP")
      ->needs(id);
}

Result<Subject> find_subject(const SubjectOptions& options, const SiteFile& file,
                             const Context& context) {
  Subject subject;
  if (!options.device.empty()) {
    auto found = from_registry(options, context);
    if (!found) return fail(found.error());
    subject = std::move(*found);
  } else if (options.group.empty()) {
    return fail({ErrorCode::kUsage, "whose policy? Neither a device nor a group is given",
                 "give a device id, or --group \"Managed devices/...\""});
  }
  if (!options.group.empty()) subject.group = options.group;
  if (!options.platform.empty()) subject.platform = options.platform;
  if (!options.address.empty()) subject.address = options.address;
  if (!options.tags.empty()) subject.tags = options.tags;
  if (!file.site.has_group(subject.group)) {
    std::vector<std::string> groups{std::string(site::kRootGroup)};
    for (const site::Group& known : file.site.groups) groups.push_back(known.path);
    return fail({ErrorCode::kNotFound,
                 fmt::format("no group '{}'{}", subject.group, suggestion(subject.group, groups)),
                 fmt::format("groups: {}", fmt::join(groups, ", "))});
  }
  subject.title = subject.id.empty()
                      ? fmt::format("group '{}'", subject.group)
                      : fmt::format("device '{}' of group '{}'", subject.id, subject.group);
  return subject;
}

}  // namespace kscpush::cli
