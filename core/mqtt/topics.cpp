#include "core/mqtt/topics.hpp"

#include <array>

namespace kscpush::mqtt {
namespace {

constexpr std::string_view kDevices = "ksc/v1/devices/";
constexpr std::string_view kInbox = "/push";
constexpr std::string_view kUp = "/up/";
constexpr std::array<std::string_view, 4> kLeaves{"result", "state", "sync", "event"};

// What follows "ksc/v1/devices/DEVICE"; empty when TOPIC does not start with it.
std::string_view after_device(std::string_view topic, std::string_view device) {
  if (!topic.starts_with(kDevices)) return {};
  topic.remove_prefix(kDevices.size());
  if (!topic.starts_with(device)) return {};
  topic.remove_prefix(device.size());
  return topic;
}

bool has_wildcard(std::string_view topic) {
  constexpr auto kNone = std::string_view::npos;
  return topic.find('#') != kNone || topic.find('+') != kNone;  // find_first_of: a call a byte
}

// Wildcards stand for whole levels, '#' for the last ones only. [MQTT-4.7.1-1] [MQTT-4.7.1-2]
bool wildcards_well_placed(std::string_view filter) {
  if (!has_wildcard(filter)) return true;
  for (std::size_t i = 0; i < filter.size(); ++i) {
    if (filter[i] != '#' && filter[i] != '+') continue;
    const bool begins_level = i == 0 || filter[i - 1] == '/';
    const bool last = i + 1 == filter.size();
    const bool ends_level = last || (filter[i] == '+' && filter[i + 1] == '/');
    if (!begins_level || !ends_level) return false;
  }
  return true;
}

}  // namespace

std::string_view to_string(UpTopic topic) {
  return kLeaves[static_cast<std::size_t>(topic)];
}

bool is_inbox(std::string_view topic, std::string_view device) {
  return after_device(topic, device) == kInbox;
}

std::optional<UpTopic> up_topic(std::string_view topic, std::string_view device) {
  std::string_view rest = after_device(topic, device);
  if (!rest.starts_with(kUp)) return std::nullopt;
  rest.remove_prefix(kUp.size());
  for (std::size_t i = 0; i < kLeaves.size(); ++i) {
    if (rest == kLeaves[i]) return static_cast<UpTopic>(i);
  }
  return std::nullopt;
}

void TopicName::append(std::string_view part) {
  size_ += part.copy(text_.data() + size_, text_.size() - size_);
}

TopicName inbox_topic(std::string_view device) {
  return {kDevices, device, kInbox};
}

TopicName up_topic_name(std::string_view device, UpTopic topic) {
  return {kDevices, device, kUp, to_string(topic)};
}

bool is_topic_name(std::string_view topic) {
  return !topic.empty() && !has_wildcard(topic);
}

FilterKind filter_kind(std::string_view filter, Version version) {
  constexpr std::string_view kShare = "$share/";
  if (version == Version::kV5 && filter.starts_with(kShare)) {
    const std::string_view rest = filter.substr(kShare.size());
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) return FilterKind::kIllFormed;
    const std::string_view name = rest.substr(0, slash);
    const std::string_view shared = rest.substr(slash + 1);
    const bool well_formed =
        is_topic_name(name) && !shared.empty() && wildcards_well_placed(shared);
    return well_formed ? FilterKind::kShared : FilterKind::kIllFormed;
  }
  if (filter.empty() || !wildcards_well_placed(filter)) return FilterKind::kIllFormed;
  return has_wildcard(filter) ? FilterKind::kWildcard : FilterKind::kPlain;
}

}  // namespace kscpush::mqtt
