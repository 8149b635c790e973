#include "tests/simulation/checkers.hpp"

#include <algorithm>

#include "core/mqtt/codec.hpp"
#include "server/net/tls_record.hpp"

namespace kscpush::simulation {

using mqtt::PacketType;
using test::ServerPacket;

namespace {

constexpr std::size_t kWindow = 16;
constexpr int kMostAttempts = 5;
// The shard reads so much at a time.
constexpr std::size_t kReadBytes = server::kMostTlsRecord;
// More than any answer to a packet of a device, and any last words.
constexpr std::size_t kAnswerBytes = 1024;

std::string id_of(const std::string& payload) {
  const auto push = decode_push(payload);
  return push ? std::string(push->id.str()) : std::string();
}

bool is_ping(const std::string& payload) {
  const auto push = decode_push(payload);
  return push && push->kind == "ping";
}

}  // namespace

// --- One connection

ConnectionChecker::ConnectionChecker(Verdict& verdict, test::ConnectSpec spec)
    : verdict_(verdict), spec_(std::move(spec)), reader_(spec_.version) {}

std::vector<ServerPacket> ConnectionChecker::wrote(std::string_view bytes) {
  std::vector<ServerPacket> packets;
  if (garbage_) return packets;
  try {
    packets = reader_.take(bytes);
  } catch (const std::runtime_error& error) {
    verdict_.fail("{}: {}", spec_.id, error.what());
    return packets;
  }
  for (const ServerPacket& packet : packets) {
    if (packet.type == PacketType::kConnack) {
      if (admitted_) verdict_.fail("{}: a second CONNACK", spec_.id);
      admitted_ = packet.code == 0;
      resumed_ = packet.session_present;
      if (resumed_ && spec_.clean_start) verdict_.fail("{}: session after clean start", spec_.id);
    } else if (!admitted_) {
      verdict_.fail("{}: {} before CONNACK", spec_.id, to_string(packet));
    }
    if (packet.type == PacketType::kPublish) check_push(packet);
  }
  return packets;
}

void ConnectionChecker::check_push(const ServerPacket& packet) {
  if (packet.topic != mqtt::inbox_topic(spec_.id).view()) {
    verdict_.fail("{}: a message to {}", spec_.id, packet.topic);
  }
  if (packet.dup && !resumed_) verdict_.fail("{}: DUP in a new session", spec_.id);
  if (packet.qos > 0) {
    if (!unacknowledged_.insert(packet.packet_id).second) {
      verdict_.fail("{}: packet identifier {} used twice", spec_.id, packet.packet_id);
    }
    const std::size_t most = spec_.receive_maximum == 0
                                 ? kWindow
                                 : std::min<std::size_t>(kWindow, spec_.receive_maximum);
    if (unacknowledged_.size() > most) {
      verdict_.fail("{}: {} in flight", spec_.id, unacknowledged_.size());
    }
  }
  if (is_ping(packet.payload)) return;
  const std::string id = id_of(packet.payload);
  if (id <= last_push_) verdict_.fail("{}: push {} after {}", spec_.id, id, last_push_);
  last_push_ = id;
}

void ConnectionChecker::gave(std::string_view bytes) {
  if (!given_is_mqtt_) return;
  given_.append(bytes);
  for (;;) {
    const auto frame = mqtt::next_frame(given_, mqtt::kMaxPacketBytes);
    if (!frame) {
      given_is_mqtt_ = false;
      return;
    }
    if (!frame->has_value()) return;
    if ((*frame)->type == PacketType::kPuback) {
      const auto ack = mqtt::decode_ack(**frame, spec_.version);
      if (ack) unacknowledged_.erase(ack->packet_id);
    }
    given_.erase(0, (*frame)->size);
  }
}

// --- The pushes

void PushChecker::accepted(const server::PushRecord& push) {
  pushes_[std::string(push.id.str())].device = push.device.str();
}

void PushChecker::received(const std::string& device, const std::string& push) {
  const auto found = pushes_.find(push);
  if (found == pushes_.end()) {
    verdict_.fail("{}: push {}, which nobody sent", device, push);
    return;
  }
  if (found->second.device != device) {
    verdict_.fail("{}: push {} of {}", device, push, found->second.device);
  }
  found->second.received = true;
}

void PushChecker::acknowledged(const std::string& push, bool refused) {
  Seen& seen = pushes_[push];
  (refused ? seen.refused : seen.acknowledged) = true;
}

void PushChecker::answered(const std::string& push, PushState status) {
  const auto found = pushes_.find(push);  // nothing: a ping
  if (found != pushes_.end()) found->second.answers.insert(status);
}

void PushChecker::written(const std::string& push, std::uint64_t lane, bool again) {
  const auto found = pushes_.find(push);
  if (found == pushes_.end()) return;  // received() says so
  Seen& seen = found->second;
  const int most = kMostAttempts + forgotten_;
  // A connection that was taken over still gets what it was given before, if it reads slowly.
  const bool late = lane < seen.lane;
  if (seen.written > 0 && !again && !late)
    verdict_.fail("push {} is sent again as if for the first time", push);
  seen.lane = std::max(seen.lane, lane);
  if (++seen.written > most) {
    verdict_.fail("push {} was sent {} times, {} are allowed", push, seen.written, most);
  }
}

void PushChecker::check_states() {
  for (const auto& [id, seen] : pushes_) {
    const auto found = store_.find_push(Ulid::parse(id).value());
    if (!found || !found->has_value()) {
      verdict_.fail("push {} was accepted and is lost", id);
      return;
    }
    check_state(**found, seen);
  }
}

void PushChecker::check_state(const server::PushRecord& record, const Seen& seen) {
  const auto untrue = [&](std::string_view why) {
    verdict_.fail("push {} of {} is {}: {}", record.id.str(), record.device.str(),
                  to_string(record.state), why);
  };
  if (record.device.str() != seen.device) untrue("it was another device's");
  const bool acked = record.reached[static_cast<std::size_t>(PushState::kAcked)].has_value();
  if (acked && !seen.acknowledged) untrue("acknowledged by nobody");
  switch (record.state) {
    case PushState::kAccepted:
    case PushState::kStored:
    case PushState::kAcked:
      break;
    case PushState::kSent:
      if (seen.written == 0 && record.attempts == 0) untrue("it never was");
      break;
    case PushState::kStarted:
    case PushState::kCompleted:
    case PushState::kFailed:
      if (!seen.answers.contains(record.state)) untrue("the device never said so");
      break;
    case PushState::kExpired:
      if (*record.reached[static_cast<std::size_t>(PushState::kExpired)] < record.expires) {
        untrue("before its time");
      }
      break;
    case PushState::kSuperseded:
      if (!record.reason.starts_with("replaced by ")) untrue("by nothing");
      break;
    case PushState::kRejected:
      if (!seen.refused) untrue("nobody refused it");
      break;
    case PushState::kUndeliverable:
      if (record.reason.empty()) untrue("without a reason");
      if (record.reason.starts_with("sent ") && record.attempts < kMostAttempts)
        untrue("too early");
      break;
    case PushState::kCancelled:
      untrue("nobody cancels here");
  }
}

void PushChecker::check_settled() {
  check_states();
  for (const auto& [seq, push] : store_.pushes()) {
    const bool gone = push.state == PushState::kSent && at_most_once_.contains(push.device.str());
    const bool waits = push.state <= PushState::kSent && push.expires > clock_.wall();
    if (waits && !gone) {
      verdict_.fail("push {} of {} still waits, {} after {} attempts", push.id.str(),
                    push.device.str(), to_string(push.state), push.attempts);
    }
  }
}

// --- The pings

server::ProbeDone ProbeChecker::ask(MonoTime deadline) {
  const std::size_t number = ++asked_;
  open_.emplace(number, deadline);
  return [this, number](const Result<server::ProbeReport>& report) {
    if (open_.erase(number) == 0) verdict_.fail("ping {} is answered twice", number);
    if (report) ++*completed_;
  };
}

void ProbeChecker::check_overdue(MonoTime now) {
  for (const auto& [number, deadline] : open_) {
    if (deadline < now) verdict_.fail("ping {} is not answered", number);
  }
}

// --- The shards

void check_shards(Verdict& verdict, const server::ShardContext& context) {
  std::uint64_t connected = 0;
  for (const auto& shard : context.shards) {
    if (const std::string wrong = shard->inconsistency(); !wrong.empty()) {
      verdict.fail("a shard does not hold together: {}", wrong);
    }
    connected += shard->counters().connected.get();
    const server::ShardUsage usage = shard->usage();
    const site::ServerLimits& limits = shard->settings().dp.push_server.limits;
    const std::size_t packet = shard->settings().mqtt_limits.packet_bytes;
    if (usage.most_unsent > limits.unsent_bytes + packet + kAnswerBytes) {
      verdict.fail("{} bytes wait for a device that does not read", usage.most_unsent);
    }
    if (usage.most_unread > packet + kReadBytes) {
      verdict.fail("{} bytes of a device wait to be taken", usage.most_unread);
    }
    if (usage.most_in_flight > kWindow) {
      verdict.fail("{} pushes of a device are in flight", usage.most_in_flight);
    }
  }
  if (connected != context.budget.used()) {
    verdict.fail("{} devices are connected, and {} places are taken", connected,
                 context.budget.used());
  }
}

}  // namespace kscpush::simulation
