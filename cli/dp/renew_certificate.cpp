// kscpush dp renew-certificate: the push server's own certificate, of the site's authority.
#include <algorithm>
#include <ostream>

#include <CLI/CLI.hpp>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/support/output.hpp"
#include "cli/support/site_file.hpp"
#include "core/file.hpp"
#include "core/key_files.hpp"
#include "core/pki.hpp"
#include "server/enrolment.hpp"

namespace kscpush::cli {
namespace {

struct RenewOptions {
  std::string dp;
  std::vector<std::string> names;
  std::int64_t days = 825;
  bool dry_run = false;
};

constexpr std::size_t kMaxPem = 64UL * 1024;

// Those that it has, and the address that devices connect to; without one, what `init` takes.
Result<std::vector<std::string>> present_names(const site::ServerPaths& paths,
                                               const pki::KeyPair& authority) {
  const auto pem = read_file(paths.certificate, kMaxPem);
  if (!pem && pem.error().code == ErrorCode::kNotFound) {
    return std::vector<std::string>{"localhost", "127.0.0.1"};
  }
  if (!pem) return fail(pem.error());
  const auto issuer = pki::issuer_among(*pem, authority.certificate);
  if (!issuer) return fail(issuer.error());
  if (issuer->has_value()) return pki::server_names(*pem);
  return fail({ErrorCode::kInvalidConfig,
               fmt::format("{} was issued by another authority than the site's",
                           paths.certificate.string()),
               "have it renewed there; or move it away, and a certificate of the site's authority "
               "takes its place"});
}

Status run_renew(const RenewOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto dp = choose_distribution_point(*file, options.dp);
  if (!dp) return fail(dp.error());
  const auto paths = site::server_paths(**dp, file->folder());
  const auto authority = server::read_authority(paths);
  if (!authority) return fail(authority.error());
  auto names = present_names(paths, *authority);
  if (!names) return fail(names.error());
  auto wanted = options.names;
  if (!(*dp)->address.empty()) wanted.push_back((*dp)->address);
  for (const std::string& name : wanted) {
    if (std::ranges::find(*names, name) == names->end()) names->push_back(name);
  }
  const auto issued = pki::issue_server(*authority, (*dp)->name, *names, context.clock.wall(),
                                        std::chrono::days(options.days));
  if (!issued) return fail(issued.error());
  const auto info = pki::inspect(issued->certificate);
  if (!info) return fail(info.error());
  if (!options.dry_run) {
    auto written = replace({paths.certificate, paths.key}, issued->certificate, issued->key);
    if (!written) return written;
  }
  if (!prints_text(context)) {
    print_object({{"certificate", paths.certificate.string()},
                  {"key", paths.key.string()},
                  {"names", *names},
                  {"not_after", to_rfc3339(info->not_after)},
                  {"dry_run", options.dry_run}},
                 {}, "/certificate", context);
    return {};
  }
  context.out << fmt::format("{}{} and {}: for {}, valid until {}\n",
                             options.dry_run ? "Would write " : "", paths.certificate.string(),
                             paths.key.string(), fmt::join(*names, ", "),
                             to_rfc3339(info->not_after));
  if (!options.dry_run) {
    print_note(
        "A running push server takes it up with: systemctl reload kscpush (SIGHUP); devices "
        "stay connected",
        context);
  }
  return {};
}

}  // namespace

void add_dp_renew_certificate(CLI::App& parent, Context& context) {
  auto options = std::make_shared<RenewOptions>();
  CLI::App* command = parent.add_subcommand(
      "renew-certificate",
      "Give the push server a new key and certificate of the site's authority");
  command->add_option("dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command
      ->add_option("--name", options->names,
                   "A further name or address of it, beside those that it has (repeatable)")
      ->type_name("HOST")
      ->allow_extra_args(false);
  command->add_option("--days", options->days, "How long it is valid (default: 825)")
      ->type_name("N")
      ->check(CLI::Range(1, 36'500));
  command->add_flag("--dry-run", options->dry_run, "Print what would change; write nothing");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_renew(*options, context); };
  });
}

}  // namespace kscpush::cli
