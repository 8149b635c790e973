#include "agent/tls.hpp"

#include <csignal>

namespace kscpush::agent {

Status load_tls(asio::ssl::context& tls, const TlsFiles& files) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes its sockets without MSG_NOSIGNAL
  asio::error_code error;
  const auto failed = [&](std::string_view what, const std::filesystem::path& path) {
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("{} {} cannot be used: {}", what, path.string(), error.message()),
                 "'kscpush device enroll ID --out DIR' writes the three files of a device"});
  };
  tls.load_verify_file(files.authority.string(), error);
  if (error) return failed("the certificate authority", files.authority);
  if (!files.certificate.empty()) {
    tls.use_certificate_chain_file(files.certificate.string(), error);
    if (error) return failed("the certificate", files.certificate);
    tls.use_private_key_file(files.key.string(), asio::ssl::context::pem, error);
    if (error) return failed("the key", files.key);
  }
  tls.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  return {};
}

}  // namespace kscpush::agent
