#include "agent/agent.hpp"

#include <algorithm>
#include <csignal>
#include <random>
#include <utility>

#include <asio/connect.hpp>
#include <asio/post.hpp>
#include <asio/write.hpp>

#include "agent/tls.hpp"
#include "core/version.hpp"

namespace kscpush::agent {
namespace {

mqtt::ClientOptions session_options(const AgentOptions& options) {
  mqtt::ClientOptions result;
  result.device = options.id.str();
  result.agent = kVersion;
  result.keep_alive_s = options.keep_alive_s;
  return result;
}

}  // namespace

std::string_view to_string(ConnectionStatus::State state) {
  switch (state) {
    case ConnectionStatus::State::kConnecting:
      return "connecting";
    case ConnectionStatus::State::kConnected:
      return "connected";
    case ConnectionStatus::State::kWaiting:
      return "waiting";
    case ConnectionStatus::State::kStopped:
      return "stopped";
  }
  return "";
}

Agent::Agent(asio::io_context& loop, AgentOptions options, PushRunner& runner, const Clock& clock,
             spdlog::logger& log)
    : loop_(loop),
      options_(std::move(options)),
      runner_(runner),
      clock_(clock),
      log_(log),
      tls_(asio::ssl::context::tls_client),
      resolver_(loop),
      timer_(loop),
      retry_(loop),
      session_(session_options(options_)),
      backoff_(options_.backoff, std::random_device{}()),
      servers_(options_.servers),
      server_(servers_.front()) {
  runner_.send_with(
      [this](const PushAnswer& answer, std::uint64_t token) { return send_answer(answer, token); });
}

Result<std::unique_ptr<Agent>> Agent::create(asio::io_context& loop, AgentOptions options,
                                             PushRunner& runner, const Clock& clock,
                                             spdlog::logger& log) {
  std::unique_ptr<Agent> agent(new Agent(loop, std::move(options), runner, clock, log));
  if (auto loaded = agent->use_files(); !loaded) return fail(loaded.error());
  return agent;
}

Status Agent::use_files() {
  asio::ssl::context fresh(asio::ssl::context::tls_client);
  auto loaded = load_tls(fresh, {options_.authority, options_.certificate, options_.key});
  if (!loaded) return loaded;
  tls_ = std::move(fresh);  // connections hold on to the context that they were made of
  return {};
}

void Agent::start() {
  server_ = servers_.front();
  next_server_ = 1 % servers_.size();
  connect_when_allowed();
}

void Agent::stop() {
  stopping_ = true;
  now_is(ConnectionStatus::State::kStopped);
  retry_.cancel();
  resolver_.cancel();
  if (session_.phase() == mqtt::ClientSession::Phase::kIdle) {
    close();
  } else {
    session_.disconnect(mqtt::ReasonCode::kSuccess, *this);
    flush();
  }
}

// --- The connection

void Agent::connect_when_allowed() {
  const auto wait = closed_for_ ? closed_for_() : std::chrono::milliseconds(0);
  if (wait.count() <= 0) {
    held_ = false;
    return connect();
  }
  if (!std::exchange(held_, true)) {
    now_is(ConnectionStatus::State::kWaiting);
    log_.info("no attempt to connect for {} min, by its connection schedule",
              std::chrono::ceil<std::chrono::minutes>(wait).count());
  }
  retry_.expires_after(std::min<std::chrono::milliseconds>(wait, kLookAgain));
  retry_.async_wait([this](const asio::error_code& error) {
    if (!error && !stopping_) connect_when_allowed();
  });
}

void Agent::connect() {
  const std::uint64_t attempt = ++attempt_;
  ended_ = false;
  left_ = false;
  now_is(ConnectionStatus::State::kConnecting);
  stream_ = std::make_shared<Stream>(loop_, tls_);
  timer_.expires_after(options_.connect_timeout);
  timer_.async_wait([this, attempt](const asio::error_code& error) {
    // It may have run out in the moment in which the connection was made.
    const bool connecting = session_.phase() == mqtt::ClientSession::Phase::kIdle;
    if (!error && current(attempt) && connecting) attempt_failed("connect", "no answer in time");
  });
  resolver_.async_resolve(server().host, std::to_string(server().port.value()),
                          [this, attempt](const asio::error_code& error, const auto& addresses) {
                            if (!current(attempt) || stopping_) return;
                            if (error) return attempt_failed("find the server", error.message());
                            connect_tcp(addresses);
                          });
}

void Agent::connect_tcp(const asio::ip::tcp::resolver::results_type& addresses) {
  asio::async_connect(stream_->next_layer(), addresses,
                      [this, attempt = attempt_, stream = stream_](const asio::error_code& error,
                                                                   const auto& /*endpoint*/) {
                        if (!current(attempt)) return;
                        if (error) return attempt_failed("connect", error.message());
                        handshake();
                      });
}

void Agent::handshake() {
  asio::error_code ignored;
  stream_->next_layer().set_option(asio::ip::tcp::no_delay(true), ignored);
  aim(stream_->native_handle(), server().host);
  stream_->async_handshake(
      asio::ssl::stream_base::client,
      [this, attempt = attempt_, stream = stream_](const asio::error_code& error) {
        if (!current(attempt)) return;
        if (!error) return connected();
        const std::string refused = why_refused(stream->native_handle(), options_.authority);
        if (refused.empty()) return attempt_failed("make a TLS connection", error.message());
        attempt_failed("trust the server", refused);
      });
}

void Agent::connected() {
  unparsed_.clear();
  queued_.clear();
  session_.start(clock_.now(), *this);
  flush();
  keep_time();
  read();
}

void Agent::read() {
  stream_->async_read_some(
      asio::buffer(incoming_),
      [this, attempt = attempt_, stream = stream_](const asio::error_code& error, std::size_t n) {
        if (!current(attempt)) return;
        if (error) {
          session_.connection_lost(*this);
          flush();
          return;
        }
        unparsed_.append(incoming_.data(), n);
        const std::size_t taken = session_.receive(unparsed_, clock_.now(), *this);
        unparsed_.erase(0, taken);
        flush();
        keep_time();
        if (current(attempt) && !ended_) read();
      });
}

// Writes one batch at a time; what is queued meanwhile is the next batch.
void Agent::flush() {
  if (!writing_.empty() || stream_ == nullptr) return;
  if (queued_.empty()) {
    if (ended_) close();
    return;
  }
  writing_.swap(queued_);
  asio::async_write(*stream_, asio::buffer(writing_),
                    [this, attempt = attempt_, stream = stream_](const asio::error_code& error,
                                                                 std::size_t /*n*/) {
                      if (!current(attempt)) return;
                      writing_.clear();
                      if (error) session_.connection_lost(*this);
                      flush();
                    });
}

void Agent::keep_time() {
  const MonoTime deadline = session_.deadline();
  if (ended_ || deadline == MonoTime::max()) return;
  timer_.expires_at(deadline);
  timer_.async_wait([this, attempt = attempt_](const asio::error_code& error) {
    if (error || !current(attempt)) return;
    session_.tick(clock_.now(), *this);
    flush();
    keep_time();
  });
}

// What is still to be written may be all that keeps the connection: a server that does not read
// must not hold it forever.
void Agent::end_within(std::chrono::milliseconds time) {
  timer_.expires_after(time);
  timer_.async_wait([this, attempt = attempt_](const asio::error_code& error) {
    if (!error && current(attempt)) close();
  });
}

void Agent::attempt_failed(const std::string& what, const std::string& why) {
  log_.warn("cannot {} ({}): {}", what, to_string(server()), why);
  status_.last_failure = fmt::format("cannot {} ({}): {}", what, to_string(server()), why);
  close();
}

// Ends the attempt; whatever of it is still under way finds that its number does not count.
void Agent::close() {
  ++attempt_;
  timer_.cancel();
  resolver_.cancel();
  if (stream_ != nullptr) {
    asio::error_code ignored;
    stream_->next_layer().close(ignored);
    stream_.reset();
  }
  queued_.clear();
  writing_.clear();
  if (!stopping_) schedule_next();
}

void Agent::schedule_next() {
  if (left_) next_server_ = 0;
  server_ = servers_[next_server_];
  next_server_ = (next_server_ + 1) % servers_.size();
  now_is(ConnectionStatus::State::kWaiting);
  const auto wait = left_ ? *away_ : backoff_.next();
  away_.reset();
  log_.info("next attempt in {:.1f} s, {}", std::chrono::duration<double>(wait).count(),
            to_string(server()));
  retry_.expires_after(wait);
  retry_.async_wait([this](const asio::error_code& error) {
    if (!error && !stopping_) connect_when_allowed();
  });
}

void Agent::now_is(ConnectionStatus::State state) {
  status_.state = state;
  status_.server = to_string(server());
  status_.since = clock_.wall();
}

// --- Presence

void Agent::use_servers(const std::vector<Endpoint>& servers) {
  std::vector<Endpoint> all = servers;
  for (const Endpoint& own : options_.servers) {
    if (std::ranges::find(all, own) == all.end()) all.push_back(own);
  }
  if (all == servers_) return;
  servers_ = std::move(all);
  next_server_ = 0;
}

void Agent::leave_for(std::chrono::milliseconds away) {
  if (stopping_ || session_.phase() == mqtt::ClientSession::Phase::kIdle) return;
  away_ = away;
  retry_.expires_after(options_.leave_timeout);
  retry_.async_wait([this, attempt = attempt_](const asio::error_code& error) {
    if (!error && current(attempt) && away_) leave();
  });
  asio::post(loop_, [this, attempt = attempt_] {
    if (current(attempt)) leave_if_told();
  });
}

void Agent::stay() {
  if (!away_ || left_) return;
  away_.reset();
  retry_.cancel();
}

void Agent::leave_if_told() {
  if (away_ && session_.pending() == 0) leave();
}

void Agent::leave() {
  if (stopping_ || ended_ || session_.phase() == mqtt::ClientSession::Phase::kIdle) return;
  left_ = true;
  retry_.cancel();
  session_.disconnect(mqtt::ReasonCode::kSuccess, *this);
  flush();
}

// --- The session

void Agent::on_ready(bool session_present) {
  backoff_.reset();
  now_is(ConnectionStatus::State::kConnected);
  log_.info("connected to {} and subscribed{}", to_string(server()),
            session_present ? ", session resumed" : "");
  // Behind what comes with the same bytes, and out of the session's own call.
  asio::post(loop_, [this, attempt = attempt_] {
    if (!current(attempt) || stopping_) return;
    runner_.connected();
    if (when_connected_) when_connected_();
  });
}

void Agent::on_push(const mqtt::IncomingPush& incoming) {
  const auto push = decode_push(incoming.payload);
  if (!push) {
    log_.warn("a push that is none: {}", push.error().message);
    return;
  }
  log_.info("push {} {}{}", push->kind, push->id.str(), incoming.dup ? " (sent again)" : "");
  runner_.take(*push);
}

Status Agent::publish(mqtt::UpTopic topic, std::string payload) {
  const std::size_t bytes = payload.size();
  switch (send(topic, std::move(payload), 0)) {
    case mqtt::ClientSession::Publishing::kSent:
    case mqtt::ClientSession::Publishing::kQueued:
      return {};
    case mqtt::ClientSession::Publishing::kTooLarge:
      return fail(ErrorCode::kTooLarge, "{} bytes are more than the server takes", bytes);
    case mqtt::ClientSession::Publishing::kOffline:
    case mqtt::ClientSession::Publishing::kFull:
      return fail(ErrorCode::kOverloaded, "too many messages wait for the server already");
  }
  return {};
}

// Written by a later turn of the loop, as this may be within a call of the session.
mqtt::ClientSession::Publishing Agent::send(mqtt::UpTopic topic, std::string payload,
                                            std::uint64_t token) {
  asio::post(loop_, [this, attempt = attempt_] {
    if (!current(attempt) || stream_ == nullptr) return;
    flush();
    keep_time();
  });
  return session_.publish(topic, std::move(payload), 1, token, clock_.now(), *this);
}

Sending Agent::send_answer(const PushAnswer& answer, std::uint64_t token) {
  switch (send(mqtt::UpTopic::kResult, encode(answer), token)) {
    case mqtt::ClientSession::Publishing::kSent:
    case mqtt::ClientSession::Publishing::kQueued:
      return Sending::kQueued;
    case mqtt::ClientSession::Publishing::kTooLarge:
      return Sending::kTooLarge;
    case mqtt::ClientSession::Publishing::kOffline:
    case mqtt::ClientSession::Publishing::kFull:
      return Sending::kLater;
  }
  return Sending::kLater;
}

void Agent::on_published(std::uint64_t token, mqtt::ReasonCode code) {
  const bool refused = mqtt::is_error(code);
  if (refused) log_.warn("a message was refused: {}", mqtt::to_string(code));
  if (away_) {
    asio::post(loop_, [this, attempt = attempt_] {
      if (current(attempt)) leave_if_told();
    });
  }
  if (token == 0) return;
  // Out of the session's own call: the runner may have more to send.
  asio::post(loop_, [this, token, refused, code] {
    const bool large = code == mqtt::ReasonCode::kPacketTooLarge;
    runner_.acknowledged(token, large     ? PushRunner::Taken::kTooLarge
                                : refused ? PushRunner::Taken::kRefused
                                          : PushRunner::Taken::kTaken);
  });
}

void Agent::on_end(const mqtt::ClientEnded& ended) {
  ended_ = true;
  end_within(options_.goodbye_timeout);
  if (left_) return log_.info("leaves {}, as its policy wants it", to_string(server()));
  // Without a Reason String the code is all there is to tell.
  const bool coded = ended.detail.empty() && mqtt::is_error(ended.code);
  const std::string_view why = coded ? mqtt::to_string(ended.code) : ended.detail;
  log_.warn("connection to {} ended: {}{}{}", to_string(server()), mqtt::to_string(ended.end),
            why.empty() ? "" : ": ", why);
  status_.last_failure =
      fmt::format("{}{}{}", mqtt::to_string(ended.end), why.empty() ? "" : ": ", why);
}

}  // namespace kscpush::agent
