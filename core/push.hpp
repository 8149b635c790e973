// Push messages: what goes to a device, what it answers, and the states in between.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/ids.hpp"

namespace kscpush {

// What is promised differs by class (docs/architecture.md, "Delivery").
enum class PushClass : std::uint8_t {
  kWake,   // content-free, collapses, waits for the device
  kRpc,    // needs the device now; waits only if a time to live is asked for
  kState,  // desired state; level-triggered
};

struct PushKindRow {
  std::string_view kind;
  PushClass push_class;
  std::chrono::seconds default_ttl;  // 0: online only
};

// The one table of kinds. The longest time to live of any push is kMaxTtl.
inline constexpr std::chrono::seconds kMaxTtl = std::chrono::hours(48);
// How long the answer to an online-only push is waited for.
inline constexpr std::chrono::seconds kAnswerDeadline{30};
inline constexpr std::array kPushKinds{
    PushKindRow{"sync", PushClass::kWake, std::chrono::minutes(15)},
    PushKindRow{"ping", PushClass::kRpc, std::chrono::seconds(0)},
    // Of what the device's own configuration declares: docs/tasks.md.
    PushKindRow{"task.list", PushClass::kRpc, std::chrono::seconds(0)},
    PushKindRow{"task.start", PushClass::kRpc, std::chrono::seconds(0)},
    PushKindRow{"task.stop", PushClass::kRpc, std::chrono::seconds(0)},
    PushKindRow{"task.status", PushClass::kRpc, std::chrono::seconds(0)},
    PushKindRow{"task.output", PushClass::kRpc, std::chrono::seconds(0)},
    PushKindRow{"stats", PushClass::kRpc, std::chrono::seconds(0)},
    // The server's own answer to up/sync: never stored, and not for others to send.
    PushKindRow{"policy", PushClass::kState, std::chrono::seconds(0)},
};
[[nodiscard]] const PushKindRow* find_push_kind(std::string_view kind);
// Whether a synchronization makes up for such a push when it got lost: one of state, or one that
// calls for it. A question is not one: who asked is told that it ended, and nobody runs it later.
[[nodiscard]] bool made_up_by_sync(std::string_view kind);
// Those that can be asked for: all but those of desired state.
[[nodiscard]] std::vector<std::string> requestable_kinds();

// The life of a push; the order of the first six is the order in time. Numbers are stored on disk.
enum class PushState : std::uint8_t {
  kAccepted = 0,
  kStored = 1,
  kSent = 2,     // written to the device's connection
  kAcked = 3,    // the device's PUBACK
  kStarted = 4,  // the device's own answers from here on
  kCompleted = 5,
  kExpired = 6,
  kSuperseded = 7,
  kCancelled = 8,
  kRejected = 9,
  kUndeliverable = 10,
  kFailed = 11,
};
inline constexpr std::size_t kPushStates = 12;
[[nodiscard]] std::string_view to_string(PushState state);
[[nodiscard]] std::optional<PushState> push_state_from_name(std::string_view name);
// No state follows: completed, or one of the ends.
[[nodiscard]] bool is_final(PushState state);
// The rule of a push's life: forward among the first six, where steps may be left out; an end from
// any state that is not final; nothing after a final one.
[[nodiscard]] bool may_follow(PushState from, PushState to);
// The reason of a push that ends as expired after STATE.
[[nodiscard]] std::string_view why_expired(PushState state);

// One push as the device gets it.
struct PushMessage {
  Ulid id;
  std::string kind;
  int attempt = 1;
  std::chrono::seconds ttl{0};
  nlohmann::json params = nlohmann::json::object();
};
// {"v":1,"id":...,"kind":...,"attempt":...,"ttl":...,"params":{...}}
[[nodiscard]] std::string encode(const PushMessage& message);
// The same of parts. KIND is one of kPushKinds, PARAMS the text of a JSON object.
[[nodiscard]] std::string encode_push(const Ulid& id, std::string_view kind, int attempt,
                                      std::chrono::seconds ttl, std::string_view params);
[[nodiscard]] Result<PushMessage> decode_push(std::string_view json);

// What the device says of a push, published under up/result.
struct PushAnswer {
  Ulid id;
  PushState status = PushState::kCompleted;  // kStarted, kCompleted or kFailed
  nlohmann::json result{};                   // of the kind's own shape; null for none
};
[[nodiscard]] std::string encode(const PushAnswer& answer);
[[nodiscard]] Result<PushAnswer> decode_answer(std::string_view json);

}  // namespace kscpush
