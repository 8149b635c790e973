#include "cli/bench/fleet.hpp"

#include <algorithm>
#include <csignal>

#include <sys/epoll.h>

namespace kscpush::cli::bench {
namespace {

constexpr std::uint32_t kMaxPacket = 1U << 20U;
constexpr std::size_t kLeastPerSource = 5000;  // far below the ports of one address
constexpr std::size_t kBegunPerTurn = 256;     // so that what was begun is served meanwhile
constexpr std::size_t kMaxReasons = 16;
constexpr std::chrono::milliseconds kFirstRetry{200};
constexpr std::chrono::milliseconds kLongestRetry{5000};
constexpr std::uint16_t kSubscribeId = 1;

constexpr std::uint64_t tag_of(std::uint32_t n, std::uint16_t generation) {
  return std::uint64_t{generation} << 32U | n;
}

}  // namespace

Fleet::Fleet(Loop& loop, FleetOptions options, const TlsClient* tls)
    : loop_(loop), options_(std::move(options)), tls_(tls), devices_(options_.devices) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  took_.reserve(devices_.size());
  last_tick_ = loop_.now();
  loop_.add(*this);
}

Fleet::~Fleet() {
  loop_.remove(*this);
}

std::string Fleet::id(std::size_t n) const {
  return fmt::format("{}{:06}", options_.prefix, options_.first + n);
}

std::string Fleet::expand(const std::string& pattern, std::size_t n) const {
  const std::size_t at = pattern.find("{id}");
  if (at == std::string::npos) return pattern;
  return pattern.substr(0, at) + id(n) + pattern.substr(at + 4);
}

void Fleet::forget_figures() {
  took_.clear();
  losses_.clear();
  ready_lost_ = resumed_ = 0;
}

void Fleet::limit(std::size_t in_flight, double rate) {
  in_flight_limit_ = in_flight;
  rate_ = rate;
  allowance_ = 0;
}

void Fleet::connect(std::size_t in_flight, double rate) {
  limit(in_flight, rate);
  waiting_.clear();
  retries_ = {};
  for (std::uint32_t n = 0; n < devices_.size(); ++n) {
    Device& device = devices_[n];
    if (device.phase == Phase::kIdle || device.phase == Phase::kWaiting) {
      device.attempts = 0;
      device.begun = MonoTime();
      device.phase = Phase::kWaiting;
      waiting_.push_back(n);
    }
  }
  begin_some(loop_.now());
}

void Fleet::cut() {
  for (Device& device : devices_) {
    device.channel.close(/*reset=*/true);
    device.rest.reset();
    device.phase = Phase::kIdle;
  }
  waiting_.clear();
  attempts_.clear();
  retries_ = {};
  ready_ = connecting_ = 0;
}

void Fleet::leave() {
  for (std::uint32_t n = 0; n < devices_.size(); ++n) {
    if (devices_[n].phase != Phase::kReady) continue;
    out_.clear();
    if (mqtt::encode(mqtt::Disconnect{}, options_.version, out_)) {
      static_cast<void>(devices_[n].channel.write(out_));
    }
    devices_[n].channel.close(/*reset=*/false);
  }
  cut();
}

void Fleet::begin_some(MonoTime now) {
  for (std::size_t i = 0; i < kBegunPerTurn && !waiting_.empty(); ++i) {
    if (connecting_ >= in_flight_limit_) return;
    if (rate_ > 0 && allowance_ < 1) return;
    allowance_ -= 1;
    const std::uint32_t n = waiting_.front();
    waiting_.pop_front();
    begin(n, now);
  }
}

void Fleet::begin(std::uint32_t n, MonoTime now) {
  Device& device = devices_[n];
  const bool many = options_.target.loopback_v4();
  const std::size_t number = options_.first - 1 + n;
  device.channel =
      Channel::open(options_.target, many ? loopback_source(number / kLeastPerSource) : 0);
  ++device.generation;
  ++connecting_;
  device.phase = Phase::kConnecting;
  if (device.begun == MonoTime()) device.begun = now;
  if (!device.channel.is_open()) return lost(n, Channel::error());
  if (tls_ != nullptr) {
    Ssl ssl = tls_->connection(n, options_.resume ? &device.session : nullptr);
    if (ssl == nullptr) return lost(n, "TLS: " + openssl::last_reason());
    device.channel.use_tls(std::move(ssl));
  }
  attempts_.push_back({now, n, device.generation});
  if (!loop_.watch(device.channel.descriptor(), *this, tag_of(n, device.generation))) {
    lost(n, "epoll refuses the connection");
  }
}

void Fleet::established(std::uint32_t n) {
  Device& device = devices_[n];
  if (tls_ != nullptr) {
    if (SSL_session_reused(device.channel.ssl()) == 1) ++resumed_;
    TlsClient::trim(device.channel.ssl());
  }
  const std::string client = id(n);
  const std::string username = expand(options_.username, n);
  mqtt::Connect connect{.version = options_.version,
                        .clean_start = true,
                        .keep_alive_s = options_.keep_alive_s,
                        .properties = {},
                        .client_id = client,
                        .will = std::nullopt,
                        .username = std::nullopt,
                        .password = std::nullopt};
  if (!username.empty()) {
    connect.username = username;
    if (!options_.password.empty()) connect.password = options_.password;
  }
  device.phase = Phase::kConnack;
  out_.clear();
  if (!mqtt::encode(connect, out_) || !send_out(n)) lost(n, "CONNECT cannot be sent");
}

bool Fleet::send_out(std::uint32_t n) {
  return devices_[n].channel.write(out_) == Channel::Io::kDone;
}

void Fleet::on_event(std::uint64_t tag, std::uint32_t events) {
  const auto n = static_cast<std::uint32_t>(tag);
  Device& device = devices_[n];
  if (device.generation != static_cast<std::uint16_t>(tag >> 32U)) return;
  if (device.phase == Phase::kConnecting) {
    const Channel::Io io = device.channel.handshake();
    if (io == Channel::Io::kLost) return lost(n, Channel::error());
    if (io == Channel::Io::kWait) return;
    established(n);
    return;  // the answer is another event
  }
  if (device.channel.is_open() && (events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) read(n);
}

void Fleet::read(std::uint32_t n) {
  Device& device = devices_[n];
  while (device.channel.is_open()) {
    std::size_t kept = 0;
    if (device.rest != nullptr) {
      kept = device.rest->copy(scratch_.data(), scratch_.size());
      device.rest.reset();
    }
    std::size_t got = 0;
    const std::span<char> space = std::span(scratch_).subspan(kept);
    const Channel::Io io = device.channel.read(space, got);
    if (io == Channel::Io::kLost) return lost(n, Channel::error());
    const std::string_view bytes(scratch_.data(), kept + got);
    if (io == Channel::Io::kWait) {
      if (kept > 0) device.rest = std::make_unique<std::string>(bytes);
      return;
    }
    const std::size_t taken = take(n, bytes);
    if (taken == std::string_view::npos) return;  // lost, and told so
    if (taken < bytes.size()) {
      if (bytes.size() == scratch_.size()) return lost(n, "a packet beyond 64 KiB");
      device.rest = std::make_unique<std::string>(bytes.substr(taken));
    }
    // Less than there was room for: edge triggered, a plain socket has no more now.
    if (tls_ == nullptr && got < space.size()) return;
  }
}

std::size_t Fleet::take(std::uint32_t n, std::string_view bytes) {
  std::size_t taken = 0;
  out_.clear();
  while (taken < bytes.size()) {
    const auto frame = mqtt::next_frame(bytes.substr(taken), kMaxPacket);
    if (!frame) {
      lost(n, mqtt::to_string(frame.error()));
      return std::string_view::npos;
    }
    if (!frame->has_value()) break;
    if (!handle(n, **frame)) return std::string_view::npos;
    taken += (*frame)->size;
  }
  if (!out_.empty() && !send_out(n)) {
    lost(n, "the server does not read");
    return std::string_view::npos;
  }
  return taken;
}

bool Fleet::handle(std::uint32_t n, const mqtt::Frame& frame) {
  switch (frame.type) {
    case mqtt::PacketType::kConnack:
      return handle_connack(n, frame);
    case mqtt::PacketType::kSuback:
      return handle_suback(n, frame);
    case mqtt::PacketType::kPublish:
      return handle_publish(n, frame);
    case mqtt::PacketType::kPingresp:
      return true;
    case mqtt::PacketType::kDisconnect: {
      const auto packet = mqtt::decode_disconnect(frame, options_.version, mqtt::Sender::kServer);
      lost(n, packet ? fmt::format("DISCONNECT: {}", mqtt::to_string(packet->code)) : "DISCONNECT");
      return false;
    }
    default:
      lost(n, fmt::format("unexpected {}", mqtt::to_string(frame.type)));
      return false;
  }
}

bool Fleet::handle_connack(std::uint32_t n, const mqtt::Frame& frame) {
  const auto packet = mqtt::decode_connack(frame, options_.version);
  if (!packet || packet->code != 0) {
    lost(n, !packet ? mqtt::to_string(packet.error())
            : options_.version == mqtt::Version::kV5
                ? fmt::format("CONNACK: {}",
                              mqtt::to_string(static_cast<mqtt::ReasonCode>(packet->code)))
                : fmt::format("CONNACK: return code {}", packet->code));
    return false;
  }
  const std::string topic = expand(options_.topic, n);
  mqtt::Subscribe subscribe;
  subscribe.packet_id = kSubscribeId;
  std::string filters;
  mqtt::append_filter(filters, mqtt::PacketType::kSubscribe, {.filter = topic, .qos = 1});
  subscribe.filters = filters;
  devices_[n].phase = Phase::kSuback;
  if (mqtt::encode(subscribe, options_.version, out_)) return true;
  lost(n, "SUBSCRIBE cannot be sent");
  return false;
}

bool Fleet::handle_suback(std::uint32_t n, const mqtt::Frame& frame) {
  const auto packet = mqtt::decode_suback(frame, options_.version);
  if (!packet || packet->codes.empty() || static_cast<unsigned char>(packet->codes[0]) >= 0x80) {
    lost(n, "SUBACK: refused");
    return false;
  }
  Device& device = devices_[n];
  if (device.phase != Phase::kSuback) return true;
  device.phase = Phase::kReady;
  device.attempts = 0;
  --connecting_;
  ++ready_;
  took_.push_back(std::chrono::duration<float, std::milli>(loop_.turn() - device.begun).count());
  begin_some(loop_.turn());
  return true;
}

bool Fleet::handle_publish(std::uint32_t n, const mqtt::Frame& frame) {
  const auto packet = mqtt::decode_publish(frame, options_.version, mqtt::Sender::kServer);
  if (!packet) {
    lost(n, mqtt::to_string(packet.error()));
    return false;
  }
  if (packet->qos == 1) {
    mqtt::Ack ack;
    ack.packet_id = packet->packet_id;
    if (!mqtt::encode(ack, options_.version, out_)) return false;
  }
  if (received_) received_(n);
  return true;
}

void Fleet::lost(std::uint32_t n, const std::string& reason) {
  Device& device = devices_[n];
  if (device.phase == Phase::kReady) {
    --ready_;
    ++ready_lost_;
    device.begun = loop_.turn();
  } else if (device.phase != Phase::kIdle && device.phase != Phase::kWaiting) {
    --connecting_;
  }
  const bool known = losses_.contains(reason);
  ++losses_[known || losses_.size() < kMaxReasons ? reason : "other"];
  device.channel.close(/*reset=*/true);
  device.rest.reset();
  // It may be what the server does not like.
  if (device.phase == Phase::kConnecting) device.session.reset();
  device.phase = Phase::kWaiting;
  const auto longest =
      std::min<std::chrono::milliseconds>(kLongestRetry, kFirstRetry * (1 << device.attempts));
  if (device.attempts < 5) ++device.attempts;
  std::uniform_int_distribution<long> wait(0, longest.count());
  retries_.push({loop_.turn() + std::chrono::milliseconds(wait(random_)), n});
}

void Fleet::expire(MonoTime now) {
  while (!attempts_.empty()) {
    const Attempt& oldest = attempts_.front();
    const Device& device = devices_[oldest.n];
    const bool over = device.generation != oldest.generation || device.phase == Phase::kReady ||
                      device.phase == Phase::kWaiting || device.phase == Phase::kIdle;
    if (!over && now - oldest.begun < options_.attempt_timeout) return;
    const std::uint32_t n = oldest.n;
    attempts_.pop_front();
    if (!over) lost(n, "no answer in time");
  }
}

void Fleet::ping_some(MonoTime now) {
  if (options_.keep_alive_s == 0) return;
  // Each in turn, so that all have sent something well within the keep alive and never at once.
  const double interval = options_.keep_alive_s * 0.7;
  pings_due_ += static_cast<double>(devices_.size()) *
                std::chrono::duration<double>(now - last_tick_).count() / interval;
  for (; pings_due_ >= 1; pings_due_ -= 1) {
    const auto n = static_cast<std::uint32_t>(ping_cursor_++ % devices_.size());
    if (devices_[n].phase != Phase::kReady) continue;
    out_.clear();
    mqtt::encode_pingreq(out_);
    if (!send_out(n)) lost(n, "the server does not read");
  }
}

void Fleet::on_tick(MonoTime now) {
  expire(now);
  while (!retries_.empty() && retries_.top().due <= now) {
    const std::uint32_t n = retries_.top().n;
    retries_.pop();
    if (devices_[n].phase == Phase::kWaiting) waiting_.push_back(n);
  }
  if (rate_ > 0) {
    const double seconds = std::chrono::duration<double>(now - last_tick_).count();
    allowance_ = std::min(allowance_ + rate_ * seconds, std::max(1.0, rate_ * 0.1));
  }
  ping_some(now);
  last_tick_ = now;
  begin_some(now);
}

}  // namespace kscpush::cli::bench
