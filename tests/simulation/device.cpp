#include "tests/simulation/device.hpp"

#include <algorithm>

namespace kscpush::simulation {

using mqtt::PacketType;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// After which a device without a CONNACK, or without a sign of life, tries again.
constexpr seconds kPatience{15};

}  // namespace

SimDevice::SimDevice(World& world, DevicePlan plan, std::uint64_t seed)
    : world_(world), plan_(std::move(plan)), random_(seed), lane_(++world.lanes) {}

void SimDevice::after(Duration time, Scheduler::Action action) {
  world_.scheduler.after(time, lane_, std::move(action));
}

void SimDevice::start() {
  reconnect_soon();
  fault();
}

void SimDevice::calm_down() {
  calm_ = true;
  gone_ = plan_.twin;
  plan_.qos = 1;
  plan_.forget_percent = plan_.refuse_percent = plan_.broken_percent = 0;
  for (const auto& weak : former_) {
    if (const auto dialogue = weak.lock()) dialogue->connection->reset();
  }
  if (current_) current_->connection->reset();
  current_ = nullptr;
  reconnect_soon();
}

// Mostly short; at times long enough for the server to notice.
Duration SimDevice::absence() {
  if (!calm_ && random_.percent(10)) return seconds(random_.between(10, 60));
  return random_.time(microseconds(1'000), microseconds(2'000'000));
}

void SimDevice::reconnect_soon() {
  if (gone_) return;
  const std::uint64_t attempt = ++attempt_;
  after(absence(), [this, attempt] {
    if (attempt == attempt_) connect();
  });
}

void SimDevice::connect() {
  if (gone_) return;
  if (current_) former_.push_back(current_);
  std::erase_if(former_, [](const auto& weak) { return weak.expired(); });
  test::ConnectSpec spec = plan_.spec;
  spec.clean_start = random_.percent(plan_.clean_percent);
  auto dialogue = std::make_shared<Dialogue>();
  dialogue->reader.set_version(spec.version);
  dialogue->connection = std::make_shared<SimConnection>(world_, spec, random_.next());
  current_ = dialogue;
  test::PeerIdentity peer{"192.0.2.1:1", std::nullopt};
  if (random_.percent(50)) peer.certificate = spec.id;
  if (random_.percent(plan_.broken_percent)) peer.certificate = "somebody-else";
  const bool open = dialogue->connection->open(
      peer, {[this, weak = std::weak_ptr(dialogue)](std::string_view bytes) {
               if (const auto self = weak.lock()) received(self, bytes);
             },
             [this, weak = std::weak_ptr(dialogue)] {
               if (const auto self = weak.lock()) ended(self);
             }});
  if (!open) return ended(dialogue);
  say_hello(dialogue, spec);
  watch(dialogue);
}

void SimDevice::say_hello(const DialoguePtr& dialogue, const test::ConnectSpec& spec) {
  SimConnection& connection = *dialogue->connection;
  const std::string hello = connect_bytes(spec);
  if (random_.percent(plan_.broken_percent)) {
    dialogue->garbage = true;
    if (random_.percent(50))
      return connection.send_garbage(hello.substr(0, random_.below(hello.size())));
    std::string garbage(random_.below(300) + 1, '\0');
    for (char& byte : garbage) byte = static_cast<char>(random_.next());
    return connection.send_garbage(garbage);
  }
  connection.send(hello);
  // It may go on before it has been let in; a subscription once more does no harm.
  if (random_.percent(30)) connection.send(subscribe_bytes(spec, plan_.qos));
}

// A device whose connection is not answered tries again, as one must that has lost its network.
void SimDevice::watch(const DialoguePtr& dialogue) {
  after(kPatience, [this, dialogue] {
    if (!is_current(dialogue) || dialogue->connected || gone_) return;
    dialogue->connection->reset();
    ended(dialogue);
  });
}

void SimDevice::ended(const DialoguePtr& dialogue) {
  if (!is_current(dialogue)) return;
  current_ = nullptr;
  reconnect_soon();
}

void SimDevice::received(const DialoguePtr& dialogue, std::string_view bytes) {
  std::vector<test::ServerPacket> packets;
  if (dialogue->garbage) return;
  try {
    packets = dialogue->reader.take(bytes);
  } catch (const std::runtime_error& error) {
    world_.verdict.fail("{} received garbage: {}", plan_.spec.id, error.what());
  }
  for (const auto& packet : packets) {
    if (!dialogue->connection->over()) handle(dialogue, packet);
  }
}

void SimDevice::handle(const DialoguePtr& dialogue, const test::ServerPacket& packet) {
  switch (packet.type) {
    case PacketType::kConnack:
      return handle_connack(dialogue, packet);
    case PacketType::kPublish:
      return handle_push(dialogue, packet);
    case PacketType::kDisconnect:
      dialogue->connection->close();
      return ended(dialogue);
    default:
      return;
  }
}

void SimDevice::handle_connack(const DialoguePtr& dialogue, const test::ServerPacket& packet) {
  if (packet.code != 0) {
    dialogue->connection->close();
    return ended(dialogue);
  }
  dialogue->connected = true;
  if (!packet.session_present || calm_ || random_.percent(20)) {
    dialogue->connection->send(subscribe_bytes(plan_.spec, plan_.qos));
  }
  keep_alive(dialogue);
}

void SimDevice::keep_alive(const DialoguePtr& dialogue) {
  after(seconds(plan_.spec.keep_alive_s), [this, dialogue] {
    if (dialogue->connection->over()) return;
    dialogue->connection->send(test::pingreq_bytes());
    keep_alive(dialogue);
  });
}

void SimDevice::handle_push(const DialoguePtr& dialogue, const test::ServerPacket& packet) {
  const auto push = decode_push(packet.payload);
  if (!push) return world_.verdict.fail("{} received a push that is none", plan_.spec.id);
  const bool ping = push->kind == "ping";
  const std::string id(push->id.str());
  if (!ping) world_.pushes.received(plan_.spec.id, id);
  const bool answers_first = random_.percent(50);
  if (plan_.agent && answers_first) answer(dialogue, id);
  if (packet.qos > 0 && !random_.percent(plan_.forget_percent)) {
    const bool refused = random_.percent(plan_.refuse_percent);
    after(random_.time(microseconds(0), plan_.slowest_answer),
          [this, dialogue, id, ping, refused, packet_id = packet.packet_id] {
            if (dialogue->connection->over()) return;
            if (!ping) world_.pushes.acknowledged(id, refused);
            dialogue->connection->send(puback_bytes(
                plan_.spec, packet_id,
                refused ? mqtt::ReasonCode::kQuotaExceeded : mqtt::ReasonCode::kSuccess));
          });
  }
  if (plan_.agent && !answers_first) answer(dialogue, id);
}

void SimDevice::answer(const DialoguePtr& dialogue, const std::string& push) {
  if (!calm_ && random_.percent(20)) return;
  const std::size_t kind = random_.below(4);
  const PushState status = kind == 0   ? PushState::kStarted
                           : kind == 1 ? PushState::kFailed
                                       : PushState::kCompleted;
  after(random_.time(microseconds(0), plan_.slowest_answer), [this, dialogue, push, status] {
    if (dialogue->connection->over()) return;
    world_.pushes.answered(push, status);
    const std::string text = encode(PushAnswer{Ulid::parse(push).value(), status, nullptr});
    const std::uint16_t packet_id = random_.percent(50) ? std::uint16_t{0} : ++last_packet_id_;
    dialogue->connection->send(publish_bytes(plan_.spec, mqtt::UpTopic::kResult, text, packet_id));
    if (last_packet_id_ > 60'000) last_packet_id_ = 100;
  });
}

void SimDevice::fault() {
  const auto most = std::chrono::floor<microseconds>(plan_.between_faults) * 2;
  after(random_.time(microseconds(1'000), most), [this] {
    if (calm_) return;
    if (current_) do_fault(current_);
    fault();
  });
}

void SimDevice::flood(SimConnection& connection) {
  connection.send(test::pingreq_bytes(random_.below(10'000)));
}

void SimDevice::do_fault(const DialoguePtr& dialogue) {
  SimConnection& connection = *dialogue->connection;
  switch (random_.below(9)) {
    case 0:
      connection.reset();
      return ended(dialogue);
    case 1:
      connection.close();
      return ended(dialogue);
    case 2:
      connection.vanish();
      return ended(dialogue);
    case 3:
      connection.send(disconnect_bytes(plan_.spec));
      connection.close();
      return ended(dialogue);
    case 4:
      connection.stop_reading(milliseconds(random_.between(100, 60'000)));
      return random_.percent(50) ? flood(connection) : void();
    case 5:  // a second connection while the first is open
      return connect();
    case 6:
      return flood(connection);
    case 7:
      connection.send(unsubscribe_bytes(plan_.spec));
      return connection.send(subscribe_bytes(plan_.spec, plan_.qos));
    default:
      return connection.send(std::string_view("\x00\x00", 2));  // a packet type that there is not
  }
}

}  // namespace kscpush::simulation
