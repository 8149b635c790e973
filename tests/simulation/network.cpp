#include "tests/simulation/network.hpp"

#include <algorithm>

namespace kscpush::simulation {

using std::chrono::microseconds;

SimConnection::SimConnection(World& world, const test::ConnectSpec& spec, std::uint64_t seed)
    : world_(world),
      random_(seed),
      lane_(++world.lanes),
      checker_(world.verdict, spec),
      device_(spec.id),
      latency_(random_.time(microseconds(100), microseconds(80'000))),
      capacity_(static_cast<std::size_t>(random_.between(200, 20'000))),
      split_percent_(static_cast<int>(random_.between(0, 60))) {}

bool SimConnection::open(const test::PeerIdentity& peer, Events events) {
  events_ = std::move(events);
  wire_->set_room(capacity_);
  wire_->set_chunk(random_.percent(20) ? random_.below(20) + 1 : test::Wire::kNoLimit);
  wire_->on_server([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->server_acted();
  });
  if (world_.server.accept(wire_, peer, random_)) return true;
  over_ = true;
  return false;
}

// Later than what was sent before.
MonoTime SimConnection::arrival(MonoTime& last) {
  const auto jitter = random_.time(microseconds(0), latency_);
  const MonoTime time = world_.scheduler.now() + latency_ + jitter;
  last = std::max(time, last + microseconds(1));
  return last;
}

void SimConnection::send(std::string_view bytes) {
  while (!bytes.empty() && !over_ && !vanished_) {
    std::size_t size = bytes.size();
    if (size > 1 && random_.percent(split_percent_)) size = random_.below(size - 1) + 1;
    world_.scheduler.at(arrival(last_up_), lane_,
                        [self = shared_from_this(), part = std::string(bytes.substr(0, size))] {
                          self->pass_up(part);
                        });
    bytes.remove_prefix(size);
  }
}

void SimConnection::pass_up(const std::string& bytes) {
  if (vanished_) return;
  world_.note(lane_ << 32 | bytes.size());
  world_.tell("{} #{} -> {} bytes, {:02x} first", device_, lane_, bytes.size(),
              static_cast<unsigned char>(bytes[0]));
  checker_.gave(bytes);
  wire_->give(bytes);
}

void SimConnection::server_acted() {
  const std::string bytes = wire_->take();
  if (!bytes.empty()) {
    world_.note(lane_ << 32 | 1U << 31 | bytes.size());
    for (const auto& packet : checker_.wrote(bytes)) {
      world_.tell("{} #{} <- {}", device_, lane_, to_string(packet).substr(0, 100));
      if (packet.type != mqtt::PacketType::kPublish) continue;
      const auto push = decode_push(packet.payload);
      if (push && push->kind != "ping") {
        world_.pushes.written(std::string(push->id.str()), lane_, packet.dup || push->attempt > 1);
      }
    }
    under_way_ += bytes.size();
    world_.scheduler.at(arrival(last_down_), lane_,
                        [self = shared_from_this(), bytes] { self->pass_down(bytes); });
    update_room();
  }
  if (close_noted_ || !(wire_->server_shut() || wire_->server_closed())) return;
  close_noted_ = true;
  world_.tell("{} #{} closed by the server", device_, lane_);
  world_.scheduler.at(arrival(last_down_), lane_, [self = shared_from_this()] {
    if (!self->vanished_) self->end();
  });
}

void SimConnection::pass_down(const std::string& bytes) {
  if (vanished_ || over_) return;
  held_.append(bytes);
  if (world_.scheduler.now() >= reads_again_) deliver_held();
}

void SimConnection::deliver_held() {
  const std::string bytes = std::exchange(held_, {});
  under_way_ -= bytes.size();
  update_room();
  if (!bytes.empty() && !over_) events_.received(bytes);
}

void SimConnection::update_room() {
  wire_->set_room(capacity_ - std::min(capacity_, under_way_));
}

void SimConnection::stop_reading(Duration time) {
  world_.tell("{} #{} stops reading for {:.1f} s", device_, lane_,
              std::chrono::duration<double>(time).count());
  reads_again_ = world_.scheduler.now() + time;
  world_.scheduler.at(reads_again_, lane_, [self = shared_from_this()] {
    const bool reads = self->world_.scheduler.now() >= self->reads_again_;
    if (reads && !self->vanished_ && !self->over_) self->deliver_held();
  });
}

void SimConnection::close() {
  if (over_) return;
  world_.tell("{} #{} closes", device_, lane_);
  over_ = true;
  events_ = {};
  world_.scheduler.at(arrival(last_up_), lane_, [self = shared_from_this()] {
    if (!self->vanished_) self->wire_->close();
  });
  // What the server has to say to a closed socket is answered by a reset.
  world_.scheduler.after(std::chrono::seconds(1), lane_,
                         [self = shared_from_this()] { self->wire_->reset(); });
}

void SimConnection::reset() {
  if (over_) return;
  world_.tell("{} #{} resets", device_, lane_);
  over_ = true;
  vanished_ = true;
  events_ = {};
  world_.scheduler.after(latency_, lane_, [self = shared_from_this()] { self->wire_->reset(); });
}

void SimConnection::vanish() {
  world_.tell("{} #{} vanishes", device_, lane_);
  vanished_ = true;
  over_ = true;
  events_ = {};
}

void SimConnection::end() {
  if (over_) return;
  over_ = true;
  const auto closed = std::exchange(events_, {}).closed;
  // The device's side of the socket is closed too.
  wire_->close();
  if (closed) closed();
}

}  // namespace kscpush::simulation
