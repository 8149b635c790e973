#include "server/sync/report_queue.hpp"

#include <utility>

namespace kscpush::server {

void ReportQueue::put(const DeviceId& id, DeviceReport report, bool in_sync, WallTime now) {
  const auto [at, first] = behind_.try_emplace(id.str());
  if (first) return write(id, {std::move(report), in_sync, now});
  std::optional<Waiting>& waiting = at->second;
  if (!waiting) {
    waiting = Waiting{std::move(report), in_sync, now};
    return;
  }
  replaced_.add();
  if (report.policy) {
    waiting->report.policy = std::move(report.policy);
    waiting->in_sync = in_sync;
    waiting->said = now;
  }
  if (report.local) waiting->report.local = std::move(report.local);
}

void ReportQueue::flush() {
  for (auto& [id, waiting] : behind_) {
    if (!waiting) continue;
    store_.report(*DeviceId::parse(id), std::move(waiting->report), waiting->in_sync,
                  waiting->said);
  }
  behind_.clear();
}

void ReportQueue::write(const DeviceId& id, Waiting report) {
  // What could not be written the device says again with its next connection.
  store_.report(id, std::move(report.report), report.in_sync, report.said,
                [this, id](const Status& /*status*/) { loop_.post([this, id] { written(id); }); });
}

void ReportQueue::written(const DeviceId& id) {
  const auto at = behind_.find(id.str());
  if (at == behind_.end()) return;
  if (!at->second) {
    behind_.erase(at);
    return;
  }
  write(id, *std::exchange(at->second, std::nullopt));
}

}  // namespace kscpush::server
