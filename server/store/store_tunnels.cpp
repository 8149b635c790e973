// The part of the store that keeps the audit of tunnels.
#include "server/store/store_impl.hpp"

namespace kscpush::server {

void Store::add_tunnel(TunnelRecord tunnel, Done done) {
  impl_->writer.post(
      [tunnel = std::move(tunnel)](Database& database) { return tunnels::add(database, tunnel); },
      std::move(done));
}

void Store::end_tunnel(const Ulid& id, TunnelEnd end, Done done) {
  impl_->writer.post(
      [id, end = std::move(end)](Database& database) { return tunnels::end(database, id, end); },
      std::move(done));
}

Status Store::end_open_tunnels() {
  return impl_->writer.wait(
      [&](Database& database) { return tunnels::end_all(database, impl_->clock.wall()); });
}

Result<std::optional<TunnelRecord>> Store::find_tunnel(const Ulid& id) const {
  return impl_->readers.use([&](Database& database) { return tunnels::find(database, id); });
}

Result<std::vector<TunnelRecord>> Store::list_ended_tunnels(std::int64_t before,
                                                            std::size_t limit) const {
  return impl_->readers.use(
      [&](Database& database) { return tunnels::list_ended(database, before, limit); });
}

}  // namespace kscpush::server
