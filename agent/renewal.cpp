#include "agent/renewal.hpp"

#include <algorithm>
#include <random>

#include <asio/post.hpp>

#include "core/file.hpp"
#include "core/pki.hpp"

namespace kscpush::agent {
namespace {

constexpr std::size_t kMaxPem = 64UL * 1024;
constexpr int kJitterPart = 20;  // of a certificate's life
// Less than this is no pause: a server that refuses at once must not be asked in a loop.
constexpr std::chrono::seconds kShortestPause{1};

double random_part() {
  std::random_device device;
  return std::uniform_real_distribution<double>(0, 1)(device);
}

}  // namespace

WallTime renewal_time(WallTime not_before, WallTime not_after, double part) {
  pki::CertificateInfo info;
  info.not_before = not_before;
  info.not_after = not_after;
  const auto most = (not_after - not_before) / kJitterPart;
  return pki::renewal_due(info) + std::chrono::milliseconds(static_cast<std::int64_t>(
                                      static_cast<double>(most.count()) * part));
}

RenewalPlan::Step RenewalPlan::at(WallTime now, WallTime not_before, WallTime not_after) const {
  const WallTime when = renewal_time(not_before, not_after, part_);
  if (now < when) {
    return {Action::kWait, std::min<std::chrono::milliseconds>(kLookAgain, when - now)};
  }
  return {now < not_after ? Action::kRenew : Action::kTooLate, kLookAgain};
}

std::chrono::milliseconds RenewalPlan::failed(WallTime now, WallTime not_after) {
  return std::max<std::chrono::milliseconds>(kShortestPause,
                                             std::min(backoff_.next(), (not_after - now) / 2));
}

Renewal::Renewal(asio::io_context& loop, Servers servers, CredentialFiles files, const Clock& clock,
                 spdlog::logger& log, Renewed renewed)
    : loop_(loop),
      servers_(std::move(servers)),
      files_(std::move(files)),
      clock_(clock),
      log_(log),
      renewed_(std::move(renewed)),
      timer_(loop),
      plan_(random_part(), std::random_device{}()) {}

Renewal::~Renewal() {
  *alive_ = false;
}

void Renewal::start() {
  look();
}

void Renewal::stop() {
  timer_.cancel();
  worker_.request_stop();
  *alive_ = false;
}

void Renewal::look_later(std::chrono::milliseconds wait) {
  timer_.expires_after(wait);
  timer_.async_wait([this, alive = alive_](const asio::error_code& error) {
    if (!error && *alive) look();
  });
}

void Renewal::look() {
  const auto pem = read_file(files_.certificate, kMaxPem);
  const auto info = pem ? pki::inspect(*pem) : Result<pki::CertificateInfo>(fail(pem.error()));
  if (!info) {
    log_.warn("the device's certificate cannot be looked at: {}", info.error().message);
    return look_later(kLookAgain);
  }
  const auto step = plan_.at(clock_.wall(), info->not_before, info->not_after);
  if (step.action == RenewalPlan::Action::kRenew) return begin(info->not_after);
  if (step.action == RenewalPlan::Action::kTooLate) {
    log_.error(
        "the device's certificate has expired at {}: only an administrator can give it a "
        "new one (kscpush device enroll ID --token)",
        to_rfc3339(info->not_after));
  }
  look_later(step.look_again);
}

void Renewal::begin(WallTime not_after) {
  worker_ = std::jthread(
      [this, not_after, alive = alive_, servers = servers_()](const std::stop_token& stop) {
        auto enrolled = std::make_shared<Result<Enrolled>>(renew(servers, files_, stop));
        asio::post(loop_, [this, not_after, alive, enrolled] {
          if (*alive) ended(*enrolled, not_after);
        });
      });
}

void Renewal::ended(const Result<Enrolled>& enrolled, WallTime not_after) {
  const Status done =
      enrolled ? complete(files_, enrolled->certificate) : Status(fail(enrolled.error()));
  if (!done) {
    const auto pause = plan_.failed(clock_.wall(), not_after);
    log_.warn("the certificate was not renewed, and will be tried again in {} s: {}",
              std::chrono::ceil<std::chrono::seconds>(pause).count(), done.error().message);
    return look_later(pause);
  }
  plan_.succeeded();
  log_.info("the certificate has been renewed");
  renewed_();
  look_later(kLookAgain);
}

}  // namespace kscpush::agent
