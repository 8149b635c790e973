#include "server/tunnel/tunnels.hpp"

#include "core/error_json.hpp"
#include "core/error_table.hpp"
#include "core/json_text.hpp"
#include "core/pki.hpp"
#include "core/words.hpp"

namespace kscpush::server {
namespace {

using nlohmann::json;

constexpr std::string_view kAccepted = "{\"ok\":true}\n";

Error not_found(const Ulid& id) {
  return {ErrorCode::kNotFound, fmt::format("no tunnel '{}'", id.str()),
          "'kscpush tunnel list --all' lists them; they are forgotten some time after their end"};
}

constexpr std::size_t kMostQuoted = 500;  // bytes of text of a device's

// What the device says when it does not do it.
Error refusal(const PushAnswer& answer, const TunnelRecord& tunnel) {
  const auto text = [&](const char* name) {
    return answer.result.is_object() ? one_line(text_of(answer.result, name), kMostQuoted)
                                     : std::string();
  };
  const auto code = error_code_from_name(text("code")).value_or(ErrorCode::kFailed);
  const std::string why = text("error");
  return {code,
          fmt::format("device '{}': {}", tunnel.device.str(),
                      why.empty() ? "it does not open the tunnel" : why),
          text("hint")};
}

}  // namespace

std::string_view to_string(TunnelState state) {
  constexpr std::array<std::string_view, 4> kNames{"opening", "waiting", "open", "ended"};
  return kNames.at(static_cast<std::size_t>(state));
}

Tunnels::Tunnels(SideServer& side, Store& store, const Clock& clock, spdlog::logger& log, Ask ask)
    : side_(side), store_(store), clock_(clock), log_(log), ask_(std::move(ask)) {}

TunnelView ended_view(const TunnelRecord& record) {
  TunnelView view{record, TunnelState::kEnded};
  if (record.end) {
    view.to_device = static_cast<std::uint64_t>(record.end->to_device);
    view.from_device = static_cast<std::uint64_t>(record.end->from_device);
  }
  return view;
}

// --- Opening one

void Tunnels::open(TunnelOrder order, Opened done) {
  side_.loop().post([this, order = std::move(order), done = std::move(done)]() mutable {
    if (auto fits = check(order); !fits) return done(fail(fits.error()));
    begin(std::move(order), done);
  });
}

Status Tunnels::check(const TunnelOrder& order) const {
  if (stopped_) return fail(ErrorCode::kUnreachable, "the push server is stopping");
  if (tunnels_.size() >= kMost) {
    return fail({ErrorCode::kOverloaded, fmt::format("there are {} tunnels already", kMost),
                 "'kscpush tunnel list' shows them, 'kscpush tunnel close ID' ends one"});
  }
  const auto found = of_device_.find(order.device.str());
  if (found == of_device_.end() || found->second < kMostOfDevice) return {};
  return fail({ErrorCode::kOverloaded,
               fmt::format("device '{}' has {} tunnels already", order.device.str(),
                           std::size_t{kMostOfDevice}),
               "'kscpush tunnel close ID' ends one"});
}

void Tunnels::begin(TunnelOrder order, const Opened& done) {
  const WallTime now = clock_.wall();
  const Secret device_token = pki::random_token();
  Secret caller_token = pki::random_token();
  Tunnel tunnel{.record = {.id = Ulid::generate(now),
                           .device = order.device,
                           .host = order.host,
                           .port = order.port,
                           .opened_by = order.opened_by,
                           .opened = now},
                .order = std::move(order),
                .deadline = side_.now() + kTokenLasts,
                .device_token = pki::sha256_hex(device_token.str()),
                .caller_token = pki::sha256_hex(caller_token.str())};
  const Ulid id = tunnel.record.id;
  tokens_.emplace(tunnel.device_token, id.str());
  tokens_.emplace(tunnel.caller_token, id.str());
  ++of_device_[tunnel.record.device.str()];
  counters_.pending.add();
  const TunnelRecord record = tunnel.record;
  tunnels_.emplace(id.str(), std::move(tunnel));
  // Nobody gets anywhere without a record of it on disk.
  store_.add_tunnel(record, [this, id, device_token, caller_token, done](const Status& stored) {
    side_.loop().post([this, id, device_token, caller_token, stored, done] {
      if (stored) return ask_device(id, device_token.str(), caller_token, done);
      if (Tunnel* const found = find(id)) end(*found, "its record could not be written");
      done(fail(stored.error()));
    });
  });
}

void Tunnels::ask_device(const Ulid& id, const std::string& device_token, Secret caller_token,
                         const Opened& done) {
  const Tunnel* const tunnel = find(id);
  if (tunnel == nullptr) return done(fail(not_found(id)));
  const json params{{"tunnel", id.str()},
                    {"token", device_token},
                    {"host", tunnel->record.host},
                    {"port", tunnel->record.port.value()}};
  const auto asked = [this, id, caller_token = std::move(caller_token),
                      done](Result<PushAnswer> answer) {
    side_.loop().post([this, id, caller_token, done, answer = std::move(answer)]() mutable {
      answered(id, std::move(answer), caller_token, done);
    });
  };
  ask_(tunnel->record.device, params.dump(), asked);
}

void Tunnels::answered(const Ulid& id, Result<PushAnswer> answer, Secret caller_token,
                       const Opened& done) {
  Tunnel* const tunnel = find(id);
  if (tunnel == nullptr) {
    return done(fail(ErrorCode::kFailed, "the tunnel was closed while it was opened"));
  }
  std::optional<Error> error;
  if (!answer) {
    error = answer.error();
    if (error->code == ErrorCode::kNoAnswer) {
      error->hint = "it takes 'kscpush agent', or another client that knows tunnel.open";
    }
  } else if (answer->status != PushState::kCompleted) {
    error = refusal(*answer, tunnel->record);
  } else if (!tunnel->device_end.link) {
    error = Error{ErrorCode::kFailed,
                  fmt::format("device '{}' says that the tunnel is open, but its side is not here",
                              tunnel->record.device.str()),
                  ""};
  }
  if (error) {
    end(*tunnel, error->message);
    return when_written(id, [done, why = std::move(*error)] { done(fail(why)); });
  }
  tunnel->state = TunnelState::kWaiting;
  tunnel->deadline = side_.now() + kTokenLasts;
  done(OpenedTunnel{tunnel->record, std::move(caller_token), clock_.wall() + kTokenLasts});
}

// --- The two sides

void Tunnels::serve(const SideRequest& request) {
  const std::string hash = pki::sha256_hex(request.line);
  const auto found = tokens_.find(hash);
  Tunnel* const tunnel = found == tokens_.end() || stopped_ ? nullptr : &tunnels_.at(found->second);
  if (tunnel == nullptr) {
    return refuse(request, {ErrorCode::kDenied, "the token is not known, was used, or is over",
                            "each tunnel has its own, for one use within a minute"});
  }
  if (hash == tunnel->device_token) {
    serve_device(*tunnel, request);
  } else {
    serve_caller(*tunnel, request);
  }
}

void Tunnels::refuse(const SideRequest& request, Error error) {
  counters_.tokens_refused.add();
  side_.warnings().warn("{}: a side of a tunnel refused: {}", request.link.peer_address(),
                        error.message);
  side_.answer(request.connection, to_json(error).dump());
}

void Tunnels::serve_device(Tunnel& tunnel, const SideRequest& request) {
  const auto device = request.link.peer_device_id();
  if (!device || *device != tunnel.record.device.str()) {
    return refuse(request, {ErrorCode::kDenied,
                            fmt::format("this side of the tunnel is for device '{}', with its "
                                        "certificate",
                                        tunnel.record.device.str()),
                            ""});
  }
  tokens_.erase(std::exchange(tunnel.device_token, {}));
  tunnel.device_end = side_.take_over(request.connection);
  const IoResult told = tunnel.device_end.link->write(kAccepted);
  if (told.bytes != kAccepted.size()) end(tunnel, "the device's side was lost");
}

void Tunnels::serve_caller(Tunnel& tunnel, const SideRequest& request) {
  // It is not told before the device has said yes, so whoever knows it now has guessed.
  if (tunnel.state != TunnelState::kWaiting) {
    return refuse(request, {ErrorCode::kDenied, "the tunnel is not open yet", ""});
  }
  tokens_.erase(std::exchange(tunnel.caller_token, {}));
  SideServer::Taken caller = side_.take_over(request.connection);
  const IoResult told = caller.link->write(kAccepted);
  if (told.bytes != kAccepted.size()) return end(tunnel, "the operator's side was lost");
  tunnel.state = TunnelState::kOpen;
  counters_.pending.sub();
  counters_.open.add();
  counters_.opened.add();
  const TwoWayLimits limits{tunnel.order.idle, tunnel.order.lifetime, tunnel.order.most_bytes};
  tunnel.splice =
      std::make_shared<Splice>(side_, std::move(caller), std::move(tunnel.device_end), limits,
                               [this, id = tunnel.record.id](const std::string& reason) {
                                 if (Tunnel* const over = find(id)) ended(*over, reason);
                               });
  tunnel.splice->start();
}

// --- The end

void Tunnels::end(Tunnel& tunnel, const std::string& reason) {
  if (tunnel.splice) {
    tunnel.splice->end(reason);  // which calls ended()
    return;
  }
  if (tunnel.device_end.link) tunnel.device_end.link->break_off();
  ended(tunnel, reason);
}

void Tunnels::ended(Tunnel& tunnel, const std::string& reason) {
  const TunnelView last = view(tunnel);
  tokens_.erase(tunnel.device_token);
  tokens_.erase(tunnel.caller_token);
  const auto device = of_device_.find(tunnel.record.device.str());
  if (--device->second == 0) of_device_.erase(device);
  if (tunnel.state == TunnelState::kOpen) {
    counters_.open.sub();
    counters_.bytes.add(last.to_device + last.from_device);
  } else {
    counters_.pending.sub();
    counters_.failed.add();
  }
  log_.info("tunnel {} of {} to {} {}:{} ended: {} ({} bytes to the device, {} from it)",
            last.record.id.str(), last.record.opened_by, last.record.device.str(), last.record.host,
            last.record.port.value(), reason, last.to_device, last.from_device);
  TunnelRecord record = last.record;
  record.end = TunnelEnd{clock_.wall(), reason, static_cast<std::int64_t>(last.to_device),
                         static_cast<std::int64_t>(last.from_device)};
  const std::string id(record.id.str());
  store_.end_tunnel(record.id, *record.end, [this, id](const Status& written) {
    if (!written)
      log_.error("the end of tunnel {} is not on disk: {}", id, written.error().message);
    side_.loop().post([this, id] { this->written(id); });
  });
  ending_.emplace(id, Ending{std::move(record)});
  tunnels_.erase(id);
}

void Tunnels::written(const std::string& id) {
  const auto ending = ending_.extract(id);
  if (ending.empty()) return;
  for (const auto& call : ending.mapped().then) call();
}

// What is answered is on disk.
void Tunnels::when_written(const Ulid& id, std::function<void()> call) {
  const auto ending = ending_.find(id.str());
  if (ending == ending_.end()) return call();
  ending->second.then.push_back(std::move(call));
}

void Tunnels::tick(MonoTime now) {
  for (auto at = tunnels_.begin(); at != tunnels_.end();) {
    Tunnel& tunnel = (at++)->second;
    if (tunnel.state == TunnelState::kOpen || now < tunnel.deadline) continue;
    end(tunnel, tunnel.state == TunnelState::kWaiting ? "the operator's side did not come in time"
                                                      : "the device did not answer in time");
  }
  if (now < next_recheck_) return;
  next_recheck_ = now + kRecheckEvery;
  recheck_proofs();
}

void Tunnels::recheck_proofs() {
  if (!trust_) return;
  for (auto at = tunnels_.begin(); at != tunnels_.end();) {
    Tunnel& tunnel = (at++)->second;
    const PeerProof* const proof = tunnel.splice ? tunnel.splice->device_proof() : nullptr;
    if (proof == nullptr) continue;
    const auto objection = trust_->objection(*proof, unix_seconds(clock_.wall()));
    if (!objection.empty()) end(tunnel, fmt::format("the device's certificate: {}", objection));
  }
}

void Tunnels::use(std::shared_ptr<const TlsTrust> trust) {
  side_.loop().post([this, trust = std::move(trust)]() mutable {
    trust_ = std::move(trust);
    recheck_proofs();
  });
}

void Tunnels::recheck(const DeviceId& id, std::function<Status(const DeviceId&)> may) {
  side_.loop().post([this, id, may = std::move(may)] {
    if (!of_device_.contains(id.str())) return;
    const auto allowed = may(id);
    if (allowed) return;
    for (auto at = tunnels_.begin(); at != tunnels_.end();) {
      Tunnel& tunnel = (at++)->second;
      if (tunnel.record.device == id) end(tunnel, allowed.error().message);
    }
  });
}

void Tunnels::stop() {
  stopped_ = true;
  while (!tunnels_.empty()) end(tunnels_.begin()->second, "the push server is stopping");
}

// --- Looking at them

Tunnels::Tunnel* Tunnels::find(const Ulid& id) {
  const auto found = tunnels_.find(id.str());
  return found == tunnels_.end() ? nullptr : &found->second;
}

TunnelView Tunnels::view(const Tunnel& tunnel) {
  TunnelView view{tunnel.record, tunnel.state};
  if (tunnel.splice) {
    view.to_device = tunnel.splice->to_device();
    view.from_device = tunnel.splice->from_device();
  }
  return view;
}

void Tunnels::list(std::function<void(std::vector<TunnelView>)> done) {
  side_.loop().post([this, done = std::move(done)] {
    std::vector<TunnelView> all;
    for (const auto& [id, tunnel] : tunnels_) all.push_back(view(tunnel));
    done(std::move(all));
  });
}

void Tunnels::find(const Ulid& id, Found done) {
  side_.loop().post([this, id, done = std::move(done)] {
    if (const Tunnel* const tunnel = find(id)) return done(view(*tunnel));
    if (const auto ending = ending_.find(id.str()); ending != ending_.end()) {
      return done(ended_view(ending->second.record));
    }
    const auto kept = store_.find_tunnel(id);
    if (!kept) return done(fail(kept.error()));
    if (!kept->has_value()) return done(fail(not_found(id)));
    done(ended_view(**kept));
  });
}

void Tunnels::close(const Ulid& id, std::string reason, Found done) {
  side_.loop().post([this, id, reason = std::move(reason), done = std::move(done)] {
    Tunnel* const tunnel = find(id);
    if (tunnel == nullptr) return find(id, done);
    end(*tunnel, reason);
    when_written(id, [this, id, done] { find(id, done); });
  });
}

}  // namespace kscpush::server
