#include "server/shard.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "server/net/tls_record.hpp"

namespace kscpush::server {
namespace {

// Of one read: a TLS record, as server/net/tls_link.hpp asks for.
constexpr std::size_t kScratchBytes = kMostTlsRecord;
// Steps of pushes that a full or failing disk did not take: so often, so many at a time.
constexpr std::chrono::seconds kRetryEvery{5};
constexpr std::size_t kRetried = 10'000;

Error offline_error(std::string_view id) {
  return Error{ErrorCode::kOffline, fmt::format("device '{}' is not connected", id),
               "'kscpush device list' shows when it was last seen"};
}

std::string_view describe(mqtt::Version version) {
  return version == mqtt::Version::kV5 ? "MQTT 5" : "MQTT 3.1.1";
}

// "192.0.2.1:40000" -> "192.0.2.1"; an IPv4 address of a socket that speaks both is shown as one.
std::string_view host_of(std::string_view address) {
  constexpr std::string_view kMapped = "::ffff:";
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return {};  // not known: the peer is gone again
  std::string_view host = address.substr(0, colon);
  if (host.starts_with(kMapped) && host.find('.') != std::string_view::npos) {
    host.remove_prefix(kMapped.size());
  }
  return host;
}

}  // namespace

std::size_t home_shard(std::string_view device_id, std::size_t count) {
  return std::hash<std::string_view>{}(device_id) % count;
}

void Device::on_timer(MonoTime /*now*/) {
  if (connection != nullptr) {
    shard.pause_over(*this);
  } else {
    shard.session_expired(*this);
  }
}

Shard::Shard(std::size_t index, ShardContext& context)
    : context_(context),
      settings_(context.settings),
      index_(index),
      wheel_(context.clock.now()),
      scratch_(kScratchBytes) {}

Shard::~Shard() {
  close();
}

void Shard::close() {
  closed_ = true;
  resume_accept_ = nullptr;
  to_flush_.clear();
  ready_.clear();
  waiting_.clear();
  connections_.clear();
  devices_.clear();
  reports_.flush();
  // What is posted finds no device and is answered so.
  loop_.poll();
  probes_.fail_all(Error{ErrorCode::kUnreachable, "the push server is stopping", ""});
}

// --- Connections

void Shard::use(std::shared_ptr<const ShardSettings> settings) {
  // The sessions refer to the limits: they change over before the old ones may go.
  const auto change = [&](Connection& connection) { connection.use(settings->mqtt_limits); };
  waiting_.for_each(change);
  connections_.for_each(change);
  settings_ = std::move(settings);
  policies_.reset();
  if (resume_accept_) resume_accept_();
}

void Shard::use(std::shared_ptr<const TlsTrust> trust) {
  trust_ = std::move(trust);
  // Ending one may take others out.
  std::vector<Connection*> active;
  for (const auto& [id, device] : devices_) {
    if (device.connection != nullptr) active.push_back(device.connection);
  }
  for (Connection* const connection : active) static_cast<void>(end_if_distrusted(*connection));
}

bool Shard::end_if_distrusted(Connection& connection) {
  const std::string_view objection = connection.objection();
  if (objection.empty()) return false;
  warnings_.warn("{}: its session ends: {}",
                 connection.device() == nullptr ? "" : connection.device()->id(), objection);
  connection.disconnect(mqtt::EndReason::kRefused, "");
  return true;
}

// --- Admission

void Shard::decide(Connection& connection, const Offer& offer) {
  const auto id = DeviceId::parse(offer.device_id);
  if (!id) {
    connection.refuse(mqtt::ReasonCode::kClientIdentifierNotValid, id.error().message, "");
    return;
  }
  // The trust may have changed, or time passed, since the handshake.
  if (const std::string_view objection = connection.objection(); !objection.empty()) {
    warnings_.warn("{}: {} refused: {}", connection.address(), offer.device_id, objection);
    connection.refuse(mqtt::ReasonCode::kNotAuthorized, objection, "");
    return;
  }
  const auto registered = check_registered(*id, host_of(offer.address));
  if (!registered) {
    const bool denied = registered.error().code == ErrorCode::kDenied;
    warnings_.warn("{}: {} refused: {}", connection.address(), offer.device_id,
                   registered.error().message);
    connection.refuse(
        denied ? mqtt::ReasonCode::kNotAuthorized : mqtt::ReasonCode::kServerUnavailable,
        registered.error().message, "");
    return;
  }
  admit(connection, offer, *id, *registered);
}

Result<Arrival> Shard::check_registered(const DeviceId& id, std::string_view address) const {
  auto found = context_.store.arriving(id);
  if (!found) return fail(found.error());
  if (!found->has_value()) return fail(ErrorCode::kDenied, "the device is not registered");
  const Arrival& device = **found;
  if (device.revoked) return fail(ErrorCode::kDenied, "the device has been revoked");
  if (address.empty()) address = device.address;
  if (!site::in_scope(settings_->dp, {device.group, device.platform, address})) {
    return fail(ErrorCode::kDenied, "its group '{}' is not in the scope of this distribution point",
                device.group);
  }
  return std::move(**found);
}

// OTHERWISE: what is said when no other push server is known.
void Shard::send_elsewhere(Connection& connection, const Offer& offer, mqtt::ReasonCode otherwise,
                           std::string_view reason) {
  const std::string other = other_server(*DeviceId::parse(offer.device_id));
  connection.refuse(other.empty() ? otherwise : mqtt::ReasonCode::kUseAnotherServer, reason, other);
}

std::string Shard::other_server(const DeviceId& id) const {
  const auto found = context_.store.find_device(id);
  return found && found->has_value() ? settings_->other_server(**found) : std::string();
}

void Shard::admit(Connection& connection, const Offer& offer, const DeviceId& id,
                  const Arrival& arrival) {
  Device* device = find(offer.device_id);
  Connection* const former = device == nullptr ? nullptr : device->connection;
  if (context_.draining.load(std::memory_order_relaxed)) {
    send_elsewhere(connection, offer, mqtt::ReasonCode::kServerUnavailable,
                   "this push server is being emptied");
    return;
  }
  if (former == nullptr && !context_.budget.take()) {
    send_elsewhere(connection, offer, mqtt::ReasonCode::kQuotaExceeded,
                   "this push server holds as many connections as it may");
    return;
  }
  if (device == nullptr) {
    const auto added = devices_.try_emplace(offer.device_id, *this).first;
    device = &added->second;
    device->key = &added->first;
  }
  mqtt::SessionState state;
  bool present = device->kept != nullptr;
  if (former != nullptr) {
    // Takeover: the state moves first, so that the old connection's end cannot touch it.
    state = former->take_state();
    // A session without an expiry ends with the connection that is taken over. [MQTT-3.1.2-5]
    present = state.expiry_s != 0;
    former->forget_device();
    former->disconnect(mqtt::EndReason::kTakenOver, "");
    note_end(*device, mqtt::EndReason::kTakenOver);
  } else if (present) {
    state = std::move(*device->kept);
    device->kept.reset();
  }
  device->clear();
  present = present && !offer.clean_start;
  if (present) {
    give_up(state);
    hold_back(*device, state);
  } else {
    device->last_seq = {};
    probes_.fail_all_of(device->id(), [] {
      return Error{ErrorCode::kOffline, "the device made a new connection before it answered",
                   "ask again"};
    });
  }
  device->connection = &connection;
  device->connected_since = wall();
  device->agent = offer.agent.empty() ? nullptr : std::make_unique<const std::string>(offer.agent);
  device->backlog.fill(arrival.pushes_wait);
  device->policy_in_flight = false;
  device->policy_owed = false;
  if (context_.log.should_log(spdlog::level::debug)) {
    context_.log.debug("{}: connected from {}, {}{}{}", device->id(), connection.address(),
                       describe(offer.version), offer.secure ? ", TLS" : "",
                       present ? ", session resumed" : "");
  }
  context_.store.touch_device(id, wall(), host_of(offer.address));
  if (offer.certificate_ends) {
    context_.store.note_certificate(id, wall(), *offer.certificate_ends);
  }
  context_.events.device(EventType::kDeviceConnected, device->id(), device->connected_since);
  connection.admit(*device, std::move(state), present);
  // An agent asks for its policy by itself.
  if (arrival.resync && offer.agent.empty() && context_.bring_level) context_.bring_level(id);
}

void Shard::ended(Device& device, mqtt::EndReason reason) {
  Connection* const connection = device.connection;
  device.connection = nullptr;
  context_.budget.give_back();
  note_end(device, reason);
  probes_.fail_all_of(device.id(), [&] {
    return Error{ErrorCode::kOffline,
                 fmt::format("the connection of '{}' ended ({}) before it answered", device.id(),
                             mqtt::to_string(reason)),
                 "it will be back by itself: ask again"};
  });
  mqtt::SessionState state = connection->take_state();
  if (state.expiry_s == 0) {
    forget(device);
    return;
  }
  device.session_ends = now() + std::chrono::seconds(state.expiry_s);
  MonoTime next = device.session_ends;
  if (state.will) next = std::min(next, now() + std::chrono::seconds(state.will->delay_s));
  device.kept = std::make_unique<mqtt::SessionState>(std::move(state));
  wheel_.set(device, next);
}

void Shard::note_end(const Device& device, mqtt::EndReason reason) {
  const Disconnect end{wall(), reason};
  context_.store.note_disconnect(*DeviceId::parse(device.id()), end);
  context_.events.device(EventType::kDeviceDisconnected, device.id(), end.at, reason);
}

void Shard::session_expired(Device& device) {
  if (const auto will = std::exchange(device.kept->will, nullptr)) {
    message(device, will->topic, will->payload);
  }
  if (now() < device.session_ends) {
    wheel_.set(device, device.session_ends);
  } else {
    forget(device);
  }
}

Device* Shard::find(std::string_view id) {
  const auto found = devices_.find(id);
  return found == devices_.end() ? nullptr : &found->second;
}

const Device* Shard::find(std::string_view id) const {
  const auto found = devices_.find(id);
  return found == devices_.end() ? nullptr : &found->second;
}

void Shard::forget(Device& device) {
  devices_.erase(devices_.find(device.id()));
}

// --- Commands

void Shard::probe(const DeviceId& id, const ProbeOrder& order, ProbeDone done) {
  Device* const device = find(id.str());
  if (device == nullptr || device->connection == nullptr) {
    done(fail(offline_error(id.str())));
    return;
  }
  Connection& connection = *device->connection;
  if (!connection.subscribed()) {
    done(fail(
        {ErrorCode::kOffline,
         fmt::format("device '{}' is connected but has not subscribed to its pushes", id.str()),
         fmt::format("its client must subscribe to ksc/v1/devices/{}/push", id.str())}));
    return;
  }
  if (order.is_ping && !connection.acknowledges() && device->agent == nullptr) {
    done(fail(
        {ErrorCode::kNoAnswer,
         fmt::format("device '{}' is connected, but at QoS 0 it acknowledges nothing", id.str()),
         "its client must subscribe with QoS 1 to be pinged"}));
    return;
  }
  if (probes_.full()) {
    done(fail(ErrorCode::kOverloaded, "too many pings are waiting for their answers"));
    return;
  }
  const Probe::Awaited awaited{order.is_ping && connection.acknowledges(),
                               !order.is_ping || device->agent != nullptr};
  Probe& probe = probes_.add(
      std::make_unique<Probe>(probes_, order.id, id.str(), awaited, std::move(done)), now());
  const auto delivery = connection.deliver(
      {ProbeTable::token_of(order.id), order.payload, order.expires, order.id}, wall());
  if (delivery == mqtt::Session::Delivery::kSent) {
    wheel_.set(probe, now() + order.timeout);
  } else {
    probes_.fail(
        probe,
        Error{ErrorCode::kOverloaded,
              fmt::format("device '{}' has not acknowledged what it was sent before", id.str()),
              connection.held()
                  ? "its last connection ended so; it is sent that again after a pause "
                    "of at most two minutes, and only then anything else"
                  : "its window is full: it is connected but does not read"});
  }
}

std::optional<DeviceView> Shard::view(const DeviceId& id) const {
  const Device* const device = find(id.str());
  if (device == nullptr || device->connection == nullptr) return std::nullopt;
  const Connection& connection = *device->connection;
  return DeviceView{true,
                    connection.subscribed(),
                    device->connected_since,
                    connection.address(),
                    std::string(describe(connection.version())),
                    device->agent ? *device->agent : std::string(),
                    connection.in_flight()};
}

bool Shard::disconnect(const DeviceId& id, mqtt::EndReason reason) {
  Device* const device = find(id.str());
  if (device == nullptr || device->connection == nullptr) return false;
  device->connection->disconnect(reason, "");
  return true;
}

void Shard::recheck(const DeviceId& id) {
  if (find(id.str()) == nullptr) return;
  const auto registered = check_registered(id, "");
  // A store that cannot be read ends nobody's session.
  if (registered || registered.error().code != ErrorCode::kDenied) return;
  warnings_.warn("{}: its session ends: {}", id.str(), registered.error().message);
  static_cast<void>(disconnect(id, mqtt::EndReason::kRefused));
  // Nor is there one to come back to.
  Device* const kept = find(id.str());
  if (kept != nullptr && kept->connection == nullptr) forget(*kept);
}

std::size_t Shard::end_some(std::size_t count, mqtt::EndReason reason) {
  std::size_t active = 0;
  std::vector<Connection*> chosen;
  for (const auto& [id, device] : devices_) {
    if (device.connection == nullptr) continue;
    ++active;
    if (chosen.size() < count) chosen.push_back(device.connection);
  }
  for (Connection* connection : chosen) connection->disconnect(reason, "");
  return active - chosen.size();
}

std::size_t Shard::send_some_elsewhere(std::size_t count) {
  // In the order of the table, which is that of a hash of the ids: as good as by lot.
  std::size_t active = 0;
  std::vector<Device*> chosen;
  for (auto& [id, device] : devices_) {
    if (device.connection == nullptr) continue;
    ++active;
    if (chosen.size() < count) chosen.push_back(&device);
  }
  for (const Device* const device : chosen) {
    const std::string other = other_server(*DeviceId::parse(device->id()));
    device->connection->disconnect(mqtt::EndReason::kServerShutdown, other);
  }
  return active - chosen.size();
}

void Shard::advance_time() {
  wheel_.advance(now());
  warnings_.tick();
  // Somebody may have waited long enough to give way.
  if (resume_accept_) resume_accept_();
  steps_.write_old();
  if (now() < next_retry_) return;
  next_retry_ = now() + kRetryEvery;
  steps_.retry(kRetried);
}

// --- Looking at itself

ShardUsage Shard::usage() const {
  ShardUsage usage{waiting_.size() + connections_.size(), devices_.size()};
  const auto look_at = [&](const Connection& connection) {
    usage.most_unsent = std::max(usage.most_unsent, connection.unsent());
    usage.most_unread = std::max(usage.most_unread, connection.unread());
    usage.most_in_flight = std::max(usage.most_in_flight, connection.in_flight());
  };
  waiting_.for_each(look_at);
  connections_.for_each(look_at);
  for (const auto& [id, device] : devices_) {
    if (device.kept == nullptr) continue;
    usage.most_in_flight = std::max(usage.most_in_flight, device.kept->in_flight.size());
  }
  return usage;
}

std::string Shard::inconsistency() const {
  std::unordered_set<const Connection*> here;
  std::string wrong;
  const auto look_at = [&](const Connection& connection) {
    here.insert(&connection);
    const Device* const device = connection.device();
    if (device != nullptr && device->connection != &connection) {
      wrong = fmt::format("{}: has two connections", device->id());
    }
    if (!connection.set()) wrong = "a connection has no deadline";
  };
  waiting_.for_each(look_at);
  connections_.for_each(look_at);
  if (here.size() != waiting_.size() + connections_.size()) wrong = "a connection is lost";
  if (waiting_.size() != counters_.waiting.get()) wrong = "those who wait are counted wrongly";
  std::size_t connected = 0;
  for (const auto& [id, device] : devices_) {
    if (&id != device.key) return fmt::format("{}: kept as '{}'", device.id(), id);
    if (home_shard(id, context_.shards.size()) != index_) return fmt::format("{}: not at home", id);
    if (device.connection == nullptr) {
      if (device.kept == nullptr) return fmt::format("{}: neither here nor away", id);
      if (!device.set()) return fmt::format("{}: its session never ends", id);
      continue;
    }
    ++connected;
    if (device.kept != nullptr) return fmt::format("{}: both here and away", id);
    if (!here.contains(device.connection)) return fmt::format("{}: its connection is gone", id);
  }
  if (connected != counters_.connected.get()) {
    return fmt::format("{} devices are connected, counted were {}", connected,
                       counters_.connected.get());
  }
  return wrong;
}

}  // namespace kscpush::server
