#include "core/mqtt/packet.hpp"

#include "core/mqtt/codec.hpp"

namespace kscpush::mqtt {
namespace {

constexpr unsigned at(PacketType type) {
  return 1U << static_cast<unsigned>(type);
}
constexpr unsigned kConnack = at(PacketType::kConnack);
constexpr unsigned kPuback = at(PacketType::kPuback) | at(PacketType::kPubrec);
constexpr unsigned kPubrel = at(PacketType::kPubrel) | at(PacketType::kPubcomp);
constexpr unsigned kSuback = at(PacketType::kSuback);
constexpr unsigned kUnsuback = at(PacketType::kUnsuback);
constexpr unsigned kAuth = at(PacketType::kAuth);
// DISCONNECT is the one packet in which it matters who sends it.
constexpr unsigned kByServer = at(PacketType::kDisconnect);
constexpr unsigned kByClient = 1U << 16;
constexpr unsigned kByBoth = kByServer | kByClient;

struct Row {
  ReasonCode code;
  std::string_view name;
  unsigned places;
};

// MQTT 5, section 2.4, and the tables of the packets that carry reason codes.
constexpr Row kRows[] = {
    {ReasonCode::kSuccess, "success",
     kConnack | kPuback | kPubrel | kSuback | kUnsuback | kAuth | kByBoth},
    {ReasonCode::kGrantedQos1, "granted QoS 1", kSuback},
    {ReasonCode::kGrantedQos2, "granted QoS 2", kSuback},
    {ReasonCode::kDisconnectWithWill, "disconnect with will message", kByClient},
    {ReasonCode::kNoMatchingSubscribers, "no matching subscribers", kPuback},
    {ReasonCode::kNoSubscriptionExisted, "no subscription existed", kUnsuback},
    {ReasonCode::kContinueAuthentication, "continue authentication", kAuth},
    {ReasonCode::kReauthenticate, "re-authenticate", kAuth},
    {ReasonCode::kUnspecifiedError, "unspecified error",
     kConnack | kPuback | kSuback | kUnsuback | kByBoth},
    {ReasonCode::kMalformedPacket, "malformed packet", kConnack | kByBoth},
    {ReasonCode::kProtocolError, "protocol error", kConnack | kByBoth},
    {ReasonCode::kImplementationSpecificError, "implementation specific error",
     kConnack | kPuback | kSuback | kUnsuback | kByBoth},
    {ReasonCode::kUnsupportedProtocolVersion, "unsupported protocol version", kConnack},
    {ReasonCode::kClientIdentifierNotValid, "client identifier not valid", kConnack},
    {ReasonCode::kBadUserNameOrPassword, "bad user name or password", kConnack},
    {ReasonCode::kNotAuthorized, "not authorized",
     kConnack | kPuback | kSuback | kUnsuback | kByServer},
    {ReasonCode::kServerUnavailable, "server unavailable", kConnack},
    {ReasonCode::kServerBusy, "server busy", kConnack | kByServer},
    {ReasonCode::kBanned, "banned", kConnack},
    {ReasonCode::kServerShuttingDown, "server shutting down", kByServer},
    {ReasonCode::kBadAuthenticationMethod, "bad authentication method", kConnack},
    {ReasonCode::kKeepAliveTimeout, "keep alive timeout", kByServer},
    {ReasonCode::kSessionTakenOver, "session taken over", kByServer},
    {ReasonCode::kTopicFilterInvalid, "topic filter invalid", kSuback | kUnsuback | kByServer},
    {ReasonCode::kTopicNameInvalid, "topic name invalid", kConnack | kPuback | kByBoth},
    {ReasonCode::kPacketIdentifierInUse, "packet identifier in use", kPuback | kSuback | kUnsuback},
    {ReasonCode::kPacketIdentifierNotFound, "packet identifier not found", kPubrel},
    {ReasonCode::kReceiveMaximumExceeded, "receive maximum exceeded", kByBoth},
    {ReasonCode::kTopicAliasInvalid, "topic alias invalid", kByBoth},
    {ReasonCode::kPacketTooLarge, "packet too large", kConnack | kByBoth},
    {ReasonCode::kMessageRateTooHigh, "message rate too high", kByBoth},
    {ReasonCode::kQuotaExceeded, "quota exceeded", kConnack | kPuback | kSuback | kByBoth},
    {ReasonCode::kAdministrativeAction, "administrative action", kByBoth},
    {ReasonCode::kPayloadFormatInvalid, "payload format invalid", kConnack | kPuback | kByBoth},
    {ReasonCode::kRetainNotSupported, "retain not supported", kConnack | kByServer},
    {ReasonCode::kQosNotSupported, "QoS not supported", kConnack | kByServer},
    {ReasonCode::kUseAnotherServer, "use another server", kConnack | kByServer},
    {ReasonCode::kServerMoved, "server moved", kConnack | kByServer},
    {ReasonCode::kSharedSubscriptionsNotSupported, "shared subscriptions not supported",
     kSuback | kByServer},
    {ReasonCode::kConnectionRateExceeded, "connection rate exceeded", kConnack | kByServer},
    {ReasonCode::kMaximumConnectTime, "maximum connect time", kByServer},
    {ReasonCode::kSubscriptionIdentifiersNotSupported, "subscription identifiers not supported",
     kSuback | kByServer},
    {ReasonCode::kWildcardSubscriptionsNotSupported, "wildcard subscriptions not supported",
     kSuback | kByServer},
};

const Row* find(ReasonCode code) {
  for (const Row& row : kRows) {
    if (row.code == code) return &row;
  }
  return nullptr;
}

}  // namespace

std::string_view to_string(PacketType type) {
  static constexpr std::array<std::string_view, 16> kNames{
      "reserved", "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
      "PUBREL",   "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
      "PINGREQ",  "PINGRESP", "DISCONNECT", "AUTH"};
  return kNames[static_cast<std::size_t>(type)];
}

std::string_view to_string(ReasonCode code) {
  const Row* row = find(code);
  return row == nullptr ? "unknown reason" : row->name;
}

ReturnCode311 return_code_311(ReasonCode code) {
  switch (code) {
    case ReasonCode::kSuccess:
      return ReturnCode311::kAccepted;
    case ReasonCode::kUnsupportedProtocolVersion:
      return ReturnCode311::kUnacceptableProtocolVersion;
    case ReasonCode::kClientIdentifierNotValid:
      return ReturnCode311::kIdentifierRejected;
    case ReasonCode::kBadUserNameOrPassword:
      return ReturnCode311::kBadUserNameOrPassword;
    case ReasonCode::kNotAuthorized:
    case ReasonCode::kBanned:
    case ReasonCode::kBadAuthenticationMethod:
    case ReasonCode::kTopicNameInvalid:
    case ReasonCode::kPayloadFormatInvalid:
    case ReasonCode::kRetainNotSupported:
    case ReasonCode::kQosNotSupported:
      return ReturnCode311::kNotAuthorized;
    default:
      return ReturnCode311::kServerUnavailable;
  }
}

bool is_reason_code_of(PacketType type, ReasonCode code, Sender sender) {
  const Row* row = find(code);
  if (row == nullptr) return false;
  const bool client_disconnect = type == PacketType::kDisconnect && sender == Sender::kClient;
  return (row->places & (client_disconnect ? kByClient : at(type))) != 0;
}

}  // namespace kscpush::mqtt
