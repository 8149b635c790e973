#include "core/mqtt/client_session.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/mqtt/codec.hpp"

namespace kscpush::mqtt {
namespace {

// More than everything in our PUBLISH but topic and payload takes.
constexpr std::size_t kPublishOverhead = 64;

constexpr DecodeError protocol_error(std::string_view text) {
  return {ReasonCode::kProtocolError, text, {}};
}

}  // namespace

std::string_view to_string(ClientEnd end) {
  static constexpr std::array<std::string_view, 7> kNames{
      "disconnected", "refused",        "server_disconnected", "not_subscribed",
      "no_answer",    "protocol_error", "connection_lost"};
  return kNames[static_cast<std::size_t>(end)];
}

ClientSession::ClientSession(ClientOptions options)
    : options_(std::move(options)),
      inbox_(inbox_topic(options_.device)),
      has_session_(!options_.clean_start) {}

void ClientSession::start(MonoTime now, ClientActions& actions) {
  if (phase_ != Phase::kIdle) return;
  phase_ = Phase::kConnecting;
  now_ = last_sent_ = last_received_ = now;
  sent_ = 0;
  answer_deadline_ = now + options_.answer_timeout;
  pong_deadline_ = MonoTime::max();

  std::string user_properties;
  if (!options_.agent.empty()) {
    append_user_property(user_properties, {"kscpush-agent", options_.agent});
  }
  Connect packet;
  packet.clean_start = !has_session_;
  packet.keep_alive_s = options_.keep_alive_s;
  packet.properties.set(Property::kSessionExpiry, options_.session_expiry_s);
  packet.properties.set(Property::kMaximumPacketSize, options_.packet_bytes);
  packet.properties.set_repeated(user_properties);
  packet.client_id = options_.device;
  if (!options_.username.empty()) {
    packet.username = options_.username;
    packet.password = options_.password;
  }
  if (!encode(packet, actions.output())) {
    end({ClientEnd::kProtocolError,
         ReasonCode::kPacketTooLarge,
         "user name or password above 65535 bytes",
         {}},
        actions);
  }
}

ClientSession::Publishing ClientSession::publish(UpTopic topic, std::string payload,
                                                 std::uint8_t qos, std::uint64_t token,
                                                 MonoTime now, ClientActions& actions) {
  const std::size_t size =
      payload.size() + up_topic_name(options_.device, topic).view().size() + kPublishOverhead;
  if (is_connected() && size > max_packet_bytes_) return Publishing::kTooLarge;
  Message message{topic, std::move(payload), token, 0};
  if (qos == 0) {
    if (!is_connected()) return Publishing::kOffline;
    now_ = last_sent_ = now;
    return send_message(message, 0, false, actions) ? Publishing::kSent : Publishing::kTooLarge;
  }
  if (queue_.size() >= options_.queue_messages ||
      message.payload.size() > options_.queue_bytes - queued_bytes_) {
    return Publishing::kFull;
  }
  queued_bytes_ += message.payload.size();
  queue_.push_back(std::move(message));
  if (!is_connected()) return Publishing::kQueued;
  now_ = now;
  send_queued(actions);
  return sent_ == queue_.size() ? Publishing::kSent : Publishing::kQueued;
}

bool ClientSession::send_message(const Message& message, std::uint8_t qos, bool dup,
                                 ClientActions& actions) const {
  const TopicName topic = up_topic_name(options_.device, message.topic);
  Publish packet;
  packet.dup = dup;
  packet.qos = qos;
  packet.topic = topic;
  packet.packet_id = message.packet_id;
  packet.properties.set(Property::kPayloadFormat, 1);
  packet.properties.set(Property::kContentType, "application/json");
  packet.payload = message.payload;
  return encode(packet, Version::kV5, actions.output(), max_packet_bytes_);
}

// As much of the queue as the window allows; with DUP what went out on an earlier connection. A
// callback may publish() or end the connection, so nothing is remembered across one.
void ClientSession::send_queued(ClientActions& actions) {
  while (is_connected() && sent_ < window_ && sent_ < queue_.size()) {
    Message& message = queue_[sent_];
    const bool dup = message.packet_id != 0;
    if (!dup) message.packet_id = unused_packet_id();
    if (send_message(message, 1, dup, actions)) {
      ++sent_;
      last_sent_ = now_;
      continue;
    }
    const std::uint64_t token = message.token;
    queued_bytes_ -= message.payload.size();
    queue_.erase(queue_.begin() + sent_);
    actions.on_published(token, ReasonCode::kPacketTooLarge);
  }
}

std::uint16_t ClientSession::unused_packet_id() {
  const auto in_use = [&](const Message& message) { return message.packet_id == last_packet_id_; };
  do {
    ++last_packet_id_;
  } while (last_packet_id_ == 0 || last_packet_id_ == subscribe_id_ ||
           std::ranges::any_of(queue_, in_use));
  return last_packet_id_;
}

void ClientSession::disconnect(ReasonCode code, ClientActions& actions) {
  if (phase_ == Phase::kIdle) return;
  if (is_connected()) {
    const Disconnect packet{code, {}};
    static_cast<void>(encode(packet, Version::kV5, actions.output(), max_packet_bytes_));
  }
  end({ClientEnd::kDisconnected, code, {}, {}}, actions);
}

void ClientSession::connection_lost(ClientActions& actions) {
  end({ClientEnd::kConnectionLost, ReasonCode::kSuccess, {}, {}}, actions);
}

// A server that cannot keep the protocol is told so and left.
void ClientSession::fail(PacketType where, const DecodeError& error, ClientActions& actions) {
  std::string detail(to_string(where));
  detail.append(": ").append(to_string(error));
  if (is_connected()) {
    Disconnect packet{error.code, {}};
    packet.properties.set(Property::kReasonString, detail);
    if (!encode(packet, Version::kV5, actions.output(), max_packet_bytes_)) {
      packet.properties = {};
      static_cast<void>(encode(packet, Version::kV5, actions.output(), max_packet_bytes_));
    }
  }
  end({ClientEnd::kProtocolError, error.code, detail, {}}, actions);
}

void ClientSession::end(const ClientEnded& ended, ClientActions& actions) {
  if (phase_ == Phase::kIdle) return;
  if (is_connected()) has_session_ = lasting_;
  phase_ = Phase::kIdle;
  actions.on_end(ended);
}

// A little before the server must hear from us, since ticks come late. What comes in counts as
// well: with nothing to read for so long the server may be dead, however much is sent to it.
MonoTime ClientSession::ping_time() const {
  if (!is_connected() || keep_alive_s_ == 0) return MonoTime::max();
  return std::min(last_sent_, last_received_) + std::chrono::milliseconds(900) * keep_alive_s_;
}

MonoTime ClientSession::deadline() const {
  if (phase_ == Phase::kIdle) return MonoTime::max();
  const bool pinged = pong_deadline_ != MonoTime::max();
  return std::min(answer_deadline_, pinged ? pong_deadline_ : ping_time());
}

void ClientSession::tick(MonoTime now, ClientActions& actions) {
  if (now < deadline()) return;
  if (now >= answer_deadline_ || now >= pong_deadline_) {
    const std::string_view missing = now >= pong_deadline_          ? "no PINGRESP"
                                     : phase_ == Phase::kConnecting ? "no CONNACK"
                                                                    : "no SUBACK";
    return end({ClientEnd::kNoAnswer, ReasonCode::kSuccess, missing, {}}, actions);
  }
  encode_pingreq(actions.output());
  last_sent_ = now;
  pong_deadline_ = now + options_.answer_timeout;
}

std::size_t ClientSession::receive(std::string_view bytes, MonoTime now, ClientActions& actions) {
  std::size_t taken = 0;
  while (phase_ != Phase::kIdle) {
    const std::string_view rest = bytes.substr(taken);
    const auto frame = next_frame(rest, options_.packet_bytes);
    if (!frame) {
      const auto type = static_cast<PacketType>(static_cast<std::uint8_t>(rest[0]) >> 4);
      fail(type, frame.error(), actions);
      break;
    }
    if (!frame->has_value()) return taken;
    taken += (*frame)->size;
    now_ = last_received_ = now;
    handle(**frame, actions);
  }
  return bytes.size();
}

void ClientSession::handle(const Frame& frame, ClientActions& actions) {
  if (phase_ == Phase::kConnecting) {
    if (frame.type == PacketType::kConnack) return handle_connack(frame, actions);
    // [MQTT-3.2.0-1]
    return fail(frame.type, protocol_error("before CONNACK"), actions);
  }
  switch (frame.type) {
    case PacketType::kPublish:
      return handle_publish(frame, actions);
    case PacketType::kPuback:
      return handle_puback(frame, actions);
    case PacketType::kSuback:
      return handle_suback(frame, actions);
    case PacketType::kDisconnect:
      return handle_disconnect(frame, actions);
    case PacketType::kPingresp: {
      const auto ping = decode_ping(frame);
      if (!ping) return fail(frame.type, ping.error(), actions);
      if (pong_deadline_ == MonoTime::max()) {
        return fail(frame.type, protocol_error("without PINGREQ"), actions);
      }
      pong_deadline_ = MonoTime::max();
      return;
    }
    default:
      return fail(frame.type, protocol_error("not expected from a server here"), actions);
  }
}

void ClientSession::handle_connack(const Frame& frame, ClientActions& actions) {
  const auto packet = decode_connack(frame, Version::kV5);
  if (!packet) return fail(frame.type, packet.error(), actions);
  const auto code = static_cast<ReasonCode>(packet->code);
  if (is_error(code)) {
    return end({ClientEnd::kRefused, code, packet->properties.text(Property::kReasonString),
                packet->properties.text(Property::kServerReference)},
               actions);
  }
  phase_ = Phase::kSubscribing;
  adopt(packet->properties);
  if (packet->properties.has(Property::kAuthenticationMethod)) {  // [MQTT-4.12.0-6]
    return fail(frame.type, protocol_error("Authentication Method that was not asked for"),
                actions);
  }
  if (packet->properties.number(Property::kMaximumQos, 2) == 0) {
    return fail(frame.type,
                {ReasonCode::kImplementationSpecificError, "a push server has QoS 1", {}}, actions);
  }
  if (packet->session_present && !has_session_) {  // [MQTT-3.2.2-4]
    return fail(frame.type, protocol_error("session present after Clean Start"), actions);
  }
  session_present_ = packet->session_present;
  if (!session_present_) {  // [MQTT-3.2.2-5]
    subscribed_ = false;
    for (Message& message : queue_) message.packet_id = 0;
  }
  // First what may be waited for, then SUBSCRIBE, whose answer may bring pushes at once.
  send_queued(actions);
  if (phase_ == Phase::kSubscribing) subscribe(actions);
}

void ClientSession::adopt(const Properties& properties) {
  const std::uint32_t theirs = properties.number(Property::kReceiveMaximum, 65535);
  window_ = static_cast<std::uint16_t>(std::min<std::uint32_t>(options_.window, theirs));
  max_packet_bytes_ = properties.number(Property::kMaximumPacketSize, kMaxPacketBytes);
  keep_alive_s_ = static_cast<std::uint16_t>(
      properties.number(Property::kServerKeepAlive, options_.keep_alive_s));  // [MQTT-3.2.2-21]
  lasting_ = properties.number(Property::kSessionExpiry, options_.session_expiry_s) > 0;
  answer_deadline_ = MonoTime::max();
}

void ClientSession::subscribe(ClientActions& actions) {
  if (subscribed_) {
    phase_ = Phase::kReady;
    return actions.on_ready(session_present_);
  }
  std::string filters;
  append_filter(filters, PacketType::kSubscribe, {inbox_, 1, false, false, 2});
  subscribe_id_ = unused_packet_id();
  Subscribe packet;
  packet.packet_id = subscribe_id_;
  packet.filters = filters;
  if (!encode(packet, Version::kV5, actions.output(), max_packet_bytes_)) {
    return fail(
        PacketType::kConnack,
        {ReasonCode::kImplementationSpecificError, "no room for SUBSCRIBE", "Maximum Packet Size"},
        actions);
  }
  last_sent_ = now_;
  answer_deadline_ = now_ + options_.answer_timeout;
}

void ClientSession::handle_suback(const Frame& frame, ClientActions& actions) {
  const auto packet = decode_suback(frame, Version::kV5);
  if (!packet) return fail(frame.type, packet.error(), actions);
  if (phase_ != Phase::kSubscribing || packet->packet_id != subscribe_id_) {
    return fail(frame.type, protocol_error("without SUBSCRIBE"), actions);
  }
  const auto code = static_cast<ReasonCode>(packet->codes[0]);
  if (packet->codes.size() != 1 || code == ReasonCode::kGrantedQos2) {
    return fail(frame.type, protocol_error("answers something else than was asked for"), actions);
  }
  if (is_error(code)) {
    const Disconnect bye{ReasonCode::kSuccess, {}};
    static_cast<void>(encode(bye, Version::kV5, actions.output(), max_packet_bytes_));
    return end(
        {ClientEnd::kNotSubscribed, code, packet->properties.text(Property::kReasonString), {}},
        actions);
  }
  subscribe_id_ = 0;
  subscribed_ = true;
  answer_deadline_ = MonoTime::max();
  phase_ = Phase::kReady;
  actions.on_ready(session_present_);
}

void ClientSession::handle_publish(const Frame& frame, ClientActions& actions) {
  const auto packet = decode_publish(frame, Version::kV5, Sender::kServer);
  if (!packet) return fail(frame.type, packet.error(), actions);
  if (packet->properties.has(Property::kTopicAlias)) {  // [MQTT-3.3.2-11]: our maximum is 0
    return fail(frame.type, {ReasonCode::kTopicAliasInvalid, "above the maximum", "Topic Alias"},
                actions);
  }
  // [MQTT-3.3.2-3] [MQTT-3.8.4-8]
  if (packet->topic != inbox_ || packet->qos > 1) {
    return fail(frame.type, protocol_error("not what was subscribed to"), actions);
  }
  actions.on_push(
      {packet->payload, packet->properties.text(Property::kCorrelationData), packet->dup});
  if (packet->qos == 0 || !is_connected()) return;
  Ack ack;
  ack.packet_id = packet->packet_id;
  static_cast<void>(encode(ack, Version::kV5, actions.output(), max_packet_bytes_));
  last_sent_ = now_;
}

void ClientSession::handle_puback(const Frame& frame, ClientActions& actions) {
  const auto packet = decode_ack(frame, Version::kV5);
  if (!packet) return fail(frame.type, packet.error(), actions);
  const auto message = std::ranges::find(queue_, packet->packet_id, &Message::packet_id);
  if (message == queue_.end()) {
    return fail(frame.type, protocol_error("no PUBLISH with that packet identifier is unanswered"),
                actions);
  }
  const std::uint64_t token = message->token;
  queued_bytes_ -= message->payload.size();
  if (message - queue_.begin() < sent_) --sent_;
  queue_.erase(message);
  actions.on_published(token, packet->code);
  send_queued(actions);
}

void ClientSession::handle_disconnect(const Frame& frame, ClientActions& actions) {
  const auto packet = decode_disconnect(frame, Version::kV5, Sender::kServer);
  if (!packet) return fail(frame.type, packet.error(), actions);
  end({ClientEnd::kServerDisconnected, packet->code,
       packet->properties.text(Property::kReasonString),
       packet->properties.text(Property::kServerReference)},
      actions);
}

}  // namespace kscpush::mqtt
