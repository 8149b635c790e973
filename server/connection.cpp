#include "server/connection.hpp"

#include <algorithm>
#include <utility>

#include "server/shard.hpp"

namespace kscpush::server {
namespace {

// A certificate's end is looked at again at least so often: the wall clock may be changed.
constexpr std::int64_t kLookAgainAfter = 7L * 24 * 3600;  // seconds

// An end that somebody should look at, unlike those of an ordinary day.
bool is_devices_fault(mqtt::EndReason reason) {
  return reason == mqtt::EndReason::kProtocolError || reason == mqtt::EndReason::kMalformedPacket ||
         reason == mqtt::EndReason::kPacketTooLarge || reason == mqtt::EndReason::kSlowReader;
}

// The agent's version as it calls itself: text of a device, so nothing of it is trusted.
std::string version_text(std::string_view given) {
  constexpr std::size_t kLongest = 32;
  std::string text(given.substr(0, kLongest));
  std::ranges::replace_if(
      text, [](unsigned char c) { return c <= 0x20 || c >= 0x7F; }, '?');
  return text;
}

}  // namespace

Connection::Connection(Shard& shard, LinkPtr link, MonoTime now)
    : shard_(&shard), link_(std::move(link)), session_(shard.settings().mqtt_limits, now) {
  link_->set_owner(this);
}

Connection::~Connection() = default;

void ConnectionList::add(std::unique_ptr<Connection> connection) {
  Connection* const added = connection.release();
  added->next_ = first_;
  (first_ == nullptr ? last_ : first_->previous_) = added;
  first_ = added;
  ++size_;
}

std::unique_ptr<Connection> ConnectionList::take(Connection& connection) {
  (connection.next_ == nullptr ? last_ : connection.next_->previous_) = connection.previous_;
  (connection.previous_ == nullptr ? first_ : connection.previous_->next_) = connection.next_;
  connection.next_ = connection.previous_ = nullptr;
  --size_;
  return std::unique_ptr<Connection>(&connection);
}

void ConnectionList::clear() {
  Connection* next = std::exchange(first_, nullptr);
  last_ = nullptr;
  size_ = 0;
  while (next != nullptr) {
    const std::unique_ptr<Connection> gone(next);
    next = next->next_;
  }
}

void Connection::start() {
  const auto timeout =
      std::chrono::seconds(shard_->settings().dp.push_server.limits.handshake_timeout_s);
  shard_->wheel().set(*this, shard_->now() + timeout);
  // Its first bytes are there as a rule: the listener waited for them. But a ClientHello costs, and
  // waits for its turn.
  if (link_->secure()) {
    link_->wait_readable();
  } else {
    on_readable();
  }
}

Duration Connection::age(MonoTime now) const {
  const auto timeout =
      std::chrono::seconds(shard_->settings().dp.push_server.limits.handshake_timeout_s);
  return now - (deadline() - timeout);
}

void Connection::leave_waiting() {
  if (std::exchange(waits_, false)) shard_->stops_waiting(*this);
}

void Connection::leave() {
  clear();
  link_->detach();
  shard_ = nullptr;
}

LinkPtr Connection::give_link() {
  link_->set_owner(nullptr);
  link_->detach();
  return std::move(link_);
}

void Connection::enter(Shard& shard) {
  shard_ = &shard;
  use(shard.settings().mqtt_limits);
  link_->attach(shard.loop());
}

Buffers& Connection::buffers() {
  if (!buffers_) buffers_ = shard_->spare_buffers().take();
  return *buffers_;
}

void Connection::release_empty_buffers() {
  if (buffers_ && buffers_->in.empty() && buffers_->out.empty()) {
    shard_->spare_buffers().give_back(std::move(buffers_));
  }
}

std::string& Connection::output() {
  request_flush();
  return buffers().out;
}

void Connection::request_flush() {
  if (flush_queued_) return;
  flush_queued_ = true;
  shard_->queue_flush(*this);
}

std::size_t Connection::unsent() const {
  return buffers_ ? buffers_->out.size() : 0;
}

void Connection::on_readable() {
  if (waits_ && link_->secure() && !shard_->may_begin(*this)) return;
  const Next next = read();
  if (next == Next::kGone) return;
  if (write_needs_read_) request_flush();
  if (next == Next::kWaitWritable) {
    // And for nothing else: a link that moves to another shard must not be waited for.
    read_needs_write_ = true;
    link_->wait_writable();
  } else if (stage_ == Stage::kDeciding) {
    shard_->transfer(*this);
  } else if (stage_ != Stage::kEnded && may_be_read()) {
    link_->wait_readable();  // the others wait again when they have been flushed
  }
}

Connection::Next Connection::read() {
  const auto scratch = shard_->scratch();
  const IoResult got = link_->read(scratch);
  if (waits_ && link_->handshake_begun()) leave_waiting();
  switch (got.kind) {
    case IoResult::Kind::kBytes:
      if (stage_ == Stage::kLingering) return pass_over(got.bytes);
      shard_->counts().bytes_in.add(got.bytes);
      consume({scratch.data(), got.bytes});
      if (stage_ == Stage::kActive && !shard_->may_send_more(*device_, got.bytes)) {
        throttled_ = true;
        shard_->wheel().set(*this, next_deadline());
      }
      return Next::kWait;
    case IoResult::Kind::kWantRead:
      return Next::kWait;
    case IoResult::Kind::kWantWrite:
      return Next::kWaitWritable;
    case IoResult::Kind::kOtherProtocol:
      shard_->hand_over(*this);
      return Next::kGone;
    case IoResult::Kind::kEnd:
    case IoResult::Kind::kError:
      break;
  }
  peer_gone(got.kind);
  return Next::kGone;
}

Connection::Next Connection::pass_over(std::size_t bytes) {
  if (passed_over_.take(bytes)) return Next::kWait;
  shard_->destroy(*this);
  return Next::kGone;
}

void Connection::consume(std::string_view bytes) {
  const MonoTime now = shard_->now();
  std::string joined;  // the session must not see its input change under it
  if (buffers_ && !buffers_->in.empty()) {
    joined = std::move(buffers_->in);
    buffers_->in.clear();
    bytes = joined.append(bytes);
  }
  const std::size_t taken = session_.receive(bytes, now, *this);
  if (taken < bytes.size()) buffers().in.assign(bytes.substr(taken));
  reading_paused_ =
      stage_ == Stage::kActive && unsent() >= shard_->settings().mqtt_limits.unsent_bytes;
  release_empty_buffers();
}

void Connection::peer_gone(IoResult::Kind kind) {
  if (stage_ == Stage::kHandshake) {
    const std::string why = link_->last_error();
    if (kind == IoResult::Kind::kError && link_->secure()) shard_->counts().tls_failures.add();
    if (!why.empty()) {
      shard_->warnings().warn("{}: ended before CONNECT: {}", link_->peer_address(), why);
    }
  }
  session_.connection_lost(*this);
  // Who has no more to say may still listen: the answers that are queued go out first.
  if (kind == IoResult::Kind::kEnd && stage_ == Stage::kEnded && unsent() > 0) return;
  shard_->destroy(*this);
}

void Connection::on_connect(const mqtt::ConnectRequest& request) {
  offer_ =
      std::make_unique<Offer>(Offer{std::string(request.client_id), version_text(request.agent),
                                    link_->secure() ? link_->peer_address() : std::string(),
                                    request.version, request.clean_start, link_->secure()});
  stage_ = Stage::kDeciding;
  leave_waiting();
  shard_->handshake_ended();
  if (!link_->secure()) return;
  if (const PeerProof* const proof = link_->peer_proof()) {
    offer_->certificate_ends = WallTime(std::chrono::seconds(proof->not_after));
  }
  const auto proved = link_->peer_device_id();
  if (!proved) {
    shard_->warnings().warn("{}: certificate refused: {}", link_->peer_address(),
                            proved.error().message);
    refuse(mqtt::ReasonCode::kNotAuthorized, proved.error().message, "");
  } else if (*proved != request.client_id) {
    shard_->warnings().warn("{}: client identifier '{}' with the certificate of '{}'",
                            link_->peer_address(), request.client_id, *proved);
    refuse(mqtt::ReasonCode::kNotAuthorized,
           "the client identifier must be the name in the certificate", "");
  }
}

void Connection::admit(Device& device, mqtt::SessionState state, bool session_present) {
  device_ = &device;
  stage_ = Stage::kActive;
  offer_.reset();
  shard_->counts().connected.add();
  if (link_->parked()) shard_->counts().tls_parked.add();
  session_.accept(std::move(state), session_present, shard_->wall(), *this);
  if (stage_ != Stage::kActive) return;
  shard_->wheel().set(*this, next_deadline());
  consume({});  // what came behind CONNECT in the same segment
  if (stage_ == Stage::kActive && may_be_read()) link_->wait_readable();
}

void Connection::refuse(mqtt::ReasonCode code, std::string_view reason,
                        std::string_view server_reference) {
  offer_.reset();
  shard_->counts().refused.add();
  session_.refuse(code, reason, server_reference, *this);
}

mqtt::Session::Delivery Connection::deliver(mqtt::Outgoing push, WallTime now) {
  const auto delivery = session_.deliver(std::move(push), now, *this);
  if (delivery == mqtt::Session::Delivery::kNoRoom) pushes_wait_ = true;
  return delivery;
}

void Connection::release() {
  session_.release(shard_->wall(), *this);
}

void Connection::disconnect(mqtt::EndReason reason, std::string_view server_reference) {
  if (stage_ == Stage::kEnded || stage_ == Stage::kLingering) return;
  session_.disconnect(reason, server_reference, *this);
}

void Connection::on_subscribed() {
  if (device_ != nullptr) shard_->subscribed(*device_);
}

void Connection::on_unsubscribed() {}

void Connection::on_message(mqtt::UpTopic topic, std::string_view payload) {
  if (device_ != nullptr) shard_->message(*device_, topic, payload);
}

void Connection::on_acked(std::uint64_t token, mqtt::ReasonCode code) {
  if (device_ != nullptr) shard_->acked(*device_, token, code);
}

void Connection::on_resent(std::uint64_t token, int attempts) {
  shard_->resent(token, attempts);
}

void Connection::on_dropped(std::uint64_t token, mqtt::DropReason reason) {
  if (device_ != nullptr) shard_->dropped(*device_, token, reason);
}

void Connection::on_end(mqtt::EndReason reason, std::string_view detail) {
  const bool was_active = stage_ == Stage::kActive;
  if (stage_ == Stage::kHandshake) {
    leave_waiting();
    shard_->handshake_ended();
  }
  stage_ = Stage::kEnded;
  shard_->counts().ended.at(static_cast<std::size_t>(reason)).add();
  log_end(was_active ? "session" : "connection", reason, detail);
  if (was_active) shard_->counts().connected.sub();
  if (device_ != nullptr) shard_->ended(*device_, reason);
  device_ = nullptr;
  // Flushed like any other output, but not for longer than that.
  shard_->wheel().set(*this, shard_->now() + kLinger);
  request_flush();
}

void Connection::log_end(std::string_view what, mqtt::EndReason reason, std::string_view detail) {
  spdlog::logger& log = shard_->context().log;
  const bool warns = is_devices_fault(reason);
  if (!warns && !log.should_log(spdlog::level::debug)) return;
  const std::string who = device_ == nullptr ? link_->peer_address() : device_->id();
  const std::string_view colon = detail.empty() ? "" : ": ";
  if (warns) {
    shard_->warnings().warn("{}: {} ended: {}{}{}", who, what, mqtt::to_string(reason), colon,
                            detail);
  } else {
    log.debug("{}: {} ended: {}{}{}", who, what, mqtt::to_string(reason), colon, detail);
  }
}

void Connection::flush() {
  flush_queued_ = false;
  write_needs_read_ = false;
  while (buffers_ && !buffers_->out.empty()) {
    const IoResult wrote = link_->write(buffers_->out);
    if (wrote.kind == IoResult::Kind::kBytes) {
      shard_->counts().bytes_out.add(wrote.bytes);
      buffers_->out.erase(0, wrote.bytes);
      buffers_->stalled = MonoTime::max();
      continue;
    }
    if (wrote.kind == IoResult::Kind::kWantWrite) {
      blocked();
    } else if (wrote.kind == IoResult::Kind::kWantRead) {
      write_needs_read_ = true;
      link_->wait_readable();
    } else {
      peer_gone(wrote.kind);
    }
    return;
  }
  release_empty_buffers();
  if (stage_ == Stage::kEnded) finish();
  if (stage_ == Stage::kActive) flushed();
}

// Goes on with what waited for the peer to read.
void Connection::flushed() {
  if (session_.resends()) session_.flushed(shard_->wall(), *this);
  if (std::exchange(pushes_wait_, false) && device_ != nullptr) shard_->has_room(*device_);
  if (!std::exchange(reading_paused_, false)) return;
  shard_->wheel().set(*this, next_deadline());
  consume({});
  if (stage_ == Stage::kActive && may_be_read()) link_->wait_readable();
}

void Connection::blocked() {
  link_->wait_writable();
  if (stage_ != Stage::kActive || buffers_->stalled != MonoTime::max()) return;
  buffers_->stalled = shard_->now();
  shard_->wheel().set(*this, next_deadline());
}

MonoTime Connection::slow_reader_deadline() const {
  if (!buffers_ || buffers_->stalled == MonoTime::max()) return MonoTime::max();
  return buffers_->stalled +
         std::chrono::seconds(shard_->settings().dp.push_server.limits.slow_reader_timeout_s);
}

// While nothing is read nothing can be said about the keep alive.
MonoTime Connection::next_deadline() const {
  const MonoTime slow = std::min(slow_reader_deadline(), certificate_deadline());
  if (throttled_) {
    return std::min<MonoTime>(slow, std::chrono::ceil<std::chrono::seconds>(shard_->now()));
  }
  return reading_paused_ ? slow : std::min(slow, session_.keep_alive_deadline());
}

MonoTime Connection::certificate_deadline() const {
  const PeerProof* const proof = link_->peer_proof();
  if (proof == nullptr) return MonoTime::max();
  // It is over when the second of its end is.
  const std::int64_t left = proof->not_after + 1 - unix_seconds(shard_->wall());
  return shard_->now() + std::chrono::seconds(std::clamp(left, std::int64_t{0}, kLookAgainAfter));
}

std::string_view Connection::objection() const {
  const PeerProof* const proof = link_->peer_proof();
  const TlsTrust* const trust = shard_->trust();
  if (proof == nullptr || trust == nullptr) return {};
  return trust->objection(*proof, unix_seconds(shard_->wall()));
}

// The last words are in the kernel's hands: say so, and wait for the peer's own end.
void Connection::finish() {
  stage_ = Stage::kLingering;
  link_->shutdown_write();
  shard_->wheel().set(*this, shard_->now() + kLinger);
  link_->wait_readable();
}

void Connection::on_writable() {
  if (unsent() > 0) request_flush();
  if (std::exchange(read_needs_write_, false)) on_readable();
}

void Connection::on_timer(MonoTime now) {
  switch (stage_) {
    case Stage::kHandshake:
      shard_->counts().handshake_timeouts.add();
      shard_->warnings().warn("{}: no CONNECT in time", link_->peer_address());
      leave_waiting();
      shard_->handshake_ended();
      shard_->destroy(*this);
      return;
    case Stage::kActive:
      if (now >= slow_reader_deadline()) {
        session_.disconnect(mqtt::EndReason::kSlowReader, {}, *this);
      } else if (shard_->end_if_distrusted(*this)) {
        return;
      } else if (std::exchange(throttled_, false)) {
        // Too early, if the timer was for something else: then the next read says so again.
        if (!reading_paused_) link_->wait_readable();
      } else if (!reading_paused_) {
        session_.tick(now, *this);
      }
      if (stage_ == Stage::kActive) shard_->wheel().set(*this, next_deadline());
      return;
    case Stage::kDeciding:  // has no deadline: it is decided in the turn that it arrives in
    case Stage::kEnded:
    case Stage::kLingering:
      shard_->destroy(*this);
      return;
  }
}

}  // namespace kscpush::server
