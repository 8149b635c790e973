#include "server/side/side_server.hpp"

#include "server/side/side_connection.hpp"

namespace kscpush::server {
namespace {

constexpr std::size_t kScratchBytes = 64UL * 1024;

}  // namespace

SideServer::SideServer(const Clock& clock, spdlog::logger& log)
    : clock_(clock),
      warnings_(log, clock, counters_.warnings_left_out),
      wheel_(clock.now()),
      scratch_(kScratchBytes) {}

SideServer::~SideServer() {
  stop();
}

void SideServer::add(std::string_view protocol, SideService& service) {
  services_.emplace(protocol, &service);
}

void SideServer::start() {
  keep_time();
  thread_ = std::thread([this] { loop_.run(); });
  ::pthread_setname_np(thread_.native_handle(), "side");
}

void SideServer::stop(const std::function<void()>& last) {
  if (!thread_.joinable()) return;
  loop_.post([this, &last] {
    stopped_ = true;
    if (last) last();
    connections_.clear();
    tick_.cancel();
    loop_.stop();
  });
  thread_.join();
  settle();
}

void SideServer::settle() {
  loop_.poll();
}

void SideServer::take(LinkPtr link) {
  loop_.post([this, link = std::move(link)]() mutable { adopt(std::move(link)); });
}

void SideServer::adopt(LinkPtr link) {
  if (stopped_) return;
  if (connections_.size() >= kMostOpen) {
    SideConnection& oldest = *connections_.begin()->second;
    counters_.gave_way.add();
    warnings_.warn("{}: gives way to a newer connection", oldest.link().peer_address());
    destroy(oldest);
  }
  link->attach(loop_);
  const std::uint64_t number = ++last_;
  auto connection = std::make_unique<SideConnection>(*this, number, std::move(link));
  SideConnection& added = *connection;
  connections_.emplace(number, std::move(connection));
  counters_.open.add();
  added.start();
}

void SideServer::serve(SideConnection& connection, std::string_view line) {
  const auto found = services_.find(connection.link().other_protocol());
  if (found == services_.end()) return destroy(connection);
  found->second->serve({connection.number(), line, connection.link()});
}

void SideServer::read_later(const SideConnection& connection) {
  loop_.post([this, number = connection.number()] {
    const auto found = connections_.find(number);
    if (found != connections_.end()) found->second->on_readable();
  });
}

void SideServer::answer(std::uint64_t connection, std::string line) {
  loop_.post([this, connection, line = std::move(line)]() mutable {
    const auto found = connections_.find(connection);
    if (found != connections_.end()) found->second->answer(std::move(line));
  });
}

SideServer::Taken SideServer::take_over(std::uint64_t connection) {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return {};
  Taken taken = found->second->give_link();
  destroy(*found->second);
  return taken;
}

void SideServer::destroy(SideConnection& connection) {
  counters_.open.sub();
  connections_.erase(connection.number());
}

void SideServer::keep_time() {
  tick_.set(TimerWheel::kTick, [this] {
    wheel_.advance(now());
    warnings_.tick();
    for (const auto& [protocol, service] : services_) service->tick(now());
    keep_time();
  });
}

}  // namespace kscpush::server
