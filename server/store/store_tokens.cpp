// Store: enrolment tokens.
#include "server/store/store.hpp"
#include "server/store/store_impl.hpp"
#include "server/store/tokens.hpp"

namespace kscpush::server {

Status Store::add_token(const NewToken& token) {
  return impl_->writer.wait([&](Database& database) { return tokens::add(database, token); });
}

void Store::add_token(NewToken token, Done done) {
  impl_->writer.post(
      [token = std::move(token)](Database& database) { return tokens::add(database, token); },
      std::move(done));
}

Result<DeviceId> Store::check_token(const TokenShown& shown) const {
  return impl_->readers.use(
      [&](Database& database) { return tokens::check(database, shown, impl_->clock.wall()); });
}

Status Store::use_token(const TokenShown& shown, const DeviceChange& certificate) {
  return impl_->writer.wait([&](Database& database) -> Status {
    const auto device = tokens::use(database, shown, certificate, impl_->clock.wall());
    if (!device) return fail(device.error());
    return {};
  });
}

}  // namespace kscpush::server
