// The part of the push server that pings: one device, or many at once.
#include "server/push_server_impl.hpp"

namespace kscpush::server {
namespace {

Status check_timeout(Duration timeout) {
  if (timeout > Duration::zero() && timeout <= PushServer::kLongestProbe) return {};
  return fail(ErrorCode::kUsage, "the timeout must be above 0 and at most 60 seconds");
}

}  // namespace

void PushServer::ping(const DeviceId& id, Duration timeout, PingDone done) {
  if (auto fits = check_timeout(timeout); !fits) return done(fail(fits.error()));
  if (auto known = registered(id); !known) return done(fail(known.error()));
  const bool posted = impl_->post(id, [this, id, timeout, done] {
    Shard& home = impl_->home(id);
    home.probe(id, ProbeOrder(home.wall(), timeout), [&home, id, done](Result<ProbeReport> report) {
      if (!report) return done(fail(report.error()));
      done(PingReport{*report, home.view(id).value_or(DeviceView{})});
    });
  });
  if (!posted) done(fail(stopping_error()));
}

namespace {

// What the shards gather for one request; each fills the places of its own devices, and the last
// one to finish tells.
struct PingAll {
  explicit PingAll(std::vector<DeviceId> devices)
      : ids(std::move(devices)),
        reports(ids.size(), ProbeReports::value_type(ProbeReport{})),
        left(ids.size()) {}
  const std::vector<DeviceId> ids;
  ProbeReports reports;
  std::atomic<std::size_t> left;
  std::function<void(Result<ProbeReports>)> done;
};

}  // namespace

void PushServer::ping_all(std::vector<DeviceId> ids, Duration timeout,
                          std::function<void(Result<ProbeReports>)> done) {
  if (auto fits = check_timeout(timeout); !fits) return done(fail(fits.error()));
  if (ids.empty()) return done(ProbeReports());
  const auto all = std::make_shared<PingAll>(std::move(ids));
  all->done = done;
  std::vector<std::size_t> places(all->ids.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  const ProbeOrder order(clock().wall(), timeout);
  const bool posted = impl_->spread(
      std::move(places), [&](std::size_t place) -> const DeviceId& { return all->ids[place]; },
      [all, order](Shard& shard, std::span<const std::size_t> some) {
        for (const std::size_t place : some) {
          shard.probe(all->ids[place], order, [all, place](Result<ProbeReport> report) {
            all->reports[place] = std::move(report);
            if (all->left.fetch_sub(1) == 1) all->done(std::move(all->reports));
          });
        }
      });
  if (!posted) done(fail(stopping_error()));
}

}  // namespace kscpush::server
