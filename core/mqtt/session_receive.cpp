// What comes in from the device.
#include <algorithm>

#include "core/mqtt/codec.hpp"
#include "core/mqtt/session.hpp"
#include "core/mqtt/utf8.hpp"

namespace kscpush::mqtt {
namespace {

constexpr DecodeError protocol_error(std::string_view text) {
  return {ReasonCode::kProtocolError, text, {}};
}

// What CONNACK said is not available must not be asked for (section 3.2.2.3.11 to 13).
DecodeError unavailable_feature(const Subscribe& packet, Version version) {
  if (version == Version::kV311) return {ReasonCode::kSuccess, {}, {}};
  if (packet.properties.has(Property::kSubscriptionIdentifier)) {
    return {ReasonCode::kSubscriptionIdentifiersNotSupported,
            "subscription identifiers are not available",
            {}};
  }
  FilterReader filters(packet);
  while (const auto subscription = filters.next()) {
    switch (filter_kind(subscription->filter, version)) {
      case FilterKind::kWildcard:
        return {ReasonCode::kWildcardSubscriptionsNotSupported, "wildcards are not available", {}};
      case FilterKind::kShared:
        return {ReasonCode::kSharedSubscriptionsNotSupported,
                "shared subscriptions are not available",
                {}};
      case FilterKind::kPlain:
      case FilterKind::kIllFormed:
        break;
    }
  }
  return {ReasonCode::kSuccess, {}, {}};
}

}  // namespace

std::size_t Session::receive(std::string_view bytes, MonoTime now, SessionActions& actions) {
  std::size_t taken = 0;
  while (phase_ == Phase::kAwaitConnect || phase_ == Phase::kActive) {
    if (actions.unsent() >= limits_->unsent_bytes) return taken;
    const std::string_view rest = bytes.substr(taken);
    const bool connecting = phase_ == Phase::kAwaitConnect;
    // [MQTT-3.1.0-1] Whoever speaks something else gets no answer.
    if (connecting && !rest.empty() && rest[0] != '\x10') {
      end(EndReason::kProtocolError, "does not begin with a CONNECT packet", actions);
      break;
    }
    const auto frame =
        next_frame(rest, connecting ? limits_->connect_packet_bytes : limits_->packet_bytes);
    if (!frame) {
      if (connecting && frame.error().code == ReasonCode::kPacketTooLarge) {
        if (!refuse_oversized(rest, frame.error(), actions)) return taken;
        break;
      }
      const auto type = static_cast<PacketType>(static_cast<std::uint8_t>(rest[0]) >> 4);
      fail(type, frame.error(), actions);
      break;
    }
    if (!frame->has_value()) return taken;
    taken += (*frame)->size;
    last_inbound_ = now;
    handle(**frame, now, actions);
  }
  return phase_ == Phase::kClosed ? bytes.size() : taken;
}

void Session::handle(const Frame& frame, MonoTime now, SessionActions& actions) {
  if (phase_ == Phase::kAwaitConnect) return handle_connect(frame, actions);
  switch (frame.type) {
    case PacketType::kPublish:
      return handle_publish(frame, actions);
    case PacketType::kPuback:
      return handle_puback(frame, now, actions);
    case PacketType::kSubscribe:
      return handle_subscribe(frame, actions);
    case PacketType::kUnsubscribe:
      return handle_unsubscribe(frame, actions);
    case PacketType::kDisconnect:
      return handle_disconnect(frame, actions);
    case PacketType::kPingreq: {
      const auto ping = decode_ping(frame);
      if (!ping) return fail(frame.type, ping.error(), actions);
      return encode_pingresp(actions.output());
    }
    case PacketType::kConnect:  // [MQTT-3.1.0-2]
      return fail(frame.type, protocol_error("a second one"), actions);
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp: {
      const auto ack = decode_ack(frame, version());
      return fail(frame.type, ack ? protocol_error("there is no QoS 2") : ack.error(), actions);
    }
    case PacketType::kAuth: {
      const auto auth = decode_auth(frame, version());
      return fail(frame.type,
                  auth ? protocol_error("CONNECT had no Authentication Method") : auth.error(),
                  actions);
    }
    case PacketType::kConnack:
    case PacketType::kSuback:
    case PacketType::kUnsuback:
    case PacketType::kPingresp:
      break;
  }
  fail(frame.type, protocol_error("not a packet of a client"), actions);
}

void Session::handle_publish(const Frame& frame, SessionActions& actions) {
  const auto packet = decode_publish(frame, version(), Sender::kClient);
  if (!packet) return fail(frame.type, packet.error(), actions);
  std::optional<UpTopic> topic;
  const DecodeError wrong_alias = find_topic(*packet, topic);
  if (is_error(wrong_alias.code)) return fail(frame.type, wrong_alias, actions);
  if (packet->qos == 2) {
    return fail(frame.type, {ReasonCode::kQosNotSupported, "QoS 2 is not supported", {}}, actions);
  }
  if (packet->retain) {
    return fail(frame.type,
                {ReasonCode::kRetainNotSupported, "retained messages are not supported", {}},
                actions);
  }

  DecodeError result{ReasonCode::kSuccess, {}, {}};
  if (!topic) {
    result = {ReasonCode::kNotAuthorized,
              "a device may publish to ksc/v1/devices/ID/up/{result,state,sync,event}",
              {}};
  } else if (packet->properties.number(Property::kPayloadFormat) == 1 &&
             !is_utf8(packet->payload)) {
    result = {ReasonCode::kPayloadFormatInvalid, "the payload is not UTF-8", {}};
  }
  // A refusal needs PUBACK with a reason: neither 3.1.1 [MQTT-3.3.5-2] nor QoS 0 has one.
  if (is_error(result.code) && (!v5_ || packet->qos == 0)) {
    return fail(frame.type, result, actions);
  }
  if (!is_error(result.code)) actions.on_message(*topic, packet->payload);
  if (packet->qos == 1 && phase_ == Phase::kActive) {
    send_puback(packet->packet_id, result, actions);
  }
}

DecodeError Session::find_topic(const Publish& packet, std::optional<UpTopic>& topic) {
  const std::uint32_t alias = packet.properties.number(Property::kTopicAlias);
  // [MQTT-3.3.2-9]
  if (alias > TopicAliases::kMaximum) {
    return {ReasonCode::kTopicAliasInvalid, "above the maximum", "Topic Alias"};
  }
  if (packet.topic.empty()) {  // then there is an alias
    if (!aliases_.has(alias)) {
      return {ReasonCode::kProtocolError, "stands for no topic yet", "Topic Alias"};
    }
    topic = aliases_.get(alias);
  } else {
    topic = up_topic(packet.topic, client_id());
    if (alias != 0) aliases_.set(alias, topic);
  }
  return {ReasonCode::kSuccess, {}, {}};
}

void Session::send_puback(std::uint16_t packet_id, const DecodeError& result,
                          SessionActions& actions) const {
  Ack packet;
  packet.packet_id = packet_id;
  packet.code = result.code;
  // [MQTT-3.1.2-29] [MQTT-3.4.2-2]: the reason if it is wanted and there is room for it.
  if (problem_information_ && !result.text.empty()) {
    packet.properties.set(Property::kReasonString, result.text);
    if (encode(packet, version(), actions.output(), max_packet_bytes_)) return;
    packet.properties = {};
  }
  static_cast<void>(encode(packet, version(), actions.output(), max_packet_bytes_));
}

void Session::handle_puback(const Frame& frame, MonoTime now, SessionActions& actions) {
  const auto packet = decode_ack(frame, version());
  if (!packet) return fail(frame.type, packet.error(), actions);
  auto& in_flight = state_.in_flight;
  const auto entry =
      std::ranges::find(in_flight, packet->packet_id, &SessionState::InFlight::packet_id);
  if (entry == in_flight.end()) {
    if (stale_acks_ == 0) {
      return fail(frame.type,
                  protocol_error("no PUBLISH with that packet identifier is unanswered"), actions);
    }
    --stale_acks_;
    return;
  }
  const std::uint64_t token = entry->push.token;
  if (entry - in_flight.begin() < sent_) --sent_;
  in_flight.erase(entry);
  if (in_flight.empty()) in_flight.shrink_to_fit();  // an idle device holds no memory for pushes
  actions.on_acked(token, packet->code);
  const auto since = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch());
  resend(WallTime(since + wall_offset_), actions);
}

void Session::handle_subscribe(const Frame& frame, SessionActions& actions) {
  const auto packet = decode_subscribe(frame, version());
  if (!packet) return fail(frame.type, packet.error(), actions);
  const DecodeError unavailable = unavailable_feature(*packet, version());
  if (is_error(unavailable.code)) return fail(frame.type, unavailable, actions);

  std::string codes;
  bool granted = false;
  bool refused = false;
  std::uint8_t qos = 0;
  FilterReader filters(*packet);
  while (const auto subscription = filters.next()) {
    if (is_inbox(subscription->filter, client_id())) {
      granted = true;
      qos = std::min<std::uint8_t>(subscription->qos, 1);
      codes.push_back(static_cast<char>(qos));
    } else {
      refused = true;
      // 0x80 is all that 3.1.1 has.
      codes.push_back(
          static_cast<char>(v5_ ? ReasonCode::kNotAuthorized : ReasonCode::kUnspecifiedError));
    }
  }
  Suback answer;
  answer.packet_id = packet->packet_id;
  answer.codes = codes;
  const std::string_view reason =
      refused ? "a device may subscribe to ksc/v1/devices/ID/push" : std::string_view();
  if (!send_suback(answer, reason, actions) || !granted) return;
  // A new subscription takes the place of the old one. [MQTT-3.8.4-3]
  state_.qos = qos;
  const bool existed = state_.subscribed;
  state_.subscribed = true;
  if (!existed) actions.on_subscribed();
}

void Session::handle_unsubscribe(const Frame& frame, SessionActions& actions) {
  const auto packet = decode_subscribe(frame, version());
  if (!packet) return fail(frame.type, packet.error(), actions);
  std::string codes;
  bool removed = false;
  FilterReader filters(*packet);
  while (const auto subscription = filters.next()) {
    ReasonCode code = ReasonCode::kNoSubscriptionExisted;
    if (is_inbox(subscription->filter, client_id()) && state_.subscribed && !removed) {
      code = ReasonCode::kSuccess;
      removed = true;
    }
    codes.push_back(static_cast<char>(code));
  }
  Suback answer;
  answer.type = PacketType::kUnsuback;
  answer.packet_id = packet->packet_id;
  answer.codes = codes;
  // Pushes in flight stay: their delivery is completed. [MQTT-3.10.4-3]
  if (!send_suback(answer, {}, actions) || !removed) return;
  state_.subscribed = false;
  actions.on_unsubscribed();
}

// False when the session has ended, because the device's Maximum Packet Size has no room for it.
bool Session::send_suback(Suback& packet, std::string_view reason, SessionActions& actions) {
  std::string& out = actions.output();
  if (problem_information_ && !reason.empty()) {
    packet.properties.set(Property::kReasonString, reason);
    if (encode(packet, version(), out, max_packet_bytes_)) return true;
    packet.properties = {};
  }
  if (encode(packet, version(), out, max_packet_bytes_)) return true;
  fail(packet.type, {ReasonCode::kPacketTooLarge, "above the device's Maximum Packet Size", {}},
       actions);
  return false;
}

void Session::handle_disconnect(const Frame& frame, SessionActions& actions) {
  const auto packet = decode_disconnect(frame, version(), Sender::kClient);
  if (!packet) return fail(frame.type, packet.error(), actions);
  if (packet->properties.has(Property::kSessionExpiry)) {
    const std::uint32_t asked = packet->properties.number(Property::kSessionExpiry);
    if (expiry_was_zero_ && asked != 0) {
      return fail(
          frame.type,
          {ReasonCode::kProtocolError, "raised, but 0 in CONNECT", "Session Expiry Interval"},
          actions);
    }
    state_.expiry_s = std::min(asked, limits_->session_expiry_max_s);
  }
  const bool normal = packet->code == ReasonCode::kSuccess;
  if (normal) state_.will.reset();  // [MQTT-3.14.4-3]
  end(EndReason::kDeviceDisconnected, normal ? std::string_view() : to_string(packet->code),
      actions);
}

}  // namespace kscpush::mqtt
