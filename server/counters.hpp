// What a shard counts. Written by the shard's thread alone, read by any: relaxed single-writer
// counters, so that counting costs an ordinary store.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "core/mqtt/session.hpp"

namespace kscpush::server {

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.store(get() + n, std::memory_order_relaxed); }
  void sub(std::uint64_t n = 1) { value_.store(get() - n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Ends of connections, one counter a reason.
inline constexpr std::size_t kEndReasons = 12;

struct Counters {
  Counter accepted;            // TCP connections
  Counter accept_failures;     // EMFILE and the like
  Counter handshaking;         // gauge: accepted, CONNECT not yet answered
  Counter waiting;             // gauge: those of them that have sent no ClientHello or CONNECT yet
  Counter gave_way;            // of these, to newer ones
  Counter handed_over;         // to what is not MQTT (server/side)
  Counter connected;           // gauge: devices with a live session
  Counter tls_failures;        // ended before a CONNECT because TLS failed
  Counter tls_parked;          // admitted, and parked by then
  Counter handshake_timeouts;  // ended because TLS and CONNECT took too long
  Counter refused;             // CONNECT answered with a refusal
  Counter warnings_left_out;   // of the log (BoundedLog)
  Counter throttled;           // times that a device was not read for the rest of a second
  Counter bytes_in;            // MQTT bytes, after TLS
  Counter bytes_out;
  Counter pushes_sent;
  Counter pushes_acked;
  Counter answers;           // results that devices published
  Counter sync_requests;     // devices that asked for their policy
  Counter policies_sent;     // answers to that
  Counter policy_reports;    // what devices said of it
  Counter policy_failures;   // of these: it could not be applied
  Counter reports_replaced;  // by newer ones of the device, before they were written
  Counter stray_messages;    // published messages that name no push of the device
  std::array<Counter, kEndReasons> ended;
};

}  // namespace kscpush::server
