// The MQTT control packets as values, for MQTT 3.1.1 and 5.0.
//
// Decoded packets are views into the bytes they came from: they live as long as those bytes. To be
// encoded, they are filled with views of the caller's strings. core/mqtt/codec.hpp does both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kscpush::mqtt {

enum class Version : std::uint8_t { kV311 = 4, kV5 = 5 };

// The values on the wire, the upper half of a packet's first byte.
enum class PacketType : std::uint8_t {
  kConnect = 1,
  kConnack = 2,
  kPublish = 3,
  kPuback = 4,
  kPubrec = 5,
  kPubrel = 6,
  kPubcomp = 7,
  kSubscribe = 8,
  kSuback = 9,
  kUnsubscribe = 10,
  kUnsuback = 11,
  kPingreq = 12,
  kPingresp = 13,
  kDisconnect = 14,
  kAuth = 15,
};
[[nodiscard]] std::string_view to_string(PacketType type);

// MQTT 5, section 2.4. Some numbers mean several things, depending on the packet: 0x00 is success,
// normal disconnection and granted QoS 0.
enum class ReasonCode : std::uint8_t {
  kSuccess = 0x00,
  kGrantedQos0 = 0x00,
  kGrantedQos1 = 0x01,
  kGrantedQos2 = 0x02,
  kDisconnectWithWill = 0x04,
  kNoMatchingSubscribers = 0x10,
  kNoSubscriptionExisted = 0x11,
  kContinueAuthentication = 0x18,
  kReauthenticate = 0x19,
  kUnspecifiedError = 0x80,
  kMalformedPacket = 0x81,
  kProtocolError = 0x82,
  kImplementationSpecificError = 0x83,
  kUnsupportedProtocolVersion = 0x84,
  kClientIdentifierNotValid = 0x85,
  kBadUserNameOrPassword = 0x86,
  kNotAuthorized = 0x87,
  kServerUnavailable = 0x88,
  kServerBusy = 0x89,
  kBanned = 0x8A,
  kServerShuttingDown = 0x8B,
  kBadAuthenticationMethod = 0x8C,
  kKeepAliveTimeout = 0x8D,
  kSessionTakenOver = 0x8E,
  kTopicFilterInvalid = 0x8F,
  kTopicNameInvalid = 0x90,
  kPacketIdentifierInUse = 0x91,
  kPacketIdentifierNotFound = 0x92,
  kReceiveMaximumExceeded = 0x93,
  kTopicAliasInvalid = 0x94,
  kPacketTooLarge = 0x95,
  kMessageRateTooHigh = 0x96,
  kQuotaExceeded = 0x97,
  kAdministrativeAction = 0x98,
  kPayloadFormatInvalid = 0x99,
  kRetainNotSupported = 0x9A,
  kQosNotSupported = 0x9B,
  kUseAnotherServer = 0x9C,
  kServerMoved = 0x9D,
  kSharedSubscriptionsNotSupported = 0x9E,
  kConnectionRateExceeded = 0x9F,
  kMaximumConnectTime = 0xA0,
  kSubscriptionIdentifiersNotSupported = 0xA1,
  kWildcardSubscriptionsNotSupported = 0xA2,
};
// The specification's words in lower case: "not authorized".
[[nodiscard]] std::string_view to_string(ReasonCode code);
[[nodiscard]] constexpr bool is_error(ReasonCode code) {
  return static_cast<std::uint8_t>(code) >= 0x80;
}

// The return codes of a 3.1.1 CONNACK, by which every refusal is told there.
enum class ReturnCode311 : std::uint8_t {
  kAccepted = 0,
  kUnacceptableProtocolVersion = 1,
  kIdentifierRejected = 2,
  kServerUnavailable = 3,
  kBadUserNameOrPassword = 4,
  kNotAuthorized = 5,
};
[[nodiscard]] ReturnCode311 return_code_311(ReasonCode code);

// MQTT 5 properties, by their identifiers.
enum class Property : std::uint8_t {
  kPayloadFormat = 0x01,
  kMessageExpiry = 0x02,
  kContentType = 0x03,
  kResponseTopic = 0x08,
  kCorrelationData = 0x09,
  kSubscriptionIdentifier = 0x0B,
  kSessionExpiry = 0x11,
  kAssignedClientIdentifier = 0x12,
  kServerKeepAlive = 0x13,
  kAuthenticationMethod = 0x15,
  kAuthenticationData = 0x16,
  kRequestProblemInformation = 0x17,
  kWillDelay = 0x18,
  kRequestResponseInformation = 0x19,
  kResponseInformation = 0x1A,
  kServerReference = 0x1C,
  kReasonString = 0x1F,
  kReceiveMaximum = 0x21,
  kTopicAliasMaximum = 0x22,
  kTopicAlias = 0x23,
  kMaximumQos = 0x24,
  kRetainAvailable = 0x25,
  kUserProperty = 0x26,
  kMaximumPacketSize = 0x27,
  kWildcardSubscriptionAvailable = 0x28,
  kSubscriptionIdentifierAvailable = 0x29,
  kSharedSubscriptionAvailable = 0x2A,
};

struct StringPair {
  std::string_view name;
  std::string_view value;
  bool operator==(const StringPair&) const = default;
};

// The properties of one packet. Holds no memory of its own: numbers, and views of strings.
class Properties {
 public:
  [[nodiscard]] bool has(Property property) const { return (present_ & bit(property)) != 0; }
  [[nodiscard]] bool empty() const { return present_ == 0; }
  // A bit for each property that is there, at the place of its identifier.
  [[nodiscard]] std::uint64_t present() const { return present_; }
  // The number, or OTHERWISE when the property is absent. Only for properties that are numbers.
  [[nodiscard]] std::uint32_t number(Property property, std::uint32_t otherwise = 0) const;
  // The string or binary data; empty when absent. Only for properties that are such.
  [[nodiscard]] std::string_view text(Property property) const;

  void set(Property property, std::uint32_t number);
  void set(Property property, std::string_view text);
  // User Properties and Subscription Identifiers may come more than once; they stay encoded, in
  // order, among whatever else stands in ENCODED, which must hold well-formed properties.
  void set_repeated(std::string_view encoded);
  [[nodiscard]] std::string_view repeated() const { return repeated_; }
  // Value of the first User Property with that name.
  [[nodiscard]] std::optional<std::string_view> user_property(std::string_view name) const;

 private:
  static constexpr std::uint64_t bit(Property property) {
    return std::uint64_t{1} << static_cast<unsigned>(property);
  }

  std::uint64_t present_ = 0;
  std::array<std::uint32_t, 16> numbers_{};
  std::array<std::string_view, 9> texts_{};
  std::string_view repeated_;
};

// Appends a User Property in its encoded form, for Properties::set_repeated(). Name and value are
// valid UTF-8 of at most 65535 bytes.
void append_user_property(std::string& encoded, const StringPair& pair);

struct WillFields {
  std::string_view topic;
  std::string_view payload;
  std::uint8_t qos = 0;
  bool retain = false;
  Properties properties;
};

struct Connect {
  Version version = Version::kV5;
  bool clean_start = true;  // MQTT 3.1.1: Clean Session
  std::uint16_t keep_alive_s = 0;
  Properties properties;
  std::string_view client_id;
  std::optional<WillFields> will;
  std::optional<std::string_view> username;
  std::optional<std::string_view> password;
};

struct Connack {
  bool session_present = false;
  std::uint8_t code = 0;  // a ReasonCode, or for MQTT 3.1.1 a ReturnCode311
  Properties properties;
};

struct Publish {
  bool dup = false;
  std::uint8_t qos = 0;
  bool retain = false;
  std::string_view topic;       // MQTT 5: empty when there is a Topic Alias instead
  std::uint16_t packet_id = 0;  // 0 with QoS 0
  Properties properties;
  std::string_view payload;
};

// PUBACK, PUBREC, PUBREL and PUBCOMP.
struct Ack {
  PacketType type = PacketType::kPuback;
  std::uint16_t packet_id = 0;
  ReasonCode code = ReasonCode::kSuccess;
  Properties properties;
};

// One topic filter of a SUBSCRIBE; the options other than QoS are of MQTT 5.
struct Subscription {
  std::string_view filter;
  std::uint8_t qos = 0;
  bool no_local = false;
  bool retain_as_published = false;
  std::uint8_t retain_handling = 0;
};

// SUBSCRIBE and UNSUBSCRIBE. The filters stay encoded; read them with FilterReader.
struct Subscribe {
  PacketType type = PacketType::kSubscribe;
  std::uint16_t packet_id = 0;
  Properties properties;
  std::string_view filters;  // as on the wire, checked
};

// SUBACK and UNSUBACK. CODES has a byte for each filter; none in an UNSUBACK of MQTT 3.1.1.
struct Suback {
  PacketType type = PacketType::kSuback;
  std::uint16_t packet_id = 0;
  Properties properties;
  std::string_view codes;
};

struct Disconnect {
  ReasonCode code = ReasonCode::kSuccess;
  Properties properties;
};

struct Auth {
  ReasonCode code = ReasonCode::kSuccess;
  Properties properties;
};

}  // namespace kscpush::mqtt
