// The part of the push server that opens tunnels.
#include "core/port_protocols.hpp"
#include "server/push_server_impl.hpp"

namespace kscpush::server {

// Never stored, as a ping: its token must not be on a disk, and a tunnel is for now.
void PushServer::Impl::ask_for_tunnel(const DeviceId& id, const std::string& params,
                                      const Tunnels::Asked& asked) {
  const bool posted = post(id, [this, id, params, asked] {
    Shard& shard = home(id);
    shard.probe(id, ProbeOrder(shard.wall(), kAnswerDeadline, kTunnelOpen, params),
                [asked](Result<ProbeReport> report) {
                  if (!report) return asked(fail(report.error()));
                  asked(std::move(*report->said));
                });
  });
  if (!posted) asked(fail(stopping_error()));
}

void PushServer::Impl::recheck(const DeviceId& id) {
  post(id, [this, id] { home(id).recheck(id); });
  unless_stopping([&] {
    tunnels_.recheck(id, [this](const DeviceId& device) -> Status {
      const auto found = store_->find_device(device);
      if (!found) return {};  // what cannot be read says nothing
      if (!found->has_value()) return fail(ErrorCode::kNotFound, "the device was removed");
      if ((*found)->revoked) return fail(ErrorCode::kDenied, "the device was revoked");
      return admit()(device, {(*found)->group, (*found)->platform, (*found)->address});
    });
  });
}

bool PushServer::with_tunnels(const std::function<void(Tunnels&)>& call) {
  return impl_->unless_stopping([&] { call(impl_->tunnels_); });
}

const TunnelCounters& PushServer::tunnel_counters() const {
  return impl_->tunnels_.counters();
}

}  // namespace kscpush::server
