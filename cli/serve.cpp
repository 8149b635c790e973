// kscpush serve: runs the push server that the site configuration describes.
#include <asio/signal_set.hpp>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/dp/view.hpp"
#include "cli/support/log.hpp"
#include "policy/halves.hpp"
#include "server/admin/api.hpp"

namespace kscpush::cli {
namespace {

struct ServeOptions {
  std::string dp;
  std::string log_level = "info";
};

Status run_serve(const ServeOptions& options, Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto dp = choose_distribution_point(*file, options.dp);
  if (!dp) return fail(dp.error());
  const auto paths = site::server_paths(**dp, file->folder());
  const auto log = make_log(options.log_level);

  // Signals are taken before there is anything that must be stopped cleanly.
  asio::io_context loop{1};
  asio::signal_set signals(loop, SIGTERM, SIGINT);

  auto server = server::PushServer::start({**dp, paths}, context.clock, *log);
  if (!server) return fail(server.error());
  auto authenticator = server::Authenticator::load(paths);
  if (!authenticator) return fail(authenticator.error());
  server::AdminApi api(**server, file->site, std::move(*authenticator));
  const auto& listen = (*dp)->push_server.admin.listen;
  auto http = server::HttpServer::start(
      listen, [&api](const server::HttpRequest& request, const server::HttpRespond& respond) {
        api.handle(request, respond);
      });
  if (!http) return fail(http.error());
  log->info("admin API on {}:{}", listen.host, listen.port.value());
  if (policy::policy_half(file->site, **dp).half != policy::Half::kInPlace) {
    print_note(describe_policy_half(*file, **dp), context);
  }

  signals.async_wait([&](const asio::error_code&, int signal) {
    log->info("{} received", signal == SIGINT ? "SIGINT" : "SIGTERM");
  });
  loop.run();
  (*server)->stop();
  return {};
}

}  // namespace

void add_serve(CLI::App& parent, Context& context) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = parent.add_subcommand("serve", "Run the push server of a distribution point");
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  add_log_level(*command, options->log_level);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_serve(*options, context); };
  });
}

}  // namespace kscpush::cli
