// CONNECT and its answers.
#include <algorithm>
#include <utility>

#include "core/ids.hpp"
#include "core/mqtt/codec.hpp"
#include "core/mqtt/session.hpp"
#include "core/mqtt/utf8.hpp"

namespace kscpush::mqtt {

void Session::handle_connect(const Frame& frame, SessionActions& actions) {
  max_packet_bytes_ = kMaxPacketBytes;
  const auto protocol = decode_protocol(frame);
  if (!protocol) return fail(frame.type, protocol.error(), actions);
  // MQTT 3.1 called itself MQIsdp; its CONNACK is that of 3.1.1. Other names are other protocols,
  // to which there is nothing to say. [MQTT-3.1.2-1]
  const bool mqtt31 = protocol->name == "MQIsdp" && protocol->level == 3;
  if (protocol->name != "MQTT" && !mqtt31) {
    return end(EndReason::kProtocolError, "CONNECT: protocol name other than MQTT", actions);
  }
  if (protocol->level < 4 || protocol->level > 5) {
    v5_ = !mqtt31 && connect_layout(frame) == Version::kV5;
    return send_refusal(ReasonCode::kUnsupportedProtocolVersion, {}, {}, actions);
  }
  v5_ = protocol->level == 5;

  const auto connect = decode_connect(frame);
  if (!connect) {
    // [MQTT-3.1.4-1]: 3.1.1 closes without a word, 5 may say why. No strings: how much the device
    // takes cannot be known.
    if (v5_) send_bare_connack(connect.error().code, actions);
    return fail(frame.type, connect.error(), actions);
  }
  note_connect(*connect);
  if (connect->properties.has(Property::kAuthenticationMethod)) {
    return send_refusal(ReasonCode::kBadAuthenticationMethod,
                        "extended authentication is not supported", {}, actions);
  }
  if (!DeviceId::valid(connect->client_id)) {
    return send_refusal(ReasonCode::kClientIdentifierNotValid,
                        "the client identifier must be the device id", {}, actions);
  }
  id_size_ = static_cast<std::uint8_t>(connect->client_id.size());
  id_ = std::make_unique<char[]>(id_size_);
  std::ranges::copy(connect->client_id, id_.get());
  if (connect->will) {
    const DecodeError wrong = take_will(*connect->will);
    if (is_error(wrong.code)) return send_refusal(wrong.code, wrong.text, {}, actions);
  }

  phase_ = Phase::kAwaitDecision;
  ConnectRequest request;
  request.version = version();
  request.client_id = client_id();
  request.has_username = connect->username.has_value();
  request.has_password = connect->password.has_value();
  request.username = connect->username.value_or(std::string_view());
  request.password = connect->password.value_or(std::string_view());
  request.clean_start = clean_start_;
  request.keep_alive_s = requested_keep_alive_s_;
  request.session_expiry_s = state_.expiry_s;
  request.agent = connect->properties.user_property("kscpush-agent").value_or(std::string_view());
  actions.on_connect(request);
}

void Session::send_bare_connack(ReasonCode code, SessionActions& actions) const {
  const Connack packet{false, static_cast<std::uint8_t>(code), {}};
  static_cast<void>(encode(packet, version(), actions.output(), max_packet_bytes_));
}

bool Session::refuse_oversized(std::string_view bytes, const DecodeError& error,
                               SessionActions& actions) {
  // Type, a length of up to four bytes, protocol name and level: there will be as much, the packet
  // is far longer.
  constexpr std::string_view kMqtt5("\0\4MQTT\5", 7);
  std::size_t start = 1;
  while (start < bytes.size() && (bytes[start] & '\x80') != 0) ++start;
  ++start;
  if (bytes.size() < start + kMqtt5.size()) return false;
  v5_ = bytes.substr(start).starts_with(kMqtt5);
  max_packet_bytes_ = kMaxPacketBytes;
  if (v5_) send_bare_connack(error.code, actions);
  fail(PacketType::kConnect, error, actions);
  return true;
}

void Session::note_connect(const Connect& packet) {
  const Properties& properties = packet.properties;
  clean_start_ = packet.clean_start;
  requested_keep_alive_s_ = packet.keep_alive_s;
  max_packet_bytes_ = properties.number(Property::kMaximumPacketSize, kMaxPacketBytes);
  problem_information_ = properties.number(Property::kRequestProblemInformation, 1) != 0;
  window_ = static_cast<std::uint16_t>(std::min<std::uint32_t>(
      properties.number(Property::kReceiveMaximum, 65535), limits_->in_flight));

  const std::uint32_t limit = limits_->session_expiry_max_s;
  if (!v5_) {
    state_.expiry_s = packet.clean_start ? 0 : limit;
    return;
  }
  const std::uint32_t asked = properties.number(Property::kSessionExpiry, 0);
  state_.expiry_s = std::min(asked, limit);
  expiry_was_zero_ = asked == 0;
  expiry_was_cut_ = asked > limit;
}

// [MQTT-3.2.2-12] [MQTT-3.2.2-13]
DecodeError Session::take_will(const WillFields& fields) {
  if (fields.retain) {
    return {ReasonCode::kRetainNotSupported, "retained messages are not supported", {}};
  }
  if (fields.qos > 1) return {ReasonCode::kQosNotSupported, "QoS 2 is not supported", {}};
  const auto topic = up_topic(fields.topic, client_id());
  if (!topic) {
    return {ReasonCode::kTopicNameInvalid, "the will topic must be ksc/v1/devices/ID/up/...", {}};
  }
  if (fields.properties.number(Property::kPayloadFormat) == 1 && !is_utf8(fields.payload)) {
    return {ReasonCode::kPayloadFormatInvalid, "the will payload is not UTF-8", {}};
  }
  state_.will = std::make_shared<const Will>(
      Will{*topic, std::string(fields.payload), fields.properties.number(Property::kWillDelay)});
  return {ReasonCode::kSuccess, {}, {}};
}

void Session::accept(SessionState state, bool session_present, WallTime now,
                     SessionActions& actions) {
  if (phase_ != Phase::kAwaitDecision) return;
  const bool resumed = session_present && !clean_start_;  // [MQTT-3.2.2-2]
  // The will of the former connection: dropped when the session goes on before its delay is over
  // [MQTT-3.1.3-9], published when it was due or the session ends here.
  if (state.will != nullptr && (!resumed || will_delay_s(state) == 0)) {
    actions.on_message(state.will->topic, state.will->payload);
    if (phase_ != Phase::kAwaitDecision) return;
  }
  if (!resumed) state = SessionState{};
  state.will = std::move(state_.will);
  state.expiry_s = state_.expiry_s;
  state_ = std::move(state);
  sent_ = 0;
  stale_acks_ = static_cast<std::uint16_t>(std::min<std::size_t>(state_.in_flight.size(), 65535));
  if (!resumed && limits_->subscribe_inbox) {
    state_.subscribed = true;
    state_.qos = 1;
  }
  wall_offset_ = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch() -
                                                               last_inbound_.time_since_epoch());
  if (!send_connack(resumed, actions)) {
    send_bare_connack(ReasonCode::kPacketTooLarge, actions);
    return end(EndReason::kPacketTooLarge,
               "CONNECT: Maximum Packet Size: too small for the CONNACK", actions);
  }
  phase_ = Phase::kActive;
  resend(now, actions);
  if (phase_ == Phase::kActive && state_.subscribed) actions.on_subscribed();
}

bool Session::send_connack(bool session_present, SessionActions& actions) const {
  Connack packet;
  packet.session_present = session_present;
  Properties& properties = packet.properties;
  if (expiry_was_cut_) properties.set(Property::kSessionExpiry, state_.expiry_s);
  if (keep_alive_s() != requested_keep_alive_s_) {
    properties.set(Property::kServerKeepAlive, keep_alive_s());
  }
  properties.set(Property::kReceiveMaximum, limits_->receive_maximum);
  properties.set(Property::kTopicAliasMaximum, TopicAliases::kMaximum);
  properties.set(Property::kMaximumQos, 1);
  properties.set(Property::kRetainAvailable, 0);
  properties.set(Property::kMaximumPacketSize, limits_->packet_bytes);
  properties.set(Property::kWildcardSubscriptionAvailable, 0);
  properties.set(Property::kSubscriptionIdentifierAvailable, 0);
  properties.set(Property::kSharedSubscriptionAvailable, 0);
  return encode(packet, version(), actions.output(), max_packet_bytes_);
}

void Session::refuse(ReasonCode code, std::string_view reason, std::string_view server_reference,
                     SessionActions& actions) {
  if (phase_ != Phase::kAwaitDecision) return;
  // [MQTT-3.2.2-8]
  const bool usable =
      is_error(code) && is_reason_code_of(PacketType::kConnack, code, Sender::kServer);
  send_refusal(usable ? code : ReasonCode::kUnspecifiedError, reason, server_reference, actions);
}

void Session::send_refusal(ReasonCode code, std::string_view reason,
                           std::string_view server_reference, SessionActions& actions) {
  Connack packet;
  packet.code =
      v5_ ? static_cast<std::uint8_t>(code) : static_cast<std::uint8_t>(return_code_311(code));
  if (!server_reference.empty()) {
    packet.properties.set(Property::kServerReference, server_reference);
  }
  Connack explained = packet;
  if (!reason.empty()) explained.properties.set(Property::kReasonString, reason);
  // [MQTT-3.2.2-19]: rather without the strings than not at all.
  std::string& out = actions.output();
  bool sent = problem_information_ && encode(explained, version(), out, max_packet_bytes_);
  if (!sent) sent = encode(packet, version(), out, max_packet_bytes_);
  if (!sent) {
    packet.properties = {};
    static_cast<void>(encode(packet, version(), out, max_packet_bytes_));
  }
  std::string detail("CONNECT: ");
  detail.append(reason.empty() ? to_string(code) : reason);
  end(EndReason::kRefused, detail, actions);
}

}  // namespace kscpush::mqtt
