// kscpush device move, tag, remove, revoke, restore: what is done to one or more devices.
#include <ostream>

#include <fmt/ranges.h>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/device/each.hpp"
#include "cli/device/registry.hpp"
#include "cli/plan_view.hpp"
#include "cli/support/groups.hpp"
#include "cli/support/output.hpp"
#include "server/admin/json.hpp"

namespace kscpush::cli {
namespace {

struct ChangeOptions {
  std::vector<std::string> ids;
  std::string group;
  std::vector<std::string> add;
  std::vector<std::string> remove;
  std::string dp;
  bool sync = true;

  void add_sync_to(CLI::App& command) {
    command.add_flag("--sync,!--no-sync", sync,
                     "Tell those that hold a connection and have another policy now to synchronize "
                     "(default), or leave it until they connect next");
  }
  void add_to(CLI::App& command) {
    command.add_option("id", ids, "Device ids")->type_name("DEVICE")->required();
    command.add_option("--dp", dp, "Distribution point (default: the only one)")->type_name("DP");
  }
};

// Notes in TOLD that the device is told to synchronize, if it is. CHANGED: what the server
// answered.
Status note_sync(const nlohmann::json& changed, std::vector<std::string>& told) {
  const nlohmann::json sync = changed.value("sync", nlohmann::json());
  if (sync.is_null()) return {};
  const auto id = changed.at("id").get<std::string>();
  if (!sync.at("error").is_null()) {
    return fail(within(fmt::format("device '{}' is changed, but not told to synchronize", id),
                       error_from_json(sync.at("error"))));
  }
  told.push_back(id);
  return {};
}

void say_told(const std::vector<std::string>& told, const Context& context) {
  constexpr std::size_t kMostNamed = 10;
  if (told.empty()) return;
  const bool named = told.size() <= kMostNamed;
  print_note(fmt::format("Synchronizing {}: 'kscpush status{}{}' shows which have applied it.",
                         count_devices(told.size()), named ? " " : "",
                         named ? fmt::format("{}", fmt::join(told, " ")) : ""),
             context);
}

// What was done to each: a line of words, or for programs a list of the devices.
class DevicePrinter {
 public:
  explicit DevicePrinter(Context& context) : context_(context), list_({}, "/id", context) {}
  void add(const nlohmann::json& device, const std::string& words) {
    if (prints_text(context_)) {
      context_.out << words << '\n';
    } else {
      list_.add(nlohmann::json::array({device}));
      begun_ = true;
    }
  }
  // With nothing when there was none: then there is an error to tell.
  void finish() {
    if (begun_) list_.finish();
    context_.out.flush();
  }

 private:
  bool begun_ = false;
  Context& context_;
  ListPrinter list_;
};

// CHANGE each; SAYS what is so then, of the device as the registry shows it.
Status change_devices(const ChangeOptions& options, const SiteFile& file,
                      const server::DeviceChange& change,
                      const std::function<std::string(const nlohmann::json&)>& says,
                      Context& context) {
  const auto registry = Registry::open(file, options.dp, context);
  if (!registry) return fail(registry.error());
  std::vector<std::string> told;
  DevicePrinter printer(context);
  const auto change_one = [&](const DeviceId& id) -> Status {
    const auto changed = registry->change(id, change, options.sync);
    if (!changed) return fail(changed.error());
    printer.add(*changed, fmt::format("device '{}' {}", id.str(), says(*changed)));
    return note_sync(*changed, told);
  };
  auto done = for_each_device(options.ids, change_one, context);
  printer.finish();
  say_told(told, context);
  return done;
}

Status run_move(const ChangeOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  if (auto known = require_group(file->site, options.group); !known) return known;
  return change_devices(
      options, *file, {.group = options.group},
      [&](const nlohmann::json&) { return fmt::format("moved to group '{}'", options.group); },
      context);
}

Status run_tag(const ChangeOptions& options, Context& context) {
  if (options.add.empty() && options.remove.empty()) {
    return fail({ErrorCode::kUsage, "neither --add nor --remove is given",
                 "for example: kscpush device tag pc-1 --add laptop --remove vip"});
  }
  auto add = make_tags(options.add);
  if (!add) return fail(add.error());
  auto remove = make_tags(options.remove);
  if (!remove) return fail(remove.error());
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  return change_devices(
      options, *file, {.add_tags = std::move(*add), .remove_tags = std::move(*remove)},
      [](const nlohmann::json& device) {
        const auto tags = device.at("tags").get<Tags>();
        return tags.empty() ? std::string("has no tags") : "has the tags " + join(tags);
      },
      context);
}

Status run_revoked(const ChangeOptions& options, bool revoked, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  return change_devices(
      options, *file, {.revoked = revoked},
      [revoked](const nlohmann::json&) {
        return revoked ? "revoked: it is disconnected and refused until 'kscpush device restore'"
                       : "restored: it may connect again";
      },
      context);
}

Status run_remove(const ChangeOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto registry = Registry::open(*file, options.dp, context);
  if (!registry) return fail(registry.error());
  DevicePrinter printer(context);
  const auto remove_one = [&](const DeviceId& id) -> Status {
    if (auto removed = registry->remove(id); !removed) return removed;
    printer.add({{"id", id.str()}, {"removed", true}},
                fmt::format("device '{}' removed, with its pushes", id.str()));
    return {};
  };
  auto done = for_each_device(options.ids, remove_one, context);
  printer.finish();
  return done;
}

using Run = std::function<Status(const ChangeOptions&, Context&)>;

CLI::App* add_change(CLI::App& parent, Context& context, const char* name, const char* help,
                     const std::shared_ptr<ChangeOptions>& options, const Run& run) {
  CLI::App* command = parent.add_subcommand(name, help);
  options->add_to(*command);
  command->callback([options, run, &context] {
    context.action = [options, run, &context] { return run(*options, context); };
  });
  return command;
}

}  // namespace

void add_device_move(CLI::App& parent, Context& context) {
  auto options = std::make_shared<ChangeOptions>();
  CLI::App* command =
      add_change(parent, context, "move", "Put devices into another group", options, run_move);
  command->add_option("--group", options->group, "Where to")->type_name("GROUP")->required();
  options->add_sync_to(*command);
}

void add_device_tag(CLI::App& parent, Context& context) {
  auto options = std::make_shared<ChangeOptions>();
  CLI::App* command =
      add_change(parent, context, "tag", "Give tags to devices and take them", options, run_tag);
  command->add_option("--add", options->add, "A tag that they get (repeatable)")
      ->type_name("TAG")
      ->allow_extra_args(false);
  command->add_option("--remove", options->remove, "A tag that they lose (repeatable)")
      ->type_name("TAG")
      ->allow_extra_args(false);
  options->add_sync_to(*command);
}

void add_device_remove(CLI::App& parent, Context& context) {
  add_change(parent, context, "remove", "Take devices out of the registry, with their pushes",
             std::make_shared<ChangeOptions>(), run_remove);
}

void add_device_revoke(CLI::App& parent, Context& context) {
  add_change(parent, context, "revoke", "Disconnect devices and refuse them from now on",
             std::make_shared<ChangeOptions>(), [](const ChangeOptions& options, Context& world) {
               return run_revoked(options, true, world);
             });
}

void add_device_restore(CLI::App& parent, Context& context) {
  add_change(parent, context, "restore", "Let revoked devices connect again",
             std::make_shared<ChangeOptions>(), [](const ChangeOptions& options, Context& world) {
               return run_revoked(options, false, world);
             });
}

}  // namespace kscpush::cli
