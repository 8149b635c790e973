// Revocation lists run out while the server runs, which changes nothing by itself (TlsTrust): this
// tells that it has happened, and once a day until newer ones are there.
#pragma once

#include <atomic>
#include <optional>

#include <spdlog/logger.h>

#include "core/clock.hpp"
#include "server/net/tls_trust.hpp"

namespace kscpush::server {

class CrlWatch {
 public:
  explicit CrlWatch(spdlog::logger& log) : log_(log) {}

  // Any thread.
  void use(const TlsTrust& trust) { expires_ = trust.crl_expires(); }
  // Until the first list is out of date; negative: since then. Nothing: there is none.
  [[nodiscard]] std::optional<std::chrono::seconds> left(WallTime now) const;
  // One thread, now and then.
  void tick(WallTime now);

 private:
  spdlog::logger& log_;
  std::atomic<std::int64_t> expires_{TlsTrust::kNever};
  std::int64_t watched_ = TlsTrust::kNever;  // tick()'s
  std::int64_t next_warning_ = 0;            // seconds since 1970
};

}  // namespace kscpush::server
