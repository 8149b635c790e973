#include "server/admin/rate_limiter.hpp"

#include <algorithm>

namespace kscpush::server {
namespace {

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

// A bucket that has filled up says nothing any more.
void RateLimiter::forget_full(double per_second, MonoTime now) {
  std::erase_if(buckets_, [&](const auto& entry) {
    const Bucket& bucket = entry.second;
    return bucket.tokens + seconds(now - bucket.filled) * per_second >= per_second;
  });
}

RateLimiter::Bucket& RateLimiter::bucket_of(std::string_view client, double full, MonoTime now) {
  const auto found = buckets_.find(client);
  if (found != buckets_.end()) return found->second;
  if (buckets_.size() >= clients_) forget_full(full, now);
  if (buckets_.size() >= clients_) return shared_;
  return buckets_.emplace(client, Bucket{full, now}).first->second;
}

std::optional<Duration> RateLimiter::take(std::string_view client, std::uint32_t per_second,
                                          MonoTime now) {
  const std::scoped_lock lock(mutex_);
  const double full = per_second;
  Bucket& bucket = bucket_of(client, full, now);
  bucket.tokens = std::min(full, bucket.tokens + seconds(now - bucket.filled) * full);
  bucket.filled = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return std::nullopt;
  }
  ++refused_;
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>((1 - bucket.tokens) / full));
}

std::uint64_t RateLimiter::refused() const {
  const std::scoped_lock lock(mutex_);
  return refused_;
}

}  // namespace kscpush::server
