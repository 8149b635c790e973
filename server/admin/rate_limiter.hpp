// How many requests a second one client may make: a bucket of tokens for each.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.hpp"

namespace kscpush::server {

// Thread safe.
class RateLimiter {
 public:
  // Clients that are told apart; further ones share one bucket.
  explicit RateLimiter(std::size_t clients = 1024) : clients_(clients) {}

  // A request of CLIENT, which may make PER_SECOND and, after a pause, so many at once. Nothing: it
  // may; else how long it has to wait.
  [[nodiscard]] std::optional<Duration> take(std::string_view client, std::uint32_t per_second,
                                             MonoTime now);
  [[nodiscard]] std::uint64_t refused() const;

 private:
  struct Bucket {
    double tokens = 0;
    MonoTime filled{};
  };
  Bucket& bucket_of(std::string_view client, double full, MonoTime now);  // mutex_ held
  void forget_full(double per_second, MonoTime now);

  const std::size_t clients_;
  mutable std::mutex mutex_;
  std::map<std::string, Bucket, std::less<>> buckets_;  // under mutex_
  Bucket shared_;
  std::uint64_t refused_ = 0;
};

}  // namespace kscpush::server
