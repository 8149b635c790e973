// A shard's connections: who is let in, who waits, and how they move to their home.
#include <algorithm>
#include <utility>

#include "server/shard.hpp"

namespace kscpush::server {
namespace {

// Who has not sent a ClientHello or CONNECT yet costs a hundredth of a handshake, so that there may
// be more of them than handshakes; and when all these places are taken, who has had so long gives
// way: it comes one round trip after the connection. Crowds of up to 2,000 silent connections a
// second and shard keep nobody else out.
constexpr std::size_t kWaitingPerHandshake = 8;
constexpr std::chrono::seconds kGivesWayAfter{1};

}  // namespace

bool Shard::may_accept() const {
  if (under_way() >= settings_->dp.push_server.limits.handshakes_in_flight) return false;
  return waiting_.size() < most_waiting() || waiting_.oldest()->age(now()) >= kGivesWayAfter;
}

void Shard::add(LinkPtr link) {
  if (waiting_.size() >= most_waiting()) make_room();
  counters_.accepted.add();
  counters_.handshaking.add();
  counters_.waiting.add();
  auto connection = std::make_unique<Connection>(*this, std::move(link), now());
  Connection& added = *connection;
  waiting_.add(std::move(connection));
  added.start();
}

std::size_t Shard::most_waiting() const {
  return kWaitingPerHandshake * settings_->dp.push_server.limits.handshakes_in_flight;
}

void Shard::make_room() {
  Connection& oldest = *waiting_.oldest();
  counters_.gave_way.add();
  warnings_.warn("{}: gives way to a newer connection, as it has sent next to nothing",
                 oldest.address());
  oldest.leave_waiting();
  handshake_ended();
  destroy(oldest);
}

// Those that are ready count too, so that the backlog waits for them.
std::uint64_t Shard::under_way() const {
  return counters_.handshaking.get() - counters_.waiting.get();
}

bool Shard::has_place() const {
  return under_way() - ready_.size() < settings_->dp.push_server.limits.handshakes_in_flight;
}

bool Shard::may_begin(Connection& connection) {
  if (has_place()) return true;
  connection.leave_waiting();
  ready_.push_back(&connection);
  return false;
}

void Shard::begin_ready() {
  while (!ready_.empty() && has_place()) {
    Connection& next = *ready_.front();
    ready_.pop_front();
    next.on_readable();
  }
}

void Shard::stops_waiting(Connection& connection) {
  counters_.waiting.sub();
  connections_.add(waiting_.take(connection));
  if (resume_accept_) resume_accept_();
}

void Shard::handshake_ended() {
  counters_.handshaking.sub();
  // Not now: this is called while a connection is at work.
  if (!ready_.empty()) loop_.post([this] { begin_ready(); });
  if (resume_accept_) resume_accept_();
}

bool Shard::may_send_more(Device& device, std::size_t bytes) {
  const std::uint32_t most = settings_->dp.push_server.limits.inbound_bytes_per_s;
  if (device.inbound.take(bytes, most, now())) return true;
  counters_.throttled.add();
  warnings_.warn("{}: sends more than limits.inbound_bytes_per_s, {}, and is read on in a second",
                 device.id(), most);
  return false;
}

void Shard::hand_over(Connection& connection) {
  counters_.handed_over.add();
  handshake_ended();
  LinkPtr link = connection.give_link();
  destroy(connection);
  if (context_.hand_over) context_.hand_over(std::move(link));
}

std::unique_ptr<Connection> Shard::unlink(Connection& connection) {
  if (!ready_.empty()) std::erase(ready_, &connection);
  if (connection.flush_queued()) std::ranges::replace(to_flush_, &connection, nullptr);
  return connections_.take(connection);
}

void Shard::destroy(Connection& connection) {
  unlink(connection).reset();
}

void Shard::queue_flush(Connection& connection) {
  if (to_flush_.empty()) {
    loop_.post([this] { flush_all(); });
  }
  to_flush_.push_back(&connection);
}

void Shard::flush_all() {
  // flush() may end a connection, which queues further ones or takes some out: index, not iterator.
  for (std::size_t i = 0; i < to_flush_.size(); ++i) {
    if (Connection* const connection = to_flush_[i]) connection->flush();
  }
  to_flush_.clear();
}

void Shard::transfer(Connection& connection) {
  const Offer offer = *connection.offer();
  Shard& home = *context_.shards[home_shard(offer.device_id, context_.shards.size())];
  if (&home == this) {
    decide(connection, offer);
    return;
  }
  auto moved = unlink(connection);
  moved->leave();
  home.loop().post(
      [&home, moved = std::move(moved), offer]() mutable { home.adopt(std::move(moved), offer); });
}

void Shard::adopt(std::unique_ptr<Connection> connection, const Offer& offer) {
  if (closed_) return;
  Connection& adopted = *connection;
  connections_.add(std::move(connection));
  adopted.enter(*this);
  decide(adopted, offer);
}

}  // namespace kscpush::server
