#include "agent/tls.hpp"

#include <csignal>

#include <openssl/x509v3.h>

#include "core/network.hpp"

namespace kscpush::agent {
namespace {

void begin(asio::ssl::context& tls) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes its sockets without MSG_NOSIGNAL
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
}

}  // namespace

Status load_tls(asio::ssl::context& tls, const TlsFiles& files) {
  begin(tls);
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
  tls.set_verify_mode(asio::ssl::verify_peer);
  return {};
}

Status load_authority(asio::ssl::context& tls, const std::string& authority) {
  begin(tls);
  if (authority.empty()) return {};
  tls.set_verify_mode(asio::ssl::verify_peer);
  // The authority that is known may have one above it, which need not be.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(tls.native_handle()), X509_V_FLAG_PARTIAL_CHAIN);
  asio::error_code error;
  tls.add_certificate_authority(asio::buffer(authority), error);
  if (!error) return {};
  return fail(ErrorCode::kFailed, "the server's authority cannot be used: {}", error.message());
}

void aim(SSL* connection, const std::string& host, std::string_view protocol) {
  if (parse_ip(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection), host.c_str());
  } else {
    SSL_set1_host(connection, host.c_str());
    // What SSL_set_tlsext_host_name() is, without its old-style cast.
    SSL_ctrl(connection, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(host.c_str()));
  }
  if (protocol.empty()) return;
  std::string offer(1, static_cast<char>(protocol.size()));
  offer += protocol;
  SSL_set_alpn_protos(connection, reinterpret_cast<const unsigned char*>(offer.data()),
                      static_cast<unsigned>(offer.size()));
}

std::string why_refused(const SSL* connection, const std::filesystem::path& authority) {
  const long code = SSL_get_verify_result(connection);
  const auto reason = [code](std::string_view what) {
    return fmt::format("{} ({})", what, X509_verify_cert_error_string(code));
  };
  switch (code) {
    case X509_V_OK:
      return {};
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return reason("its certificate is for another name") +
             "; use one that it is for, or give the server a certificate for this one: kscpush dp "
             "renew-certificate --name NAME";
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return reason("its certificate, or the authority's, is too old") +
             "; on the server: kscpush dp renew-certificate; is the clock here right?";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return reason("its certificate is not valid yet") + "; are the clocks here and there right?";
    default:
      return reason(fmt::format("its certificate is of no authority in {}", authority.string())) +
             "; if it is the right server, put its site's pki/ca.crt there, which 'kscpush device "
             "enroll' and 'kscpush agent enroll' hand out";
  }
}

std::string_view protocol_of(const SSL* connection) {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(connection, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

}  // namespace kscpush::agent
