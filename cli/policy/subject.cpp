#include "cli/policy/subject.hpp"

#include "cli/app.hpp"
#include "cli/device/registry.hpp"
#include "cli/support/groups.hpp"
#include "core/json_text.hpp"
#include "policy/schema.hpp"
#include "server/store/device_record.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

// Of the first registry that has it; the error is the last one's.
Result<json> look_up(const SubjectOptions& options, const SiteFile& file, const Context& context) {
  const auto id = DeviceId::parse(options.device);
  if (!id) return fail(id.error());
  const auto registries = Registry::candidates(file, options.dp, context);
  if (!registries) return fail(registries.error());
  Result<json> device = fail(server::unknown_device(*id));
  for (const Registry& registry : *registries) {
    // A question makes no state directory.
    if (!registry.may_exist()) continue;
    device = registry.show(*id);
    if (device) return device;
  }
  return device;
}

Result<Subject> from_registry(const SubjectOptions& options, const SiteFile& file,
                              const Context& context) {
  const auto device = look_up(options, file, context);
  if (device) return subject_of(*device);
  const bool enough = !options.group.empty() && device.error().code != ErrorCode::kUsage;
  if (!enough) return fail(device.error());
  print_note(
      fmt::format("Nothing but the options is known of the device: {}.", device.error().message),
      context);
  Subject subject;
  subject.id = options.device;
  return subject;
}

Status check_group(const Subject& subject, const SubjectOptions& options, const site::Site& site) {
  if (subject.id.empty() || !options.group.empty() || site.has_group(subject.group)) {
    return require_group(site, subject.group);
  }
  return fail({ErrorCode::kNotFound,
               fmt::format("device '{}' is in group '{}', which the configuration does not declare "
                           "(any more)",
                           subject.id, subject.group),
               fmt::format("move it: kscpush device move {} --group GROUP; or declare the group: "
                           "kscpush group add \"{}\"",
                           subject.id, subject.group)});
}

}  // namespace

void SubjectOptions::add_to(CLI::App& command) {
  CLI::Option* const id = command.add_option("device", device, "Device id")->type_name("DEVICE");
  command
      .add_option("--group", group, "A group instead of a device; with one: as if it were there")
      ->type_name("GROUP");
  command.add_option("--tag", tags, "As if it had this tag (repeatable)")
      ->type_name("TAG")
      ->allow_extra_args(false);
  command.add_option("--platform", platform, "As if it had this platform")->type_name("PLATFORM");
  command.add_option("--address", address, "As if it had this address")->type_name("ADDRESS");
  command.add_option("--dp", dp, "Whose registry (default: every push server's)")
      ->type_name("DP")
      ->needs(id);
}

Subject subject_of(const json& device) {
  Subject subject;
  subject.id = text_of(device, "id");
  subject.group = text_of(device, "group");
  subject.platform = text_of(device, "platform");
  subject.address = text_of(device, "address");
  subject.tags = device.at("tags").get<std::vector<std::string>>();
  subject.reported = device.at("policy");
  for (const auto& [path, value] : device.at("local_settings").items()) {
    const policy::SettingRow* const row = policy::find_setting(path);
    // A device of another version may know settings that this program does not.
    if (row == nullptr) continue;
    const auto parsed = policy::parse_value(*row, value.get<std::string>());
    if (parsed) subject.local.insert_or_assign(std::string(row->path), *parsed);
  }
  return subject;
}

std::string state_of(const json& device) {
  if (device.at("revoked").get<bool>()) return "revoked";
  return device.at("connection").is_object() ? "connected" : "offline";
}

json policy_state(const Subject& subject, const std::string& desired) {
  json state{{"desired", desired},
             {"reported", nullptr},
             {"state", "never"},
             {"result", nullptr},
             {"since", nullptr}};
  if (!subject.reported.is_object()) return state;
  const std::string revision = text_of(subject.reported, "revision");
  state["reported"] = revision;
  state["state"] = revision == desired ? "same" : "older";
  state["result"] = text_of(subject.reported, "result");
  state["since"] = text_of(subject.reported, "since");
  return state;
}

std::string describe_reported(const Subject& subject, const std::string& desired) {
  const json state = policy_state(subject, desired);
  if (state["state"] == "never") return "reported: never";
  const std::string which = state["state"] == "same"
                                ? "the same"
                                : fmt::format("an older one, {}", text_of(state, "reported"));
  return fmt::format("reported: {}, {}, since {}", which, text_of(state, "result"),
                     text_of(state, "since"));
}

Result<Subject> find_subject(const SubjectOptions& options, const SiteFile& file,
                             const Context& context) {
  Subject subject;
  if (!options.device.empty()) {
    auto found = from_registry(options, file, context);
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
  if (auto known = check_group(subject, options, file.site); !known) return fail(known.error());
  subject.title = subject.id.empty()
                      ? fmt::format("group '{}'", subject.group)
                      : fmt::format("device '{}' of group '{}'", subject.id, subject.group);
  return subject;
}

}  // namespace kscpush::cli
