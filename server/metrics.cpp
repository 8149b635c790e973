#include "server/metrics.hpp"

#include <algorithm>
#include <functional>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "server/side/enrol_service.hpp"
#include "server/side/side_server.hpp"
#include "server/tunnel/tunnels.hpp"

namespace kscpush::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct Row {
  std::string_view name;
  std::string_view help;
  MetricType type;
  Counter Counters::*counter;
};

// One table: name, help, and the counter that is summed over the shards.
constexpr Row kRows[] = {
    {"kscpush_connections_accepted_total", "TCP connections accepted", MetricType::Counter,
     &Counters::accepted},
    {"kscpush_accept_failures_total",
     "Connections that could not be accepted, as when out of "
     "descriptors",
     MetricType::Counter, &Counters::accept_failures},
    {"kscpush_handshakes", "Connections whose TLS and CONNECT are under way", MetricType::Gauge,
     &Counters::handshaking},
    {"kscpush_handshakes_waiting",
     "Those of them that have not sent a whole ClientHello, or CONNECT without TLS",
     MetricType::Gauge, &Counters::waiting},
    {"kscpush_devices_throttled_total",
     "Times that a device had sent limits.inbound_bytes_per_s, and was read on a second later",
     MetricType::Counter, &Counters::throttled},
    {"kscpush_connections_gave_way_total",
     "Connections closed as they had sent next to nothing and newer ones wanted their place",
     MetricType::Counter, &Counters::gave_way},
    {"kscpush_connections_handed_over_total",
     "Connections of tunnels and enrolments, which agreed on their protocol by ALPN",
     MetricType::Counter, &Counters::handed_over},
    {"kscpush_devices_connected", "Devices with a live session", MetricType::Gauge,
     &Counters::connected},
    {"kscpush_tls_failures_total", "Connections that ended in the TLS handshake",
     MetricType::Counter, &Counters::tls_failures},
    {"kscpush_tls_parked_total",
     "Admitted connections whose TLS 1.3 was taken over from OpenSSL after the handshake",
     MetricType::Counter, &Counters::tls_parked},
    {"kscpush_handshake_timeouts_total", "Connections closed as no CONNECT came in time",
     MetricType::Counter, &Counters::handshake_timeouts},
    {"kscpush_connects_refused_total", "CONNECT packets answered with a refusal",
     MetricType::Counter, &Counters::refused},
    {"kscpush_log_warnings_left_out_total",
     "Warnings about refused or failed connections that were not written, as there were too many",
     MetricType::Counter, &Counters::warnings_left_out},
    {"kscpush_received_bytes_total", "MQTT bytes received", MetricType::Counter,
     &Counters::bytes_in},
    {"kscpush_sent_bytes_total", "MQTT bytes sent", MetricType::Counter, &Counters::bytes_out},
    {"kscpush_pushes_sent_total", "Stored pushes written to a device's connection",
     MetricType::Counter, &Counters::pushes_sent},
    {"kscpush_pushes_acked_total", "Stored pushes acknowledged by a PUBACK", MetricType::Counter,
     &Counters::pushes_acked},
    {"kscpush_answers_total", "Answers that devices published", MetricType::Counter,
     &Counters::answers},
    {"kscpush_sync_requests_total", "Devices that asked for their policy", MetricType::Counter,
     &Counters::sync_requests},
    {"kscpush_policies_sent_total", "Answers to that", MetricType::Counter,
     &Counters::policies_sent},
    {"kscpush_policy_reports_total", "Reports of devices about the policy that they have",
     MetricType::Counter, &Counters::policy_reports},
    {"kscpush_policy_failures_total", "Such reports of a policy that could not be applied",
     MetricType::Counter, &Counters::policy_failures},
    {"kscpush_reports_replaced_total",
     "Reports of devices that a newer one of the same device replaced before they were written",
     MetricType::Counter, &Counters::reports_replaced},
    {"kscpush_stray_messages_total", "Published messages that belong to no push of the device",
     MetricType::Counter, &Counters::stray_messages},
};

ClientMetric metric(MetricType type, double value) {
  ClientMetric result;
  if (type == MetricType::Gauge) {
    result.gauge.value = value;
  } else {
    result.counter.value = value;
  }
  return result;
}

MetricFamily family(std::string_view name, std::string_view help, MetricType type) {
  return MetricFamily{std::string(name), std::string(help), type, {}};
}

void add_single(std::vector<MetricFamily>& families, std::string_view name, std::string_view help,
                MetricType type, double value) {
  families.push_back(family(name, help, type));
  families.back().metric.push_back(metric(type, value));
}

// Missing when the database cannot be read: no figure is better than a wrong one.
void add_store(std::vector<MetricFamily>& families, const PushServer& server) {
  const Store& store = server.store();
  const auto gauge = [&](std::string_view name, std::string_view help, auto value) {
    add_single(families, name, help, MetricType::Gauge, static_cast<double>(value));
  };
  gauge("kscpush_store_queued_changes", "Changes that wait to be written", store.queued_changes());
  gauge("kscpush_database_limit_bytes", "limits.database_mib", store.limits().database_bytes);
  add_single(families, "kscpush_push_step_failures_total",
             "Steps of pushes that the disk did not take; they are tried again",
             MetricType::Counter, static_cast<double>(server.step_failures()));
  const auto usage = store.usage();
  if (!usage) return;
  gauge("kscpush_database_used_bytes", "Of the database, without free pages", usage->used_bytes);
  gauge("kscpush_database_file_bytes", "Size of the database's file", usage->database_bytes);
  gauge("kscpush_database_log_bytes", "Size of its write-ahead log", usage->log_bytes);
  gauge("kscpush_pushes_pending", "Pushes neither acknowledged nor ended", usage->pending);
  gauge("kscpush_devices_resync_required",
        "Devices that have missed a synchronization, and have not made up for it", usage->resyncs);
  const auto age = usage->oldest_pending ? server.clock().wall() - *usage->oldest_pending
                                         : std::chrono::milliseconds(0);
  gauge("kscpush_oldest_pending_seconds", "Since the oldest of them was accepted; 0 if none waits",
        std::max(0.0, std::chrono::duration<double>(age).count()));
}

void add_enrolments(std::vector<MetricFamily>& families, const EnrolCounters& counters) {
  const auto add = [&](std::string_view name, std::string_view help,
                       const std::atomic<std::uint64_t>& counter) {
    add_single(families, name, help, MetricType::Counter, static_cast<double>(counter.load()));
  };
  add("kscpush_enrolments_total", "Devices that got a certificate by token", counters.enrolled);
  add("kscpush_renewals_total", "Certificates that devices have renewed", counters.renewed);
  add("kscpush_enrolments_refused_total", "Enrolments and renewals that were refused",
      counters.refused);
}

void add_side(std::vector<MetricFamily>& families, const PushServer& server) {
  const SideCounters& side = server.side_counters();
  const TunnelCounters& tunnels = server.tunnel_counters();
  const auto add = [&](std::string_view name, std::string_view help, MetricType type,
                       const Counter& counter) {
    add_single(families, name, help, type, static_cast<double>(counter.get()));
  };
  add("kscpush_side_connections", "Of tunnels and enrolments, those that are not served yet",
      MetricType::Gauge, side.open);
  add("kscpush_side_connections_gave_way_total",
      "Such connections that were closed as newer ones wanted their place", MetricType::Counter,
      side.gave_way);
  add("kscpush_side_timeouts_total", "Such connections that said or took nothing in time",
      MetricType::Counter, side.timeouts);
  add("kscpush_side_warnings_left_out_total",
      "Warnings about them that were not written, as there were too many", MetricType::Counter,
      side.warnings_left_out);
  add("kscpush_tunnels_open", "Tunnels that carry bytes", MetricType::Gauge, tunnels.open);
  add("kscpush_tunnels_pending", "Tunnels that wait for the device or the operator's side",
      MetricType::Gauge, tunnels.pending);
  add("kscpush_tunnels_opened_total", "Tunnels that were opened", MetricType::Counter,
      tunnels.opened);
  add("kscpush_tunnels_failed_total", "Tunnels that were asked for and never open",
      MetricType::Counter, tunnels.failed);
  add("kscpush_tunnel_bytes_total", "Both ways, of tunnels that have ended", MetricType::Counter,
      tunnels.bytes);
  add("kscpush_tunnel_tokens_refused_total", "Sides of tunnels that were refused",
      MetricType::Counter, tunnels.tokens_refused);
}

}  // namespace

std::string render_metrics(const PushServer& server, const AdminFigures& admin) {
  const auto shards = server.counters();
  const auto sum = [&](const std::function<std::uint64_t(const Counters&)>& value) {
    std::uint64_t total = 0;
    for (const Counters* counters : shards) total += value(*counters);
    return static_cast<double>(total);
  };
  std::vector<MetricFamily> families;
  for (const Row& row : kRows) {
    families.push_back(family(row.name, row.help, row.type));
    families.back().metric.push_back(
        metric(row.type, sum([&](const Counters& c) { return (c.*row.counter).get(); })));
  }
  families.push_back(family("kscpush_connections_ended_total", "Ended MQTT connections by reason",
                            MetricType::Counter));
  for (std::size_t i = 0; i < kEndReasons; ++i) {
    ClientMetric ended =
        metric(MetricType::Counter, sum([&](const Counters& c) { return c.ended.at(i).get(); }));
    ended.label.push_back(
        {"reason", std::string(mqtt::to_string(static_cast<mqtt::EndReason>(i)))});
    families.back().metric.push_back(std::move(ended));
  }
  add_single(families, "kscpush_max_connections", "Connections this push server may hold",
             MetricType::Gauge, server.config()->dp.push_server.max_connections);
  add_single(families, "kscpush_draining", "1 while devices are sent to other servers",
             MetricType::Gauge, server.draining() ? 1 : 0);
  add_store(families, server);
  add_side(families, server);
  add_enrolments(families, server.enrol_counters());
  if (const auto left = server.crl_left()) {
    add_single(families, "kscpush_tls_crl_expires_seconds",
               "Until a revocation list is out of date; negative: it is already", MetricType::Gauge,
               static_cast<double>(left->count()));
  }
  const auto one = [&](std::string_view name, std::string_view help, MetricType type,
                       std::uint64_t value) {
    add_single(families, name, help, type, static_cast<double>(value));
  };
  one("kscpush_push_waits", "Requests that wait until a push has come so far", MetricType::Gauge,
      server.waiting_for_pushes());
  one("kscpush_event_listeners", "Clients that follow GET /v1/events", MetricType::Gauge,
      admin.listeners);
  one("kscpush_event_overflows_total", "Such clients that were let go as they read too slowly",
      MetricType::Counter, admin.overflows);
  one("kscpush_api_rate_limited_total", "Admin API requests beyond requests_per_second",
      MetricType::Counter, admin.rate_limited);
  one("kscpush_api_request_bytes", "Bytes of Admin API requests that have no answer yet",
      MetricType::Gauge, admin.request_bytes);
  one("kscpush_api_requests_dropped_total",
      "Admin API requests that were cut off as all together were too many bytes",
      MetricType::Counter, admin.requests_dropped);
  one("kscpush_rollouts_running", "Rollouts that are not over", MetricType::Gauge,
      server.rollouts().running());
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace kscpush::server
