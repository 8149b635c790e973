// The one table of MQTT 5 properties (section 2.2.2.2), and what is generated from it: storage,
// decoding with its checks, encoding.
#include <array>
#include <bit>
#include <limits>

#include "core/mqtt/packet.hpp"
#include "core/mqtt/topics.hpp"
#include "core/mqtt/wire.hpp"

namespace kscpush::mqtt {
namespace {

enum class Kind : std::uint8_t { kByte, kTwoBytes, kFourBytes, kVarint, kString, kBinary, kPair };

constexpr unsigned at(PacketType type) {
  return 1U << static_cast<unsigned>(type);
}
constexpr unsigned kInWill = 1U << 0;
constexpr unsigned kInConnect = at(PacketType::kConnect);
constexpr unsigned kInConnack = at(PacketType::kConnack);
constexpr unsigned kInPublish = at(PacketType::kPublish);
constexpr unsigned kInSubscribe = at(PacketType::kSubscribe);
constexpr unsigned kInDisconnect = at(PacketType::kDisconnect);
constexpr unsigned kInAuth = at(PacketType::kAuth);
constexpr unsigned kInAnswers = kInConnack | at(PacketType::kPuback) | at(PacketType::kPubrec) |
                                at(PacketType::kPubrel) | at(PacketType::kPubcomp) |
                                at(PacketType::kSuback) | at(PacketType::kUnsuback) |
                                kInDisconnect | kInAuth;
constexpr unsigned kEverywhere =
    kInAnswers | kInWill | kInConnect | kInPublish | kInSubscribe | at(PacketType::kUnsubscribe);

constexpr std::uint32_t kAny16 = 0xFFFF;
constexpr std::uint32_t kAny32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kLargestVarint = 268'435'455;

struct Row {
  Property property;
  Kind kind;
  unsigned places;
  std::uint32_t min;
  std::uint32_t max;
  std::string_view name;
};

// Numbers first, in the order of Properties::numbers_, then strings in that of texts_, then what
// stays encoded.
constexpr std::array kRows{
    Row{Property::kPayloadFormat, Kind::kByte, kInPublish | kInWill, 0, 1,
        "Payload Format Indicator"},
    Row{Property::kMessageExpiry, Kind::kFourBytes, kInPublish | kInWill, 0, kAny32,
        "Message Expiry Interval"},
    Row{Property::kSessionExpiry, Kind::kFourBytes, kInConnect | kInConnack | kInDisconnect, 0,
        kAny32, "Session Expiry Interval"},
    Row{Property::kServerKeepAlive, Kind::kTwoBytes, kInConnack, 0, kAny16, "Server Keep Alive"},
    Row{Property::kRequestProblemInformation, Kind::kByte, kInConnect, 0, 1,
        "Request Problem Information"},
    Row{Property::kWillDelay, Kind::kFourBytes, kInWill, 0, kAny32, "Will Delay Interval"},
    Row{Property::kRequestResponseInformation, Kind::kByte, kInConnect, 0, 1,
        "Request Response Information"},
    Row{Property::kReceiveMaximum, Kind::kTwoBytes, kInConnect | kInConnack, 1, kAny16,
        "Receive Maximum"},
    Row{Property::kTopicAliasMaximum, Kind::kTwoBytes, kInConnect | kInConnack, 0, kAny16,
        "Topic Alias Maximum"},
    Row{Property::kTopicAlias, Kind::kTwoBytes, kInPublish, 1, kAny16, "Topic Alias"},
    Row{Property::kMaximumQos, Kind::kByte, kInConnack, 0, 1, "Maximum QoS"},
    Row{Property::kRetainAvailable, Kind::kByte, kInConnack, 0, 1, "Retain Available"},
    Row{Property::kMaximumPacketSize, Kind::kFourBytes, kInConnect | kInConnack, 1, kAny32,
        "Maximum Packet Size"},
    Row{Property::kWildcardSubscriptionAvailable, Kind::kByte, kInConnack, 0, 1,
        "Wildcard Subscription Available"},
    Row{Property::kSubscriptionIdentifierAvailable, Kind::kByte, kInConnack, 0, 1,
        "Subscription Identifier Available"},
    Row{Property::kSharedSubscriptionAvailable, Kind::kByte, kInConnack, 0, 1,
        "Shared Subscription Available"},
    Row{Property::kContentType, Kind::kString, kInPublish | kInWill, 0, 0, "Content Type"},
    Row{Property::kResponseTopic, Kind::kString, kInPublish | kInWill, 0, 0, "Response Topic"},
    Row{Property::kCorrelationData, Kind::kBinary, kInPublish | kInWill, 0, 0, "Correlation Data"},
    Row{Property::kAssignedClientIdentifier, Kind::kString, kInConnack, 0, 0,
        "Assigned Client Identifier"},
    Row{Property::kAuthenticationMethod, Kind::kString, kInConnect | kInConnack | kInAuth, 0, 0,
        "Authentication Method"},
    Row{Property::kAuthenticationData, Kind::kBinary, kInConnect | kInConnack | kInAuth, 0, 0,
        "Authentication Data"},
    Row{Property::kResponseInformation, Kind::kString, kInConnack, 0, 0, "Response Information"},
    Row{Property::kServerReference, Kind::kString, kInConnack | kInDisconnect, 0, 0,
        "Server Reference"},
    Row{Property::kReasonString, Kind::kString, kInAnswers, 0, 0, "Reason String"},
    Row{Property::kSubscriptionIdentifier, Kind::kVarint, kInPublish | kInSubscribe, 1,
        kLargestVarint, "Subscription Identifier"},
    Row{Property::kUserProperty, Kind::kPair, kEverywhere, 0, 0, "User Property"},
};
constexpr std::size_t kNumbers = 16;
constexpr std::size_t kTexts = 9;
constexpr std::size_t kNoRow = kRows.size();

constexpr auto kRowOf = [] {
  std::array<std::uint8_t, 0x2B> rows{};
  rows.fill(static_cast<std::uint8_t>(kNoRow));
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    rows[static_cast<std::size_t>(kRows[i].property)] = static_cast<std::uint8_t>(i);
  }
  return rows;
}();
static_assert(kRowOf[static_cast<std::size_t>(Property::kContentType)] == kNumbers);
static_assert(kRowOf[static_cast<std::size_t>(Property::kSubscriptionIdentifier)] ==
              kNumbers + kTexts);

std::size_t row_of(Property property) {
  return kRowOf[static_cast<std::size_t>(property)];
}

struct Value {
  std::uint32_t number = 0;
  std::string_view text;
  std::string_view second;  // of a pair
};

Value read_value(Reader& reader, Kind kind) {
  Value value;
  switch (kind) {
    case Kind::kByte:
      value.number = reader.u8();
      break;
    case Kind::kTwoBytes:
      value.number = reader.u16();
      break;
    case Kind::kFourBytes:
      value.number = reader.u32();
      break;
    case Kind::kVarint:
      value.number = reader.varint();
      break;
    case Kind::kString:
      value.text = reader.string();
      break;
    case Kind::kBinary:
      value.text = reader.binary();
      break;
    case Kind::kPair:
      value.text = reader.string();
      value.second = reader.string();
      break;
  }
  return value;
}

// The row of the identifier that comes next; null, and the reader failed, when there is none.
const Row* read_identifier(Reader& reader) {
  const std::uint32_t id = reader.varint();
  if (reader.failed()) return nullptr;
  if (id < kRowOf.size() && kRowOf[id] != kNoRow) return &kRows[kRowOf[id]];
  reader.malformed("unknown property");
  return nullptr;
}

void check_value(Reader& reader, const Row& row, const Value& value) {
  if (reader.failed()) return;
  const bool is_number = row.kind <= Kind::kVarint;
  if (is_number && (value.number < row.min || value.number > row.max)) {
    const bool alias = row.property == Property::kTopicAlias;
    reader.fail({alias ? ReasonCode::kTopicAliasInvalid : ReasonCode::kProtocolError,
                 "value out of range", row.name});
  }
  // [MQTT-3.3.2-14]
  if (row.property == Property::kResponseTopic && !is_topic_name(value.text)) {
    reader.protocol_error("not a topic name", row.name);
  }
}

bool is_repeatable(Property property, PacketType type) {
  return property == Property::kUserProperty ||
         (property == Property::kSubscriptionIdentifier && type == PacketType::kPublish);
}

void read_property(Reader& reader, Properties& properties, std::uint64_t& seen, PacketType type,
                   unsigned place) {
  const Row* row = read_identifier(reader);
  if (row == nullptr) return;
  if ((row->places & place) == 0) {
    reader.malformed("property that does not belong there", row->name);
    return;
  }
  const Value value = read_value(reader, row->kind);
  check_value(reader, *row, value);
  if (reader.failed()) return;
  const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(row->property);
  if ((seen & bit) != 0 && !is_repeatable(row->property, type)) {
    reader.protocol_error("property that comes twice", row->name);
    return;
  }
  seen |= bit;
  if (row->kind < Kind::kVarint) {
    properties.set(row->property, value.number);
  } else if (row->kind == Kind::kString || row->kind == Kind::kBinary) {
    properties.set(row->property, value.text);
  }
}

template <class Sink>
void write_value(Sink& sink, const Row& row, const Properties& properties) {
  switch (row.kind) {
    case Kind::kByte:
      sink.u8(static_cast<std::uint8_t>(properties.number(row.property)));
      break;
    case Kind::kTwoBytes:
      sink.u16(static_cast<std::uint16_t>(properties.number(row.property)));
      break;
    case Kind::kFourBytes:
      sink.u32(properties.number(row.property));
      break;
    default:
      sink.binary(properties.text(row.property));
      break;
  }
}

template <class Sink>
void write_all(Sink& sink, const Properties& properties) {
  if (properties.empty()) return;
  // Those that there are, by their bits: a packet has few of the many.
  for (auto left = properties.present(); left != 0; left &= left - 1) {
    const std::size_t i = kRowOf[static_cast<std::size_t>(std::countr_zero(left))];
    if (i >= kNumbers + kTexts) continue;
    sink.u8(static_cast<std::uint8_t>(kRows[i].property));
    write_value(sink, kRows[i], properties);
  }
  Reader reader(properties.repeated());
  while (!reader.at_end()) {
    const std::string_view before = reader.unread();
    const Row* row = read_identifier(reader);
    if (row == nullptr) return;
    read_value(reader, row->kind);
    if (reader.failed()) return;
    if (row->kind != Kind::kPair && row->kind != Kind::kVarint) continue;
    sink.bytes(before.substr(0, before.size() - reader.unread().size()));
  }
}

}  // namespace

std::uint32_t Properties::number(Property property, std::uint32_t otherwise) const {
  return has(property) ? numbers_[row_of(property)] : otherwise;
}

std::string_view Properties::text(Property property) const {
  return texts_[row_of(property) - kNumbers];
}

void Properties::set(Property property, std::uint32_t number) {
  numbers_[row_of(property)] = number;
  present_ |= bit(property);
}

void Properties::set(Property property, std::string_view text) {
  texts_[row_of(property) - kNumbers] = text;
  present_ |= bit(property);
}

void Properties::set_repeated(std::string_view encoded) {
  repeated_ = encoded;
  Reader reader(encoded);
  while (!reader.at_end()) {
    const Row* row = read_identifier(reader);
    if (row == nullptr) return;
    read_value(reader, row->kind);
    if (row->kind == Kind::kPair || row->kind == Kind::kVarint) present_ |= bit(row->property);
  }
}

std::optional<std::string_view> Properties::user_property(std::string_view name) const {
  Reader reader(repeated_);
  while (!reader.at_end()) {
    const Row* row = read_identifier(reader);
    if (row == nullptr) return std::nullopt;
    const Value value = read_value(reader, row->kind);
    if (row->kind == Kind::kPair && value.text == name) return value.second;
  }
  return std::nullopt;
}

void append_user_property(std::string& encoded, const StringPair& pair) {
  append(encoded, [&](auto& sink) {
    sink.u8(static_cast<std::uint8_t>(Property::kUserProperty));
    sink.binary(pair.name);
    sink.binary(pair.value);
  });
}

Properties read_properties(Reader& reader, PacketType type, PropertyPlace place) {
  Properties properties;
  const std::string_view block = reader.bytes(reader.varint());
  Reader inner(block);
  std::uint64_t seen = 0;
  while (!inner.at_end()) {
    read_property(inner, properties, seen, type,
                  place == PropertyPlace::kWill ? kInWill : at(type));
  }
  if (inner.failed()) {
    reader.fail(inner.error());
    return {};
  }
  const auto bit = [](Property p) { return std::uint64_t{1} << static_cast<unsigned>(p); };
  if ((seen & (bit(Property::kUserProperty) | bit(Property::kSubscriptionIdentifier))) != 0) {
    properties.set_repeated(block);
  }
  if (properties.has(Property::kAuthenticationData) &&
      !properties.has(Property::kAuthenticationMethod)) {
    reader.protocol_error("without Authentication Method", "Authentication Data");
  }
  return properties;
}

void write_properties(Counter& counter, const Properties& properties) {
  Counter block;
  write_all(block, properties);
  counter.varint(static_cast<std::uint32_t>(block.size()));
  counter.add(block);
}

void write_properties(Writer& writer, const Properties& properties) {
  Counter block;
  write_all(block, properties);
  writer.varint(static_cast<std::uint32_t>(block.size()));
  write_all(writer, properties);
}

}  // namespace kscpush::mqtt
