// kscpush serve: runs the push server that the site configuration describes.
#include <asio/signal_set.hpp>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/dp/view.hpp"
#include "cli/plan_view.hpp"
#include "cli/support/log.hpp"
#include "policy/halves.hpp"
#include "server/admin/api.hpp"
#include "server/admin/site_json.hpp"

namespace kscpush::cli {
namespace {

struct ServeOptions {
  std::string dp;
  std::string log_level = "info";
  bool from_file = false;
};

// Everything that runs, in the order of its start.
class Service {
 public:
  Service(const ServeOptions& options, const Context& context)
      : options_(options), context_(context), log_(make_log(options.log_level)) {}

  Status start() {
    const auto file = load_site(context_);
    if (!file) return fail(file.error());
    const auto dp = choose_distribution_point(*file, options_.dp);
    if (!dp) return fail(dp.error());
    auto store = server::Store::open(site::server_paths(**dp, file->folder()).state_directory,
                                     context_.clock, server::store_limits((*dp)->push_server));
    if (!store) return fail(store.error());
    auto running = server::SiteKeeper::choose(**store, file->sources.bundle(), (*dp)->name,
                                              options_.from_file, context_.clock.wall());
    if (!running) return fail(running.error().error);
    tell_what_runs(*running, *file);
    return run(std::move(*store), std::move(*running), (*dp)->name, *file);
  }

  // SIGHUP: the files again, and what they name.
  void reload() {
    server::systemd::reloading();
    const auto file = load_site(context_);
    if (!file) {
      log_->error("not reloaded, all stays as it was: the configuration does not hold");
      tell_systemd();
      return;
    }
    server::SiteRequest request;
    request.files = file->sources.bundle();
    request.how = "reload";
    request.own_files = true;
    keeper_->submit(std::move(request), [this](const auto& change) {
      tell_systemd();
      if (!change) {
        log_->error("not reloaded, all stays as it was: {}", change.error().error.message);
        return;
      }
      if (auto tokens = server::Authenticator::load(server_->config()->paths); tokens) {
        api_->use(std::move(*tokens));
      } else {
        log_->error("the tokens stay as they were: {}", tokens.error().message);
      }
      for (const auto& line : plan_lines(server::to_json(change->plan))) log_->info("{}", line);
      for (const auto& note : change->notes) log_->warn("{}", note);
    });
  }

  // HTTP goes last of all: until then requests are answered, if only with "is stopping".
  void stop() {
    server::systemd::stopping();
    server_->stop();
    keeper_->stop();
    api_->stop();
    http_.reset();
  }

  spdlog::logger& log() { return *log_; }

 private:
  void tell_systemd() {
    const auto config = server_->config();
    server::systemd::ready(fmt::format(
        "push server of '{}' on {}:{}, revision {}", config->dp.name, config->dp.push_server.listen,
        config->dp.push_server.port.value(), keeper_->running()->revision.number));
  }

  void tell_what_runs(const server::RunningSite& running, const SiteFile& file) {
    const server::SiteRevision& revision = running.revision;
    log_->info("configuration: revision {} of {} ({})", revision.number,
               to_rfc3339(revision.applied), revision.how);
    if (server::same_files(running.files, file.sources.bundle())) return;
    log_->warn(
        "{} says otherwise, but it has not changed since revision {} was applied: "
        "'kscpush diff' shows how, 'kscpush apply' makes it run",
        file.sources.root().name(), revision.number);
  }

  Status run(std::unique_ptr<server::Store> store, server::RunningSite running,
             const std::string& name, const SiteFile& file) {
    const site::DistributionPoint dp = *running.site.find_distribution_point(name);
    const auto paths = site::server_paths(dp, file.folder());
    auto passed = server::systemd::PassedSockets::take();
    if (!passed) return fail(passed.error());
    auto server = server::PushServer::start(
        {dp, paths, std::make_shared<const site::Site>(running.site),
         std::make_shared<const server::systemd::PassedSockets>(std::move(*passed))},
        std::move(store), context_.clock, *log_);
    if (!server) return fail(server.error());
    auto authenticator = server::Authenticator::load(paths);
    if (!authenticator) return fail(authenticator.error());
    server_ = std::move(*server);
    keeper_ =
        std::make_unique<server::SiteKeeper>(*server_, std::move(running), file.folder(), *log_);
    api_ = std::make_unique<server::AdminApi>(*server_, *keeper_, std::move(*authenticator));
    const auto& listen = dp.push_server.admin.listen;
    auto http = server::HttpServer::start(
        listen,
        [this](const server::HttpRequest& request, const server::HttpRespond& respond) {
          api_->handle(request, respond);
        },
        {}, api_->http_usage());
    if (!http) return fail(http.error());
    http_ = std::move(*http);
    log_->info("admin API on {}:{}", listen.host, listen.port.value());
    tell_systemd();
    const auto in_force = keeper_->running();  // which an apply may replace meanwhile
    const site::Site& site = in_force->site;
    if (policy::policy_half(site, dp).half != policy::Half::kInPlace) {
      print_note(describe_policy_half(site, dp), context_);
    }
    return {};
  }

  const ServeOptions options_;
  const Context& context_;
  std::unique_ptr<spdlog::logger> log_;
  std::unique_ptr<server::PushServer> server_;
  std::unique_ptr<server::SiteKeeper> keeper_;
  std::unique_ptr<server::AdminApi> api_;
  std::unique_ptr<server::HttpServer> http_;
};

void await_signals(asio::signal_set& signals, Service& service) {
  signals.async_wait([&](const asio::error_code& error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      service.log().info("SIGHUP received");
      service.reload();
      await_signals(signals, service);
      return;
    }
    service.log().info("{} received", signal == SIGINT ? "SIGINT" : "SIGTERM");
  });
}

Status run_serve(const ServeOptions& options, Context& context) {
  // Signals are taken before there is anything that must be stopped cleanly.
  asio::io_context loop{1};
  asio::signal_set signals(loop, SIGTERM, SIGINT, SIGHUP);
  Service service(options, context);
  if (auto started = service.start(); !started) return started;
  await_signals(signals, service);
  loop.run();
  service.stop();
  return {};
}

}  // namespace

void add_serve(CLI::App& parent, Context& context) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = parent.add_subcommand("serve", "Run the push server of a distribution point");
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->add_flag("--from-file", options->from_file,
                    "Run what the files say, also when another revision was applied since they "
                    "were changed");
  add_log_level(*command, options->log_level);
  command->callback([options, &context] {
    context.action = [options, &context] { return run_serve(*options, context); };
  });
}

}  // namespace kscpush::cli
