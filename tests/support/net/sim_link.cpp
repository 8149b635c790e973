#include "tests/support/net/sim_link.hpp"

#include <algorithm>
#include <stdexcept>

namespace kscpush::test {

using server::IoResult;

void Wire::give(std::string_view bytes) {
  if (server_closed_ || reset_) return;
  to_server_.append(bytes);
  wake();
}

void Wire::close() {
  closed_ = true;
  wake();
}

void Wire::reset() {
  reset_ = true;
  to_server_.clear();
  wake();
}

std::string Wire::take() {
  return std::exchange(from_server_, {});
}

void Wire::set_room(std::size_t bytes) {
  room_ = bytes;
  wake();
}

bool Wire::server_reads() const {
  return link_ != nullptr && link_->waiting_read_;
}

void Wire::wake() {
  if (link_ != nullptr) link_->wake();
}

server::LinkPtr SimLink::make(const WirePtr& wire, server::Loop& loop, PeerIdentity peer) {
  return server::LinkPtr(new SimLink(wire, loop, std::move(peer)));
}

SimLink::SimLink(WirePtr wire, server::Loop& loop, PeerIdentity peer)
    : wire_(std::move(wire)), loop_(&loop), peer_(std::move(peer)) {
  wire_->link_ = this;
}

bool SimLink::readable() const {
  return !wire_->to_server_.empty() || wire_->closed_ || wire_->reset_;
}

bool SimLink::writable() const {
  return wire_->room_ > 0 || wire_->reset_;
}

void SimLink::wake() {
  const bool ready = (waiting_read_ && readable()) || (waiting_write_ && writable());
  if (ready) loop_->post([wire = wire_] { fire(wire); });
}

// The owner may destroy the link in each call.
void SimLink::fire(const WirePtr& wire) {
  SimLink* link = wire->link_;
  if (link != nullptr && link->waiting_write_ && link->writable()) {
    link->waiting_write_ = false;
    link->owner()->on_writable();
  }
  link = wire->link_;
  if (link != nullptr && link->waiting_read_ && link->readable()) {
    link->waiting_read_ = false;
    link->owner()->on_readable();
  }
}

IoResult SimLink::read(std::span<char> into) {
  if (wire_->reset_) return {IoResult::Kind::kError, 0};
  std::string& from = wire_->to_server_;
  if (from.empty()) {
    return {wire_->closed_ ? IoResult::Kind::kEnd : IoResult::Kind::kWantRead, 0};
  }
  const std::size_t n = std::min({from.size(), into.size(), wire_->chunk_});
  std::copy_n(from.begin(), n, into.begin());
  from.erase(0, n);
  was_read_ = true;
  return {IoResult::Kind::kBytes, n};
}

IoResult SimLink::write(std::string_view bytes) {
  if (wire_->reset_ || wire_->server_shut_) return {IoResult::Kind::kError, 0};
  if (wire_->room_ == 0) return {IoResult::Kind::kWantWrite, 0};
  const std::size_t n = std::min(bytes.size(), wire_->room_);
  if (wire_->room_ != Wire::kNoLimit) wire_->room_ -= n;
  wire_->from_server_.append(bytes.substr(0, n));
  wire_->tell();
  return {IoResult::Kind::kBytes, n};
}

void SimLink::wait_readable() {
  if (loop_ == nullptr) throw std::logic_error("waiting on a detached link");
  waiting_read_ = true;
  wake();
}

void SimLink::wait_writable() {
  if (loop_ == nullptr) throw std::logic_error("waiting on a detached link");
  waiting_write_ = true;
  wake();
}

IoResult SimLink::shutdown_write() {
  wire_->server_shut_ = true;
  wire_->tell();
  return {IoResult::Kind::kBytes, 0};
}

void SimLink::detach() {
  if (waiting_read_ || waiting_write_) throw std::logic_error("a link moves that is waited for");
  loop_ = nullptr;
}

void SimLink::attach(server::Loop& loop) {
  loop_ = &loop;
}

Result<std::string> SimLink::peer_device_id() const {
  return peer_.certificate ? *peer_.certificate : Result<std::string>();
}

void SimLink::dispose() {
  const WirePtr wire = wire_;
  wire->link_ = nullptr;
  wire->server_closed_ = true;
  delete this;
  wire->tell();
}

}  // namespace kscpush::test
