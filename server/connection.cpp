#include "server/connection.hpp"

#include "server/shard.hpp"

namespace kscpush::server {
namespace {

// How long the last words (a refusal, DISCONNECT) may take to reach the peer before the socket is
// closed. Closing at once could reset the connection under them.
constexpr std::chrono::seconds kLinger{2};

// Reads of one wake-up, so that one busy device does not hold up the others.
constexpr int kReadsPerTurn = 4;

}  // namespace

Connection::Connection(Shard& shard, LinkPtr link, MonoTime now)
    : shard_(&shard), link_(std::move(link)), session_(shard.context().mqtt_limits, now) {
  link_->set_owner(this);
}

Connection::~Connection() = default;

void Connection::start() {
  const auto timeout =
      std::chrono::seconds(shard_->context().dp.push_server.limits.handshake_timeout_s);
  shard_->wheel().set(*this, shard_->now() + timeout);
  link_->wait_readable();
}

void Connection::leave() {
  clear();
  link_->detach();
  shard_ = nullptr;
}

void Connection::enter(Shard& shard) {
  shard_ = &shard;
  link_->attach(&shard.loop());
}

Connection::Buffers& Connection::buffers() {
  if (!buffers_) buffers_ = std::make_unique<Buffers>();
  return *buffers_;
}

void Connection::release_empty_buffers() {
  if (buffers_ && buffers_->in.empty() && buffers_->out.empty()) buffers_.reset();
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

void Connection::on_readable() {
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const Next next = read_once();
    if (next == Next::kGone) return;
    if (next == Next::kWait) break;
  }
  if (write_needs_read_) request_flush();
  if (stage_ == Stage::kDeciding) {
    shard_->transfer(*this);
  } else if (stage_ != Stage::kEnded) {  // an ended one waits again when it has been flushed
    link_->wait_readable();
  }
}

Connection::Next Connection::read_once() {
  const auto scratch = shard_->scratch();
  const IoResult got = link_->read(scratch);
  switch (got.kind) {
    case IoResult::Kind::kBytes: {
      if (stage_ == Stage::kLingering) return Next::kReadMore;
      shard_->counts().bytes_in.add(got.bytes);
      consume({scratch.data(), got.bytes});
      const bool takes_more = stage_ == Stage::kHandshake || stage_ == Stage::kActive;
      // A short read of a plain socket has emptied it; TLS may hold further records.
      const bool may_have_more = got.bytes == scratch.size() || link_->secure();
      return takes_more && may_have_more ? Next::kReadMore : Next::kWait;
    }
    case IoResult::Kind::kWantRead:
      return Next::kWait;
    case IoResult::Kind::kWantWrite:
      link_->wait_writable();
      return Next::kWait;
    case IoResult::Kind::kEnd:
    case IoResult::Kind::kError:
      break;
  }
  peer_gone(got.kind);
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
  release_empty_buffers();
}

void Connection::peer_gone(IoResult::Kind kind) {
  if (stage_ == Stage::kHandshake) {
    const std::string why = link_->last_error();
    if (kind == IoResult::Kind::kError && link_->secure()) shard_->counts().tls_failures.add();
    if (!why.empty()) {
      shard_->context().log.info("{}: ended before CONNECT: {}", link_->peer_address(), why);
    }
  }
  session_.connection_lost(*this);
  shard_->destroy(*this);
}

void Connection::on_connect(const mqtt::ConnectRequest& request) {
  offer_ = std::make_unique<Offer>(Offer{std::string(request.client_id), std::string(request.agent),
                                         link_->peer_address(), request.version,
                                         request.clean_start, link_->secure()});
  stage_ = Stage::kDeciding;
  shard_->handshake_ended();
  if (!link_->secure()) return;
  const auto proved = link_->peer_device_id();
  if (!proved) {
    shard_->context().log.warn("{}: certificate refused: {}", link_->peer_address(),
                               proved.error().message);
    refuse(mqtt::ReasonCode::kNotAuthorized, proved.error().message, "");
  } else if (*proved != request.client_id) {
    shard_->context().log.warn("{}: client identifier '{}' with the certificate of '{}'",
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
  session_.accept(std::move(state), session_present, shard_->wall(), *this);
  if (stage_ != Stage::kActive) return;
  shard_->wheel().set(*this, session_.keep_alive_deadline());
  consume({});  // what came behind CONNECT in the same segment
  if (stage_ == Stage::kActive) link_->wait_readable();
}

void Connection::refuse(mqtt::ReasonCode code, std::string_view reason,
                        std::string_view server_reference) {
  offer_.reset();
  shard_->counts().refused.add();
  session_.refuse(code, reason, server_reference, *this);
}

mqtt::Session::Delivery Connection::deliver(mqtt::Outgoing push) {
  using Delivery = mqtt::Session::Delivery;
  const std::uint32_t most = shard_->context().dp.push_server.limits.unsent_bytes;
  // A device that does not read gets nothing more until it does; its window is full either way.
  if (buffers_ && buffers_->out.size() >= most) return Delivery::kWindowFull;
  return session_.deliver(std::move(push), shard_->wall(), *this);
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

void Connection::on_dropped(std::uint64_t token, mqtt::DropReason reason) {
  if (device_ != nullptr) shard_->dropped(*device_, token, reason);
}

void Connection::on_end(mqtt::EndReason reason, std::string_view detail) {
  const bool was_active = stage_ == Stage::kActive;
  if (stage_ == Stage::kHandshake) shard_->handshake_ended();
  stage_ = Stage::kEnded;
  shard_->counts().ended.at(static_cast<std::size_t>(reason)).add();
  shard_->context().log.info("{}: {} ended: {}{}{}",
                             device_ == nullptr ? link_->peer_address() : device_->id,
                             was_active ? "session" : "connection", mqtt::to_string(reason),
                             detail.empty() ? "" : ": ", detail);
  if (was_active) shard_->counts().connected.sub();
  if (device_ != nullptr) shard_->ended(*device_, reason);
  device_ = nullptr;
  // Flushed like any other output, but not for longer than that.
  shard_->wheel().set(*this, shard_->now() + kLinger);
  request_flush();
}

void Connection::flush() {
  flush_queued_ = false;
  write_needs_read_ = false;
  while (buffers_ && !buffers_->out.empty()) {
    const IoResult wrote = link_->write(buffers_->out);
    if (wrote.kind == IoResult::Kind::kBytes) {
      shard_->counts().bytes_out.add(wrote.bytes);
      buffers_->out.erase(0, wrote.bytes);
      continue;
    }
    if (wrote.kind == IoResult::Kind::kWantWrite) {
      link_->wait_writable();
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
}

// The last words are in the kernel's hands: say so, and wait for the peer's own end.
void Connection::finish() {
  stage_ = Stage::kLingering;
  link_->shutdown_write();
  shard_->wheel().set(*this, shard_->now() + kLinger);
  link_->wait_readable();
}

void Connection::on_writable() {
  if (buffers_ && !buffers_->out.empty()) {
    flush();
  } else if (stage_ == Stage::kHandshake) {
    on_readable();  // TLS wanted to write first
  }
}

void Connection::on_timer(MonoTime now) {
  switch (stage_) {
    case Stage::kHandshake:
      shard_->counts().handshake_timeouts.add();
      shard_->context().log.info("{}: no CONNECT in time", link_->peer_address());
      shard_->handshake_ended();
      shard_->destroy(*this);
      return;
    case Stage::kActive:
      session_.tick(now, *this);
      if (stage_ == Stage::kActive) shard_->wheel().set(*this, session_.keep_alive_deadline());
      return;
    case Stage::kDeciding:  // has no deadline: it is decided in the turn that it arrives in
    case Stage::kEnded:
    case Stage::kLingering:
      shard_->destroy(*this);
      return;
  }
}

}  // namespace kscpush::server
