// kscpush device show
#include "cli/commands.hpp"
#include "cli/device/registry.hpp"
#include "cli/policy/subject.hpp"
#include "cli/support/output.hpp"

namespace kscpush::cli {
namespace {

struct ShowOptions {
  std::string id;
  std::string dp;
};

// "TIME REASON; TIME REASON", the newest first.
std::string in_a_line(const nlohmann::json& ends) {
  std::vector<std::string> parts;
  for (const auto& end : ends) {
    parts.push_back(
        fmt::format("{} {}", end.at("at").get<std::string>(), end.at("reason").get<std::string>()));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

// What has been missed, and what to do.
std::string in_words(const nlohmann::json& resync, const std::string& id) {
  const bool refused = resync.at("reason").get<std::string>() == "overflow";
  return fmt::format(
      "since {}, as a push {}; until it synchronizes, with its next connection or: kscpush sync {}",
      resync.at("since").get<std::string>(),
      refused ? "was refused for lack of room" : "expired before it was acknowledged", id);
}

Status run_device_show(const ShowOptions& options, Context& context) {
  const auto id = DeviceId::parse(options.id);
  if (!id) return fail(id.error());
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto registry = Registry::open(*file, options.dp, context);
  if (!registry) return fail(registry.error());
  auto device = registry->show(*id);
  if (!device) return fail(device.error());
  const Subject subject = subject_of(*device);
  (*device)["state"] = state_of(*device);
  (*device)["group_declared"] = file->site.has_group(subject.group);
  policy::Resolver resolver(file->site);
  (*device)["policy"] = policy_state(subject, resolver.resolve(subject.facts())->revision);
  // For people a line; as JSON they are what the server gave.
  const bool for_people =
      context.output_format() == Format::kTable || context.output_format() == Format::kWide;
  if (for_people) {
    (*device)["disconnects"] = in_a_line(device->at("disconnects"));
    auto& resync = (*device)["resync_required"];
    if (resync.is_object()) resync = in_words(resync, id->str());
  }
  print_object(*device,
               {{"Id", "/id"},
                {"Group", "/group"},
                {"Group declared", "/group_declared"},
                {"Tags", "/tags"},
                {"Platform", "/platform"},
                {"Address", "/address"},
                {"State", "/state"},
                {"Enrolled", "/enrolled"},
                {"Certificate ends", "/certificate_ends"},
                {"Added", "/added"},
                {"Last seen", "/last_seen"},
                {"Connected since", "/connection/since"},
                {"Protocol", "/connection/protocol"},
                {"Agent", "/connection/agent"},
                {"Subscribed", "/connection/subscribed"},
                {"Pushes in flight", "/connection/in_flight"},
                {"Pushes pending", "/queue/pending"},
                {"Last disconnects", "/disconnects"},
                {"Resync required", "/resync_required"},
                {"Policy desired", "/policy/desired"},
                {"Policy reported", "/policy/state"},
                {"  revision", "/policy/reported"},
                {"  result", "/policy/result"},
                {"  since", "/policy/since"},
                {"Local settings", "/local_settings"}},
               "/id", context);
  return {};
}

}  // namespace

void add_device_show(CLI::App& parent, Context& context) {
  auto options = std::make_shared<ShowOptions>();
  CLI::App* command =
      parent.add_subcommand("show", "All that is known of a device, and the policy it has");
  command->add_option("id", options->id, "Device id")->type_name("DEVICE")->required();
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_device_show(*options, context); };
  });
}

}  // namespace kscpush::cli
