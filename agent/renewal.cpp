#include "agent/renewal.hpp"

#include <random>

#include <asio/post.hpp>

#include "core/file.hpp"
#include "core/pki.hpp"

namespace kscpush::agent {
namespace {

constexpr std::size_t kMaxPem = 64UL * 1024;
// A wall clock that is set, or a machine that slept, is noticed within so long.
constexpr std::chrono::minutes kLookAgain{15};
constexpr int kJitterPart = 20;  // of a certificate's life
constexpr BackoffLimits kPauses{std::chrono::seconds(30), std::chrono::hours(6)};

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

Renewal::Renewal(asio::io_context& loop, Servers servers, CredentialFiles files, const Clock& clock,
                 spdlog::logger& log, Renewed renewed)
    : loop_(loop),
      servers_(std::move(servers)),
      files_(std::move(files)),
      clock_(clock),
      log_(log),
      renewed_(std::move(renewed)),
      timer_(loop),
      backoff_(kPauses, std::random_device{}()),
      part_(random_part()) {}

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
  const WallTime now = clock_.wall();
  const WallTime when = renewal_time(info->not_before, info->not_after, part_);
  if (now < when) {
    return look_later(std::min<std::chrono::milliseconds>(kLookAgain, when - now));
  }
  if (now >= info->not_after) {
    log_.error(
        "the device's certificate has expired at {}: only an administrator can give it a "
        "new one (kscpush device enroll ID --token)",
        to_rfc3339(info->not_after));
    return look_later(kLookAgain);
  }
  begin();
}

void Renewal::begin() {
  worker_ = std::jthread([this, alive = alive_, servers = servers_()](const std::stop_token& stop) {
    auto enrolled = std::make_shared<Result<Enrolled>>(renew(servers, files_, stop));
    asio::post(loop_, [this, alive, enrolled] {
      if (*alive) ended(*enrolled);
    });
  });
}

void Renewal::ended(const Result<Enrolled>& enrolled) {
  const Status done = enrolled ? replace(files_, enrolled->certificate, enrolled->key)
                               : Status(fail(enrolled.error()));
  if (!done) {
    const auto pause = backoff_.next();
    log_.warn("the certificate was not renewed, and will be tried again in {} s: {}",
              std::chrono::ceil<std::chrono::seconds>(pause).count(), done.error().message);
    return look_later(pause);
  }
  backoff_.reset();
  log_.info("the certificate has been renewed");
  renewed_();
  look_later(kLookAgain);
}

}  // namespace kscpush::agent
