#include "server/side/side_connection.hpp"

namespace kscpush::server {
namespace {

// Reads of one wake-up, so that one busy peer does not hold up the others.
constexpr int kReadsPerTurn = 4;

}  // namespace

SideConnection::SideConnection(SideServer& server, std::uint64_t number, LinkPtr link)
    : server_(server), number_(number), link_(std::move(link)) {
  link_->set_owner(this);
}

// TLS may hold what came with the end of the handshake, of which the loop knows nothing.
void SideConnection::start() {
  server_.wheel().set(*this, server_.now() + SideServer::kLineWithin);
  on_readable();
}

void SideConnection::on_readable() {
  if (stage_ == Stage::kAnswering) return flush();
  // While it is served nothing is read, so that its next bytes cost nothing here.
  if (stage_ == Stage::kServing) return;
  Next next = Next::kReadMore;
  for (int i = 0; i < kReadsPerTurn && next == Next::kReadMore; ++i) next = read_once();
  if (next == Next::kReadMore) server_.read_later(*this);
}

SideConnection::Next SideConnection::read_once() {
  const auto scratch = server_.scratch();
  const IoResult got = link_->read(scratch);
  switch (got.kind) {
    case IoResult::Kind::kBytes:
      return take({scratch.data(), got.bytes});
    case IoResult::Kind::kWantRead:
    case IoResult::Kind::kWantWrite:
      wait_for(got.kind);
      return Next::kWait;
    case IoResult::Kind::kEnd:
    case IoResult::Kind::kError:
    case IoResult::Kind::kOtherProtocol:
      break;
  }
  server_.destroy(*this);
  return Next::kGone;
}

SideConnection::Next SideConnection::take(std::string_view bytes) {
  if (stage_ == Stage::kLingering) return pass_over(bytes.size());
  const std::size_t before = in_.size();
  in_.append(bytes);
  const std::size_t end = in_.find('\n', before);
  if (end == std::string::npos && in_.size() <= SideServer::kLongestLine) return Next::kReadMore;
  if (end == std::string::npos || end > SideServer::kLongestLine) {
    server_.warnings().warn("{}: its first line is longer than {} bytes", link_->peer_address(),
                            std::size_t{SideServer::kLongestLine});
    server_.destroy(*this);
    return Next::kGone;
  }
  stage_ = Stage::kServing;
  const std::string line = in_.substr(0, end);
  in_.erase(0, end + 1);
  server_.wheel().set(*this, server_.now() + SideServer::kServedWithin);
  server_.serve(*this, line);
  return Next::kGone;  // to its service, or it waits for the answer
}

SideConnection::Next SideConnection::pass_over(std::size_t bytes) {
  if (passed_over_.take(bytes)) return Next::kReadMore;
  server_.destroy(*this);
  return Next::kGone;
}

void SideConnection::answer(std::string line) {
  if (stage_ != Stage::kServing) return;
  stage_ = Stage::kAnswering;
  in_.clear();
  out_ = std::move(line);
  out_.push_back('\n');
  server_.wheel().set(*this, server_.now() + kLinger);
  flush();
}

void SideConnection::flush() {
  while (!out_.empty()) {
    const IoResult wrote = link_->write(out_);
    if (wrote.kind == IoResult::Kind::kBytes) {
      out_.erase(0, wrote.bytes);
    } else if (wrote.kind == IoResult::Kind::kWantWrite ||
               wrote.kind == IoResult::Kind::kWantRead) {
      return wait_for(wrote.kind);
    } else {
      return server_.destroy(*this);
    }
  }
  if (const IoResult shut = link_->shutdown_write(); shut.kind == IoResult::Kind::kWantWrite) {
    return wait_for(shut.kind);
  }
  stage_ = Stage::kLingering;
  on_readable();
}

void SideConnection::wait_for(IoResult::Kind kind) {
  if (kind == IoResult::Kind::kWantWrite) {
    link_->wait_writable();
  } else {
    link_->wait_readable();
  }
}

void SideConnection::on_writable() {
  if (stage_ == Stage::kAnswering) {
    flush();
  } else {
    on_readable();
  }
}

void SideConnection::on_timer(MonoTime /*now*/) {
  if (stage_ != Stage::kLingering) server_.counters_.timeouts.add();
  server_.destroy(*this);
}

SideServer::Taken SideConnection::give_link() {
  link_->set_owner(nullptr);
  return {std::move(link_), std::move(in_)};
}

}  // namespace kscpush::server
