#include "server/side/enrol_service.hpp"

#include <asio/post.hpp>

#include "policy/assign.hpp"
#include "server/net/peer.hpp"
#include "server/sync/policy_book.hpp"

namespace kscpush::server {
namespace {

// Without the port: "127.0.0.1:40312".
std::string host_of(const std::string& address) {
  return address.substr(0, address.rfind(':'));
}

// Where the device shall go, its first choice first.
std::vector<std::string> servers_for(const ServerConfig& config, const DeviceRecord& device) {
  auto servers = policy::endpoints_of(policy::assign(*config.site, facts_of(device)).ranked);
  if (servers.empty()) servers = policy::endpoints_of({{.dp = &config.dp}});
  return servers;
}

}  // namespace

EnrolService::EnrolService(SideServer& side, Store& store, Config config, const Clock& clock,
                           spdlog::logger& log)
    : side_(side), store_(store), config_(std::move(config)), clock_(clock), log_(log) {}

void EnrolService::use(std::shared_ptr<const TlsTrust> trust) {
  const std::scoped_lock lock(mutex_);
  trust_ = std::move(trust);
}

void EnrolService::stop() {
  pool_.join();
}

void EnrolService::serve(const SideRequest& request) {
  const std::string address = request.link.peer_address();
  auto asked = accept(request);
  if (!asked) return refuse(request.connection, address, asked.error());
  waiting_ += 1;
  asio::post(pool_, [this, asked = std::make_shared<const Asked>(std::move(*asked))] {
    work(*asked);
    waiting_ -= 1;
  });
}

Status EnrolService::not_too_often(const std::string& client, std::uint32_t per_second) {
  if (!limiter_.take(client, per_second, clock_.now())) return {};
  return fail({ErrorCode::kOverloaded,
               fmt::format("more than {} enrolments a second from '{}'", per_second, client),
               "try again in a moment"});
}

Result<EnrolService::Asked> EnrolService::accept(const SideRequest& request) {
  Asked asked{.connection = request.connection, .address = request.link.peer_address()};
  if (auto may = not_too_often(host_of(asked.address), kPerAddress); !may) return fail(may.error());
  if (waiting_ >= kMostWaiting) {
    return fail({ErrorCode::kOverloaded, "too many enrolments wait", "try again in a moment"});
  }
  auto decoded = decode_enrolment_request(request.line);
  if (!decoded) return fail(decoded.error());
  asked.request = std::move(*decoded);
  if (asked.request.what != EnrolmentRequest::What::kRenew) return asked;
  auto device = shown_by(request.link);
  if (!device) return fail(device.error());
  if (auto may = not_too_often("device " + device->str(), kPerDevice); !may) {
    return fail(may.error());
  }
  asked.device = std::move(*device);
  return asked;
}

// The certificate held in the handshake; what was revoked since or by a list is for TlsTrust.
Result<DeviceId> EnrolService::shown_by(const Link& link) const {
  const auto id = link.peer_device_id();
  if (!id) {
    return fail({ErrorCode::kDenied,
                 fmt::format("a certificate is renewed for who shows it: {}", id.error().message),
                 "enrol the device: kscpush device enroll ID --token"});
  }
  const PeerProof* const proof = link.peer_proof();
  const std::scoped_lock lock(mutex_);
  const std::string_view objection = trust_ == nullptr || proof == nullptr
                                         ? "the server is starting"
                                         : trust_->objection(*proof, unix_seconds(clock_.wall()));
  if (!objection.empty()) {
    return fail({ErrorCode::kDenied, fmt::format("{}: {}", *id, objection),
                 "enrol the device anew: kscpush device enroll ID --token"});
  }
  return DeviceId::parse(*id);
}

void EnrolService::work(const Asked& asked) {
  auto done = answer(asked);
  if (!done) return refuse(asked.connection, asked.address, done.error());
  side_.answer(asked.connection, encode(*done));
}

Result<EnrolmentAnswer> EnrolService::answer(const Asked& asked) {
  switch (asked.request.what) {
    case EnrolmentRequest::What::kEnrol:
      return enrol(asked);
    case EnrolmentRequest::What::kRenew:
      return renew(asked);
    case EnrolmentRequest::What::kAuthority:
      break;
  }
  return authority_of_server(config_()->paths).map([](std::string&& pem) {
    return EnrolmentAnswer{.authority = std::move(pem)};
  });
}

Result<EnrolmentAnswer> EnrolService::enrol(const Asked& asked) {
  const auto key = pki::check_request(asked.request.csr);
  if (!key) return fail(key.error());
  const TokenShown shown{hash_of(asked.request.secret), asked.request.device, *key};
  const auto id = store_.check_token(shown);
  if (!id) return fail(id.error());
  auto issued = certify(config_()->paths, *id, asked.request.csr, clock_);
  if (!issued) return fail(issued.error());
  if (auto used = store_.use_token(shown, issued->change()); !used) return fail(used.error());
  const auto device = store_.find_device(*id);
  if (!device) return fail(device.error());
  counters_.enrolled += 1;
  log_.info("{}: '{}' enrolled by token, certificate {} until {}", asked.address, id->str(),
            issued->fingerprint, to_rfc3339(issued->not_after));
  return answer_of(device->value_or(DeviceRecord{.id = *id, .group = ""}), std::move(*issued));
}

Result<EnrolmentAnswer> EnrolService::renew(const Asked& asked) {
  const DeviceId& id = *asked.device;
  const auto device = store_.find_device(id);
  if (!device) return fail(device.error());
  if (!device->has_value() || (*device)->revoked) {
    return fail({ErrorCode::kDenied,
                 fmt::format("device '{}' {}", id.str(),
                             device->has_value() ? "has been revoked" : "is not registered"),
                 ""});
  }
  auto issued = certify(config_()->paths, id, asked.request.csr, clock_);
  if (!issued) return fail(issued.error());
  // Not yet its end: the device has to show that it was able to keep the certificate.
  const auto noted = store_.change_device(id, {.fingerprint = issued->fingerprint});
  if (!noted) return fail(noted.error());
  counters_.renewed += 1;
  log_.info("{}: '{}' has renewed its certificate: {} until {}", asked.address, id.str(),
            issued->fingerprint, to_rfc3339(issued->not_after));
  return answer_of(*noted, std::move(*issued));
}

EnrolmentAnswer EnrolService::answer_of(const DeviceRecord& device, Enrolment issued) const {
  return {.authority = std::move(issued.authority),
          .device = device.id,
          .certificate = std::move(issued.device.certificate),
          .servers = servers_for(*config_(), device)};
}

void EnrolService::refuse(std::uint64_t connection, const std::string& address,
                          const Error& error) {
  counters_.refused += 1;
  // Strangers can cause it, and the log is theirs to flood: that is the side thread's to bound.
  side_.loop().post([this, address, message = error.message] {
    side_.warnings().warn("{}: enrolment refused: {}", address, message);
  });
  side_.answer(connection, encode_enrolment_error(error));
}

}  // namespace kscpush::server
