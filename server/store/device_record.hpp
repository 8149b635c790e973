// A device as the registry keeps it, and what can be asked of the registry.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/device.hpp"
#include "core/ids.hpp"
#include "core/report.hpp"

namespace kscpush::server {

// The policy that a device says it has.
struct ReportedPolicy {
  std::string revision;
  std::string result;  // "applied", or why it was not
  WallTime since{};    // when it said so first
};

// Why a device has to be brought level: a push that would have done so got lost on the server.
enum class ResyncReason : std::uint8_t {
  kExpired,   // its time to live was over before the device acknowledged it
  kOverflow,  // it was refused, as too many waited or the database was full
};
[[nodiscard]] std::string_view to_string(ResyncReason reason);  // "expired", "overflow"
[[nodiscard]] std::optional<ResyncReason> resync_reason_from_name(std::string_view name);

struct ResyncRequired {
  WallTime since{};
  ResyncReason reason{};  // of the first loss; others may have followed
};

struct DeviceRecord {
  DeviceId id;
  std::string group;
  // SHA-256 of the certificate enrolled last; empty until then. Others of the same CA and name are
  // accepted as long as the device is not revoked.
  std::string fingerprint{};
  std::optional<WallTime> certificate_ends{};  // of that one, then of the one it connects with
  bool revoked = false;
  WallTime added{};
  std::optional<WallTime> last_seen{};
  Tags tags{};
  std::string platform{};                  // empty: not known
  std::string address{};                   // as last seen, else as given; empty: not known
  std::string local_settings{};            // as encode_settings() gives them
  std::optional<ReportedPolicy> policy{};  // nothing: never reported
  std::optional<ResyncRequired> resync{};  // nothing: it has missed nothing that is known
};

struct NewDevice {
  DeviceId id;
  std::string group{};
  Tags tags{};
  std::string platform{};
  std::string address{};
};

// What is to be another; what is not there stays.
struct DeviceChange {
  std::optional<std::string> group{};
  std::optional<Tags> tags{};  // instead of all
  Tags add_tags{};             // then these are added,
  Tags remove_tags{};          // and these taken away
  std::optional<std::string> platform{};
  std::optional<std::string> address{};
  std::optional<std::string> fingerprint{};
  std::optional<WallTime> certificate_ends{};
  std::optional<bool> revoked{};
};

// What one change has made of a device.
struct ChangedDevice {
  DeviceRecord before;
  DeviceRecord after;
};

// What is empty matches every device.
struct DeviceFilter {
  std::string group{};  // it and its subgroups
  std::string tag{};
  std::string platform{};
  std::optional<bool> revoked{};
};

struct DevicePage {
  std::vector<DeviceRecord> devices;  // in order of id
  // Where to go on: the id behind which the next page begins, empty when there is none. With a
  // filter a page may hold fewer than were asked for, even none, and yet not be the last.
  std::string next;
};

// How many devices each group has, its subgroups not counted.
using DeviceCounts = std::map<std::string, std::uint64_t, std::less<>>;

[[nodiscard]] Error unknown_device(const DeviceId& id);

}  // namespace kscpush::server
