#include "cli/tunnel/forwarding.hpp"

#include <csignal>
#include <ostream>

#include <asio/post.hpp>
#include <unistd.h>

#include "agent/tls.hpp"
#include "cli/app.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

// Longer than the server waits for the device.
constexpr std::chrono::seconds kAskWithin{45};
constexpr std::chrono::seconds kShowEvery{1};

}  // namespace

Forwarding::Forwarding(TunnelApi api, TunnelTarget target, Context& context)
    : api_(std::move(api)), target_(std::move(target)), context_(context) {}

Forwarding::~Forwarding() {
  requests_.join();
}

Result<json> Forwarding::ask() const {
  json body = target_.limits;
  body["host"] = target_.target.host;
  body["port"] = target_.target.port.value();
  return api_.api.post(fmt::format("/v1/devices/{}/tunnels", target_.device), body, kAskWithin);
}

// --- One connection

void Forwarding::carry(std::unique_ptr<agent::Stream> near, Ended ended) {
  ++under_way_;
  const auto held = std::make_shared<std::unique_ptr<agent::Stream>>(std::move(near));
  asio::post(requests_, [this, held, ended = std::move(ended)] {
    auto opened = ask();
    asio::post(loop_, [this, held, ended, opened = std::move(opened)] {
      if (opened && !stopped_) return join(*opened, std::move(*held), ended);
      --under_way_;
      (*held)->break_off();
      held->reset();
      ended(opened ? Status() : Status(fail(opened.error())));
    });
  });
}

void Forwarding::join(const json& opened, std::unique_ptr<agent::Stream> near, Ended ended) {
  const auto id = opened.at("id").get<std::string>();
  const agent::Endpoint server{opened.at("address").get<std::string>(),
                               *Port::from(opened.at("port").get<std::int64_t>())};
  const auto held = std::make_shared<std::unique_ptr<agent::Stream>>(std::move(near));
  agent::join_tunnel(loop_, server, tls_, opened.at("token").get<std::string>(),
                     [this, id, held, ended](Result<std::unique_ptr<agent::Stream>> far) {
                       if (!far || stopped_) {
                         --under_way_;
                         (*held)->break_off();
                         held->reset();
                         return ended(far ? Status() : Status(fail(far.error())));
                       }
                       ++connections_;
                       auto relay = std::make_shared<agent::Relay>(
                           loop_, std::move(*held), std::move(*far), TwoWayLimits{},
                           [this, id, ended](const agent::RelayEnd& end) { over(id, end, ended); });
                       open_.emplace(id, relay);
                       relay->start();
                     });
}

void Forwarding::over(const std::string& id, const agent::RelayEnd& end, const Ended& ended) {
  --under_way_;
  to_device_ += end.from_near;
  from_device_ += end.to_near;
  open_.erase(id);
  if (end.orderly || stopped_) return ended({});
  // The server knows more than that the connection is broken.
  asio::post(requests_, [this, id, ended, reason = end.reason] {
    const auto tunnel = api_.api.get("/v1/tunnels/" + id);
    std::string why = reason;
    if (tunnel && tunnel->at("reason").is_string()) why = tunnel->at("reason").get<std::string>();
    const auto code = tunnel ? ErrorCode::kFailed : tunnel.error().code;
    asio::post(loop_, [ended, id, code, why = std::move(why)] {
      ended(fail({code, fmt::format("tunnel {} has ended: {}", id, why), ""}));
    });
  });
}

void Forwarding::stop() {
  stopped_ = true;
  asio::error_code ignored;
  acceptor_.close(ignored);
  progress_.cancel();
  while (!open_.empty()) {
    const auto relay = open_.begin()->second;  // which takes itself out
    relay->leave();
  }
  loop_.stop();
}

// The next one ends the program as usual: a request to the server may take its time.
void Forwarding::await_signal(asio::signal_set& signals) {
  signals.async_wait([this, &signals](const asio::error_code& error, int) {
    if (error) return;
    asio::error_code ignored;
    signals.clear(ignored);
    stop();
  });
}

// --- Standard input and output

Status Forwarding::run_stdio() {
  tls_ = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  if (auto loaded = agent::load_tls(*tls_, {api_.authority}); !loaded) return loaded;
  // ssh ends its ProxyCommand with SIGHUP.
  asio::signal_set signals(loop_, SIGINT, SIGTERM, SIGHUP);
  await_signal(signals);
  Status outcome;
  carry(std::make_unique<agent::PlainStream>(loop_, STDIN_FILENO, STDOUT_FILENO),
        [&](const Status& status) {
          outcome = status;
          signals.cancel();
        });
  loop_.run();
  print_note(
      fmt::format("{} bytes to {}, {} bytes from it", to_device_, target_.device, from_device_),
      context_);
  return outcome;
}

// --- A local port

Status Forwarding::run_local(std::uint16_t port) {
  tls_ = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  if (auto loaded = agent::load_tls(*tls_, {api_.authority}); !loaded) return loaded;
  const asio::ip::tcp::endpoint local(asio::ip::address_v4::loopback(), port);
  asio::error_code error;
  acceptor_.open(local.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(local, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return fail({ErrorCode::kConflict,
                 fmt::format("cannot listen on 127.0.0.1:{}: {}", port, error.message()),
                 "another --local PORT, or none for a free one"});
  }
  asio::signal_set signals(loop_, SIGINT, SIGTERM);
  await_signal(signals);
  const std::string here = fmt::format("127.0.0.1:{}", acceptor_.local_endpoint().port());
  context_.out << here << std::endl;
  print_note(fmt::format("{} leads to {} of device {}; Ctrl-C ends it", here,
                         to_string(target_.target), target_.device),
             context_);
  {
    Progress progress("", 0, context_);
    if (context_.terminal) show_progress(progress);
    accept();
    loop_.run();
  }
  requests_.join();
  loop_.restart();
  loop_.poll();
  print_note(fmt::format("{} connection{}, {} bytes to {}, {} bytes from it", connections_,
                         connections_ == 1 ? "" : "s", to_device_, target_.device, from_device_),
             context_);
  return {};
}

void Forwarding::accept() {
  if (accepting_ || stopped_ || under_way_ >= kMost) return;
  accepting_ = true;
  acceptor_.async_accept([this](const asio::error_code& error, asio::ip::tcp::socket socket) {
    accepting_ = false;
    if (stopped_ || error == asio::error::operation_aborted) return;
    if (!error) return accepted(std::move(socket));
    // Out of descriptors, most of all: one that ends makes room.
    print_warning({ErrorCode::kFailed, "cannot accept a connection: " + error.message(), ""},
                  context_);
    if (under_way_ == 0) accept();
  });
}

void Forwarding::accepted(asio::ip::tcp::socket socket) {
  asio::error_code error;
  socket.set_option(asio::ip::tcp::no_delay(true), error);
  carry(std::make_unique<agent::PlainStream>(loop_, Descriptor(socket.release(error))),
        [this](const Status& status) {
          if (!status) print_warning(status.error(), context_);
          accept();
        });
  accept();
}

void Forwarding::show_progress(Progress& progress) {
  std::uint64_t to_device = to_device_;
  std::uint64_t from_device = from_device_;
  for (const auto& [id, relay] : open_) {
    to_device += relay->from_near();
    from_device += relay->to_near();
  }
  progress.say(fmt::format("{} open, {} bytes to {}, {} bytes from it", open_.size(), to_device,
                           target_.device, from_device));
  progress_.expires_after(kShowEvery);
  progress_.async_wait([this, &progress](const asio::error_code& error) {
    if (!error) show_progress(progress);
  });
}

}  // namespace kscpush::cli
