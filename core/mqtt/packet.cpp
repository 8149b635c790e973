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
  unsigned places;
  std::string_view name;
};

// MQTT 5, section 2.4, and the tables of the packets that carry reason codes.
constexpr Row kRows[] = {
    {ReasonCode::kSuccess, kConnack | kPuback | kPubrel | kSuback | kUnsuback | kAuth | kByBoth,
     "success"},
    {ReasonCode::kGrantedQos1, kSuback, "granted QoS 1"},
    {ReasonCode::kGrantedQos2, kSuback, "granted QoS 2"},
    {ReasonCode::kDisconnectWithWill, kByClient, "disconnect with will message"},
    {ReasonCode::kNoMatchingSubscribers, kPuback, "no matching subscribers"},
    {ReasonCode::kNoSubscriptionExisted, kUnsuback, "no subscription existed"},
    {ReasonCode::kContinueAuthentication, kAuth, "continue authentication"},
    {ReasonCode::kReauthenticate, kAuth, "re-authenticate"},
    {ReasonCode::kUnspecifiedError, kConnack | kPuback | kSuback | kUnsuback | kByBoth,
     "unspecified error"},
    {ReasonCode::kMalformedPacket, kConnack | kByBoth, "malformed packet"},
    {ReasonCode::kProtocolError, kConnack | kByBoth, "protocol error"},
    {ReasonCode::kImplementationSpecificError, kConnack | kPuback | kSuback | kUnsuback | kByBoth,
     "implementation specific error"},
    {ReasonCode::kUnsupportedProtocolVersion, kConnack, "unsupported protocol version"},
    {ReasonCode::kClientIdentifierNotValid, kConnack, "client identifier not valid"},
    {ReasonCode::kBadUserNameOrPassword, kConnack, "bad user name or password"},
    {ReasonCode::kNotAuthorized, kConnack | kPuback | kSuback | kUnsuback | kByServer,
     "not authorized"},
    {ReasonCode::kServerUnavailable, kConnack, "server unavailable"},
    {ReasonCode::kServerBusy, kConnack | kByServer, "server busy"},
    {ReasonCode::kBanned, kConnack, "banned"},
    {ReasonCode::kServerShuttingDown, kByServer, "server shutting down"},
    {ReasonCode::kBadAuthenticationMethod, kConnack, "bad authentication method"},
    {ReasonCode::kKeepAliveTimeout, kByServer, "keep alive timeout"},
    {ReasonCode::kSessionTakenOver, kByServer, "session taken over"},
    {ReasonCode::kTopicFilterInvalid, kSuback | kUnsuback | kByServer, "topic filter invalid"},
    {ReasonCode::kTopicNameInvalid, kConnack | kPuback | kByBoth, "topic name invalid"},
    {ReasonCode::kPacketIdentifierInUse, kPuback | kSuback | kUnsuback, "packet identifier in use"},
    {ReasonCode::kPacketIdentifierNotFound, kPubrel, "packet identifier not found"},
    {ReasonCode::kReceiveMaximumExceeded, kByBoth, "receive maximum exceeded"},
    {ReasonCode::kTopicAliasInvalid, kByBoth, "topic alias invalid"},
    {ReasonCode::kPacketTooLarge, kConnack | kByBoth, "packet too large"},
    {ReasonCode::kMessageRateTooHigh, kByBoth, "message rate too high"},
    {ReasonCode::kQuotaExceeded, kConnack | kPuback | kSuback | kByBoth, "quota exceeded"},
    {ReasonCode::kAdministrativeAction, kByBoth, "administrative action"},
    {ReasonCode::kPayloadFormatInvalid, kConnack | kPuback | kByBoth, "payload format invalid"},
    {ReasonCode::kRetainNotSupported, kConnack | kByServer, "retain not supported"},
    {ReasonCode::kQosNotSupported, kConnack | kByServer, "QoS not supported"},
    {ReasonCode::kUseAnotherServer, kConnack | kByServer, "use another server"},
    {ReasonCode::kServerMoved, kConnack | kByServer, "server moved"},
    {ReasonCode::kSharedSubscriptionsNotSupported, kSuback | kByServer,
     "shared subscriptions not supported"},
    {ReasonCode::kConnectionRateExceeded, kConnack | kByServer, "connection rate exceeded"},
    {ReasonCode::kMaximumConnectTime, kByServer, "maximum connect time"},
    {ReasonCode::kSubscriptionIdentifiersNotSupported, kSuback | kByServer,
     "subscription identifiers not supported"},
    {ReasonCode::kWildcardSubscriptionsNotSupported, kSuback | kByServer,
     "wildcard subscriptions not supported"},
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
