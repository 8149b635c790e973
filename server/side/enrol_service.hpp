// Enrolments on the devices' port: who shows a token gets the first certificate of its device, who
// shows a certificate the next one. docs/decisions/0011-enrolment.md.
//
// Requests are answered one after the other on a thread of its own, as they read files and wait for
// the disk. Bounded: in number while they wait, and a second for each address and each device.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>

#include <asio/thread_pool.hpp>

#include "core/enrolment.hpp"
#include "server/admin/rate_limiter.hpp"
#include "server/enrolment.hpp"
#include "server/net/tls_trust.hpp"
#include "server/push_server.hpp"
#include "server/side/side_server.hpp"

namespace kscpush::server {

struct EnrolCounters {
  std::atomic<std::uint64_t> enrolled{0};
  std::atomic<std::uint64_t> renewed{0};
  std::atomic<std::uint64_t> refused{0};
};

class EnrolService final : public SideService {
 public:
  static constexpr std::size_t kMostWaiting = 256;
  static constexpr std::uint32_t kPerAddress = 50;  // a second
  static constexpr std::uint32_t kPerDevice = 1;

  using Config = std::function<std::shared_ptr<const ServerConfig>()>;
  EnrolService(SideServer& side, Store& store, Config config, const Clock& clock,
               spdlog::logger& log);

  // Any thread: what certificates must hold against from now on.
  void use(std::shared_ptr<const TlsTrust> trust);
  void serve(const SideRequest& request) override;
  // What has begun is answered. While the store takes changes.
  void stop();
  [[nodiscard]] const EnrolCounters& counters() const { return counters_; }

 private:
  struct Asked {
    std::uint64_t connection = 0;
    EnrolmentRequest request{};
    std::string address{};             // the peer's
    std::optional<DeviceId> device{};  // that the peer's certificate is of
  };

  [[nodiscard]] Result<Asked> accept(const SideRequest& request);
  [[nodiscard]] Result<DeviceId> shown_by(const Link& link) const;
  [[nodiscard]] Status not_too_often(const std::string& client, std::uint32_t per_second);
  void work(const Asked& asked);
  [[nodiscard]] Result<EnrolmentAnswer> answer(const Asked& asked);
  [[nodiscard]] Result<EnrolmentAnswer> enrol(const Asked& asked);
  [[nodiscard]] Result<EnrolmentAnswer> renew(const Asked& asked);
  [[nodiscard]] EnrolmentAnswer answer_of(const DeviceRecord& device, Enrolment issued) const;
  void refuse(std::uint64_t connection, const std::string& address, const Error& error);

  SideServer& side_;
  Store& store_;
  const Config config_;
  const Clock& clock_;
  spdlog::logger& log_;
  EnrolCounters counters_;
  RateLimiter limiter_;
  std::atomic<std::size_t> waiting_{0};
  mutable std::mutex mutex_;
  std::shared_ptr<const TlsTrust> trust_;  // under mutex_
  asio::thread_pool pool_{1};
};

}  // namespace kscpush::server
