// The session's life, and what goes out to the device. What comes in from it is in
// session_receive.cpp, CONNECT and its answer in session_connect.cpp.
#include "core/mqtt/session.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "core/mqtt/codec.hpp"

namespace kscpush::mqtt {
namespace {

// [MQTT-3.14.2-1]
ReasonCode disconnect_code(EndReason reason, bool has_server_reference) {
  switch (reason) {
    case EndReason::kKeepAliveExpired:
      return ReasonCode::kKeepAliveTimeout;
    case EndReason::kTakenOver:
      return ReasonCode::kSessionTakenOver;
    case EndReason::kProtocolError:
      return ReasonCode::kProtocolError;
    case EndReason::kMalformedPacket:
      return ReasonCode::kMalformedPacket;
    case EndReason::kPacketTooLarge:
      return ReasonCode::kPacketTooLarge;
    case EndReason::kRefused:
      return ReasonCode::kNotAuthorized;
    case EndReason::kServerShutdown:
      return has_server_reference ? ReasonCode::kUseAnotherServer : ReasonCode::kServerShuttingDown;
    case EndReason::kAdministrator:
      return ReasonCode::kAdministrativeAction;
    case EndReason::kSlowReader:
      return ReasonCode::kQuotaExceeded;
    case EndReason::kOverloaded:
      return has_server_reference ? ReasonCode::kUseAnotherServer : ReasonCode::kServerBusy;
    case EndReason::kDeviceDisconnected:
    case EndReason::kConnectionLost:
      break;
  }
  return ReasonCode::kUnspecifiedError;
}

// Whole seconds left, rounded up, so that a push with a moment to live is not sent as expired.
std::uint32_t seconds_left(WallTime expires, WallTime now) {
  const auto left = std::chrono::ceil<std::chrono::seconds>(expires - now).count();
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(left, 1, std::numeric_limits<std::uint32_t>::max()));
}

bool has_expired(const Outgoing& push, WallTime now) {
  return push.expires != WallTime{} && push.expires <= now;
}

}  // namespace

std::string_view to_string(EndReason reason) {
  static constexpr std::array<std::string_view, 12> kNames{
      "device_disconnected", "connection_lost",  "keep_alive_expired", "taken_over",
      "protocol_error",      "malformed_packet", "packet_too_large",   "refused",
      "server_shutdown",     "administrator",    "slow_reader",        "overloaded"};
  return kNames[static_cast<std::size_t>(reason)];
}

MonoTime Session::keep_alive_deadline() const {
  if (phase_ != Phase::kActive) return MonoTime::max();
  return last_inbound_ + std::chrono::milliseconds(1500) * keep_alive_s();
}

std::uint16_t Session::keep_alive_s() const {
  const std::uint16_t asked = requested_keep_alive_s_;
  return asked == 0 || asked > limits_->keep_alive_max_s ? limits_->keep_alive_max_s : asked;
}

void Session::tick(MonoTime now, SessionActions& actions) {
  if (now >= keep_alive_deadline()) disconnect(EndReason::kKeepAliveExpired, {}, actions);
}

SessionState Session::take_state() {
  sent_ = 0;
  return std::exchange(state_, SessionState{});
}

void Session::disconnect(EndReason reason, std::string_view server_reference,
                         SessionActions& actions) {
  const bool peer_is_gone =
      reason == EndReason::kConnectionLost || reason == EndReason::kDeviceDisconnected;
  // [MQTT-3.14.0-1]
  if (phase_ == Phase::kActive && !peer_is_gone) {
    send_disconnect(disconnect_code(reason, !server_reference.empty()), {}, server_reference,
                    actions);
  }
  end(reason, {}, actions);
}

void Session::connection_lost(SessionActions& actions) {
  end(EndReason::kConnectionLost, {}, actions);
}

void Session::fail(PacketType where, const DecodeError& error, SessionActions& actions) {
  std::string detail(to_string(where));
  detail.append(": ").append(to_string(error));
  if (phase_ == Phase::kActive) send_disconnect(error.code, detail, {}, actions);
  switch (error.code) {
    case ReasonCode::kMalformedPacket:
      return end(EndReason::kMalformedPacket, detail, actions);
    case ReasonCode::kPacketTooLarge:
      return end(EndReason::kPacketTooLarge, detail, actions);
    default:
      return end(EndReason::kProtocolError, detail, actions);
  }
}

void Session::end(EndReason reason, std::string_view detail, SessionActions& actions) {
  if (phase_ == Phase::kClosed) return;
  const bool was_active = phase_ == Phase::kActive;
  phase_ = Phase::kClosed;
  // A connection that was never accepted leaves no will.
  if (!was_active) state_.will.reset();
  if (state_.will != nullptr && will_delay_s(state_) == 0) {
    const auto will = std::exchange(state_.will, nullptr);
    actions.on_message(will->topic, will->payload);
  }
  actions.on_end(reason, detail);
}

std::uint32_t Session::will_delay_s(const SessionState& state) {
  return std::min(state.will->delay_s, state.expiry_s);
}

void Session::send_disconnect(ReasonCode code, std::string_view reason,
                              std::string_view server_reference, SessionActions& actions) const {
  if (!v5_) return;
  Disconnect packet;
  packet.code = code;
  if (!server_reference.empty())
    packet.properties.set(Property::kServerReference, server_reference);
  Disconnect explained = packet;
  if (!reason.empty()) explained.properties.set(Property::kReasonString, reason);
  // [MQTT-3.14.2-3]: rather without the strings than not at all.
  if (problem_information_ && encode(explained, version(), actions.output(), max_packet_bytes_)) {
    return;
  }
  if (encode(packet, version(), actions.output(), max_packet_bytes_)) return;
  packet.properties = {};
  static_cast<void>(encode(packet, version(), actions.output(), max_packet_bytes_));
}

Session::Delivery Session::deliver(Outgoing push, WallTime now, SessionActions& actions) {
  if (phase_ != Phase::kActive || !state_.subscribed) return Delivery::kNotSubscribed;
  if (has_expired(push, now)) return Delivery::kExpired;  // [MQTT-3.3.2-5]
  if (!has_room(push, actions)) return Delivery::kNoRoom;
  if (state_.qos == 0) {
    return send_push(push, 0, false, now, actions) ? Delivery::kSent : Delivery::kTooLarge;
  }
  // Pushes of the former connection that wait for their turn go first.
  if (sent_ >= window_ || resends()) return Delivery::kWindowFull;
  const std::uint16_t packet_id = unused_packet_id();
  if (!send_push(push, packet_id, false, now, actions)) return Delivery::kTooLarge;
  state_.last_packet_id = packet_id;
  push.sent = now;
  state_.in_flight.push_back({packet_id, std::move(push)});
  ++sent_;
  return Delivery::kSent;
}

void Session::flushed(WallTime now, SessionActions& actions) {
  resend(now, actions);
}

void Session::release(WallTime now, SessionActions& actions) {
  state_.held = false;
  resend(now, actions);
}

// A push larger than the bound goes out alone.
bool Session::has_room(const Outgoing& push, const SessionActions& actions) const {
  const std::size_t unsent = actions.unsent();
  return unsent == 0 || unsent + push.payload.size() <= limits_->unsent_bytes;
}

std::uint16_t Session::unused_packet_id() const {
  std::uint16_t id = state_.last_packet_id;
  const auto in_use = [&](const SessionState::InFlight& entry) { return entry.packet_id == id; };
  do {
    ++id;
  } while (id == 0 || std::ranges::any_of(state_.in_flight, in_use));
  return id;
}

bool Session::send_push(const Outgoing& push, std::uint16_t packet_id, bool dup, WallTime now,
                        SessionActions& actions) const {
  const TopicName topic = inbox_topic(client_id());
  const TopicName response_topic = up_topic_name(client_id(), UpTopic::kResult);
  Publish packet;
  packet.dup = dup;
  packet.qos = packet_id == 0 ? 0 : 1;
  packet.topic = topic;
  packet.packet_id = packet_id;
  packet.properties.set(Property::kPayloadFormat, 1);
  if (push.expires != WallTime{}) {
    packet.properties.set(Property::kMessageExpiry, seconds_left(push.expires, now));
  }
  packet.properties.set(Property::kContentType, "application/json");
  packet.properties.set(Property::kResponseTopic, response_topic);
  if (push.id) packet.properties.set(Property::kCorrelationData, push.id->str());
  packet.payload = push.payload;
  return encode(packet, version(), actions.output(), max_packet_bytes_);
}

// [MQTT-4.4.0-1] Sends what is in flight but was not sent on this connection, as the window and the
// room in the output allow.
// A callback may deliver() or end the session, so nothing is remembered across one.
void Session::resend(WallTime now, SessionActions& actions) {
  if (state_.held) return;
  while (phase_ == Phase::kActive && sent_ < window_ && resends()) {
    SessionState::InFlight& entry = state_.in_flight[sent_];
    const bool expired = has_expired(entry.push, now);
    if (!expired && !has_room(entry.push, actions)) return;
    const std::uint64_t token = entry.push.token;
    if (!expired && send_push(entry.push, entry.packet_id, true, now, actions)) {
      ++sent_;
      entry.push.sent = now;
      actions.on_resent(token, ++entry.push.attempts);
      continue;
    }
    state_.in_flight.erase(state_.in_flight.begin() + sent_);
    actions.on_dropped(token, expired ? DropReason::kExpired : DropReason::kTooLarge);
  }
}

}  // namespace kscpush::mqtt
