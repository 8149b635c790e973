// kscpush device import
#include <algorithm>
#include <ostream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/device/device_table.hpp"
#include "cli/device/registry.hpp"
#include "cli/support/groups.hpp"
#include "cli/support/output.hpp"
#include "cli/support/progress.hpp"
#include "core/file.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kMostBytes = std::size_t{256} << 20U;

struct ImportOptions {
  std::string file;
  std::string group;
  bool skip_bad = false;
  bool dry_run = false;
  std::string dp;
};

// The first ones: a table whose columns are mixed up has a mistake in every row.
void print_bad(const DeviceTable& table, const std::string& name, const Context& context) {
  constexpr std::size_t kMost = 100;
  for (std::size_t i = 0; i < std::min(kMost, table.bad.size()); ++i) {
    const DeviceTable::Bad& bad = table.bad[i];
    Error shown = bad.error;
    shown.message = fmt::format("{}:{}: {}", name, bad.line, bad.error.message);
    print_error(shown, context);
  }
  if (table.bad.size() > kMost) {
    print_note(fmt::format("... and {} rows more; -o json with --skip-bad --dry-run lists them all",
                           table.bad.size() - kMost),
               context);
  }
}

void print_outcome(const DeviceTable& table, const ImportOptions& options, Context& context) {
  if (prints_text(context)) {
    context.out << fmt::format(
        "{} devices {}{}\n", table.devices.size(), options.dry_run ? "would be added" : "added",
        table.bad.empty() ? "" : fmt::format(", {} rows skipped", table.bad.size()));
    return;
  }
  json bad = json::array();
  for (const auto& [line, error] : table.bad) {
    bad.push_back({{"line", line}, {"message", error.message}, {"hint", error.hint}});
  }
  print_object({{"added", options.dry_run ? 0 : table.devices.size()},
                {"valid", table.devices.size()},
                {"bad", std::move(bad)}},
               {}, "/added", context);
}

Result<DeviceTable> read_table(const ImportOptions& options, const SiteFile& file,
                               const std::string& name, const Context& context) {
  if (!options.group.empty()) {
    if (auto known = require_group(file.site, options.group); !known) return fail(known.error());
  }
  const auto path =
      options.file == "-" ? std::filesystem::path("/dev/stdin") : context.directory / options.file;
  const auto text = read_file(path, kMostBytes);
  if (!text) return fail(text.error());
  auto table = read_device_table(*text, file.site, options.group);
  if (!table) return fail(within(name, table.error()));
  return table;
}

Status run_import(const ImportOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto registry = Registry::open(*file, options.dp, context);
  if (!registry) return fail(registry.error());
  const std::string name = options.file == "-" ? "standard input" : options.file;
  auto table = read_table(options, *file, name, context);
  if (!table) return fail(table.error());
  const auto existing = registry->existing(table->devices);
  if (!existing) return fail(existing.error());
  table->reject_existing(*existing);
  print_bad(*table, name, context);
  const std::size_t rows = table->devices.size() + table->bad.size();
  if (!table->bad.empty() && !options.skip_bad) {
    return fail({ErrorCode::kFailed,
                 fmt::format("{}: {} of {} rows cannot be imported; nothing was written", name,
                             table->bad.size(), rows),
                 "mend them, or import the others with --skip-bad"});
  }
  if (!options.dry_run) {
    Progress progress("devices imported", table->devices.size(), context);
    const auto imported =
        registry->import(table->devices, [&](std::size_t done) { progress.at(done); });
    if (!imported) return imported;
  }
  print_outcome(*table, options, context);
  if (table->bad.empty()) return {};
  return fail({ErrorCode::kPartial,
               fmt::format("{}: {} of {} rows were skipped", name, table->bad.size(), rows), ""});
}

}  // namespace

void add_device_import(CLI::App& parent, Context& context) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* command = parent.add_subcommand(
      "import", "Register the devices of a table: all, or none when a row is bad");
  command
      ->add_option("file", options->file,
                   "CSV whose first row names the columns id, group, tags, platform, address; '-' "
                   "reads standard input")
      ->type_name("FILE")
      ->required();
  command->add_option("--group", options->group, "The group of devices that have none")
      ->type_name("GROUP");
  command->add_flag("--skip-bad", options->skip_bad, "Leave bad rows out and import the others");
  command->add_flag("--dry-run", options->dry_run, "Only say which rows are bad");
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_import(*options, context); };
  });
}

}  // namespace kscpush::cli
