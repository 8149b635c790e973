#include <algorithm>
#include <array>

#include "cli/bench/pusher.hpp"

namespace kscpush::cli::bench {
namespace {

constexpr std::uint32_t kMaxPacket = 64 * 1024;
constexpr std::uint16_t kReceiveMaximum = 65535;  // of a server that names none
constexpr std::chrono::seconds kOpenTimeout{10};

}  // namespace

MqttPusher::MqttPusher(Loop& loop, PublisherOptions options, const TlsClient* tls)
    : loop_(loop), options_(std::move(options)), tls_(tls), payload_(options_.payload_bytes, 'x') {
  loop_.add(*this);
}

MqttPusher::~MqttPusher() {
  loop_.remove(*this);
}

Status MqttPusher::open() {
  channel_ = Channel::open(options_.target, 0);
  const auto unreachable = [&](const std::string& why) {
    return fail({ErrorCode::kUnreachable,
                 fmt::format("the publisher cannot connect to {}: {}", options_.target.name, why),
                 "pushes to other brokers are published: allow it, or leave 'sweep' out"});
  };
  if (!channel_.is_open()) return unreachable(Channel::error());
  if (tls_ != nullptr) channel_.use_tls(tls_->connection(0, nullptr));
  if (!loop_.watch(channel_.descriptor(), *this, 0)) return unreachable("epoll refuses it");
  loop_.run([this] { return ready_ || !failure_.empty(); }, loop_.now() + kOpenTimeout);
  if (ready_) return {};
  return unreachable(failure_.empty() ? "no answer" : failure_);
}

void MqttPusher::on_event(std::uint64_t /*tag*/, std::uint32_t /*events*/) {
  if (!channel_.is_open()) return;
  if (connected_) return read();
  const Channel::Io io = channel_.handshake();
  if (io == Channel::Io::kLost) return lost(Channel::error());
  if (io == Channel::Io::kWait) return;
  connected_ = true;
  mqtt::Connect connect;
  connect.version = options_.version;
  connect.client_id = options_.id;
  if (!options_.username.empty()) {
    connect.username = options_.username;
    if (!options_.password.empty()) connect.password = options_.password;
  }
  if (!mqtt::encode(connect, out_)) return lost("CONNECT cannot be written");
  flush();
}

void MqttPusher::on_tick(MonoTime /*now*/) {
  if (connected_) flush();
}

void MqttPusher::flush() {
  if (out_.empty()) return;
  // A window of small messages: a server that reads has room for all of them.
  const Channel::Io io = channel_.write(out_);
  if (io != Channel::Io::kDone) return lost("the server does not read");
  out_.clear();
}

void MqttPusher::read() {
  std::array<char, 16 * 1024> space;
  for (;;) {
    std::size_t got = 0;
    const Channel::Io io = channel_.read(space, got);
    if (io == Channel::Io::kLost) return lost(Channel::error());
    if (io == Channel::Io::kWait) break;
    in_.append(space.data(), got);
    std::size_t taken = 0;
    while (channel_.is_open()) {
      const auto frame = mqtt::next_frame(std::string_view(in_).substr(taken), kMaxPacket);
      if (!frame) return lost(mqtt::to_string(frame.error()));
      if (!frame->has_value()) break;
      taken += (*frame)->size;
      handle(**frame);
    }
    in_.erase(0, taken);
    if (!channel_.is_open()) return;
  }
  on_room();
  flush();
}

void MqttPusher::handle(const mqtt::Frame& frame) {
  if (frame.type == mqtt::PacketType::kConnack) {
    const auto packet = mqtt::decode_connack(frame, options_.version);
    if (!packet || packet->code != 0) return lost("CONNACK: refused");
    const std::size_t most =
        packet->properties.number(mqtt::Property::kReceiveMaximum, kReceiveMaximum);
    window_ = std::min(options_.in_flight, most);
    ready_ = true;
  } else if (frame.type == mqtt::PacketType::kPuback) {
    const auto packet = mqtt::decode_ack(frame, options_.version);
    if (!packet) return lost("a malformed PUBACK");
    const auto found = under_way_.find(packet->packet_id);
    if (found == under_way_.end()) return;
    if (mqtt::is_error(packet->code)) {
      on_refused(found->second, fmt::format("PUBACK: {}", mqtt::to_string(packet->code)));
    }
    under_way_.erase(found);
  } else if (frame.type == mqtt::PacketType::kDisconnect) {
    lost("DISCONNECT");
  }
}

void MqttPusher::push(std::vector<Addressee> batch) {
  for (const Addressee& to : batch) publish(to);
}

void MqttPusher::publish(const Addressee& to) {
  do {
    ++last_id_;
  } while (last_id_ == 0 || under_way_.contains(last_id_));
  std::string topic = options_.topic;
  if (const std::size_t at = topic.find("{id}"); at != std::string::npos) {
    topic.replace(at, 4, to.device);
  }
  mqtt::Publish publish;
  publish.qos = 1;
  publish.topic = topic;
  publish.packet_id = last_id_;
  publish.payload = payload_;
  if (!mqtt::encode(publish, options_.version, out_)) {
    return on_refused(to.n, "the topic is too long");
  }
  under_way_[last_id_] = to.n;
}

void MqttPusher::lost(const std::string& why) {
  failure_ = why;
  ready_ = false;
  channel_.close(/*reset=*/true);
  const auto ended = std::move(under_way_);
  under_way_.clear();
  for (const auto& [id, n] : ended) on_refused(n, "the publisher lost its connection: " + why);
}

}  // namespace kscpush::cli::bench
