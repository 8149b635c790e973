#include "agent/tunnels/tunnels.hpp"

#include <algorithm>

#include "agent/credentials.hpp"
#include "agent/modules.hpp"
#include "agent/tls.hpp"
#include "core/json_text.hpp"
#include "core/port_protocols.hpp"

namespace kscpush::agent {
namespace {

using nlohmann::json;

// Names are the same in any case (RFC 4343).
bool same_host(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

bool allows(const std::vector<std::string>& rules, const Endpoint& target) {
  return std::ranges::any_of(rules, [&](std::string_view rule) {
    const std::size_t colon = rule.rfind(':');
    std::string_view host = rule.substr(0, colon);
    const std::string_view port = rule.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return (host == "*" || same_host(host, target.host)) &&
           (port == "*" || port == std::to_string(target.port.value()));
  });
}

Status Tunnels::check(const Endpoint& target) const {
  const TunnelRules& rules = services_.config.tunnels;
  if (!allows(rules.allow, target)) {
    return fail({ErrorCode::kDenied, fmt::format("it allows no tunnel to {}", to_string(target)),
                 fmt::format("in the agent's file on that device, 'tunnels: {{allow: [\"{}\"]}}' "
                             "allows it, from the agent's next start",
                             to_string(target))});
  }
  const std::size_t present = open_.size() + opening_.size();
  if (present < rules.max) return {};
  return fail({ErrorCode::kOverloaded, fmt::format("it has {} tunnels already", present),
               "'tunnels: {max: N}' of the agent's file allows more"});
}

void Tunnels::open(const PushMessage& push, const Answer& answer) {
  auto opening = std::make_shared<Opening>(Opening{text_of(push.params, "tunnel"),
                                                   text_of(push.params, "token"),
                                                   {text_of(push.params, "host"), Port::of<1>()},
                                                   answer});
  const auto number = push.params.find("port");
  const auto port = Port::from(
      number != push.params.end() && number->is_number_integer() ? number->get<std::int64_t>() : 0);
  const bool complete = port && !opening->token.empty() && !opening->target.host.empty();
  if (!complete || stopped_) {
    const char* const why = stopped_ ? "it is stopping" : "tunnel.open names no token or no target";
    return refuse(*opening, {ErrorCode::kUsage, why, ""});
  }
  opening->target.port = *port;
  if (auto fits = check(opening->target); !fits) return refuse(*opening, fits.error());
  opening_.insert(opening);
  // The target first: then the operator hears at once what is wrong with it.
  opening->cancel = connect_tcp(services_.loop, opening->target,
                                [self = shared_from_this(), opening](Result<Descriptor> target) {
                                  if (target) return self->join(opening, std::move(*target));
                                  self->opening_.erase(opening);
                                  self->refuse(*opening, target.error());
                                });
}

void Tunnels::join(const std::shared_ptr<Opening>& opening, Descriptor target) {
  const auto files = CredentialFiles::in(services_.config.files, *services_.config.id);
  // The files of the moment: a certificate may have been renewed.
  auto tls = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  const auto loaded = load_tls(*tls, {files.authority, files.certificate, files.key});
  if (!loaded) {
    opening_.erase(opening);
    return refuse(*opening, loaded.error());
  }
  const auto socket = std::make_shared<Descriptor>(std::move(target));
  opening->cancel = join_tunnel(
      services_.loop, services_.uplink.server(), std::move(tls), opening->token,
      [self = shared_from_this(), opening, socket](Result<std::unique_ptr<Stream>> server) {
        self->opening_.erase(opening);
        if (!server) return self->refuse(*opening, server.error());
        self->relay(*opening, std::move(*socket), std::move(*server));
      });
}

void Tunnels::relay(const Opening& opening, Descriptor target, std::unique_ptr<Stream> server) {
  if (stopped_) return refuse(opening, {ErrorCode::kFailed, "it is stopping", ""});
  const std::uint64_t number = ++last_;
  services_.log.info("tunnel {} to {} is open", opening.id, to_string(opening.target));
  const TunnelRules& rules = services_.config.tunnels;
  auto relay = std::make_shared<Relay>(
      services_.loop, std::make_unique<PlainStream>(services_.loop, std::move(target)),
      std::move(server),
      TwoWayLimits{std::chrono::seconds(rules.idle_s), std::chrono::seconds(rules.lifetime_s)},
      [this, number, id = opening.id](const RelayEnd& end) {
        services_.log.info("tunnel {} has ended{}{}: {} bytes to the target, {} from it", id,
                           end.reason.empty() ? "" : ": ", end.reason, end.to_near, end.from_near);
        open_.erase(number);
      });
  open_.emplace(number, relay);
  relay->start();
  opening.answer(PushState::kCompleted, {{"tunnel", opening.id}});
}

void Tunnels::refuse(const Opening& opening, const Error& error) {
  services_.log.warn("tunnel {} to {}: {}", opening.id, to_string(opening.target), error.message);
  finish(opening.answer, fail(error));
}

void Tunnels::stop() {
  stopped_ = true;
  while (!opening_.empty()) {
    const auto cancel = (*opening_.begin())->cancel;
    opening_.erase(opening_.begin());
    cancel();
  }
  while (!open_.empty()) {
    const auto relay = open_.begin()->second;  // which takes itself out
    relay->end("the agent is stopping");
  }
}

json Tunnels::status() const {
  return {{"open", open_.size()},
          {"opening", opening_.size()},
          {"max", services_.config.tunnels.max},
          {"allow", services_.config.tunnels.allow}};
}

void add_tunnels(PushHandlers& handlers, Services& services) {
  auto tunnels = std::make_shared<Tunnels>(services);
  services.status.add("tunnels", [tunnels] { return tunnels->status(); });
  services.on_stop.emplace_back([tunnels] { tunnels->stop(); });
  handlers.add(
      std::string(kTunnelOpen),
      [tunnels](const PushMessage& push, const Answer& answer) { tunnels->open(push, answer); },
      Repeated::kRunsAgain);
}

}  // namespace kscpush::agent
