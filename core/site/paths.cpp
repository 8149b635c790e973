#include "core/site/paths.hpp"

namespace kscpush::site {

ServerPaths server_paths(const DistributionPoint& dp, const std::filesystem::path& site_folder) {
  const auto place = [&](const std::string& given, const std::string& otherwise) {
    return (site_folder / (given.empty() ? otherwise : given)).lexically_normal();
  };
  const auto optional = [&](const std::string& given) {
    return given.empty() ? std::filesystem::path() : place(given, "");
  };
  const PushServer& server = dp.push_server;
  ServerPaths paths;
  paths.certificate = place(server.tls.certificate, "pki/" + dp.name + ".crt");
  paths.key = place(server.tls.key, "pki/" + dp.name + ".key");
  paths.client_ca = place(server.tls.client_ca, "pki/ca.crt");
  paths.crl = optional(server.tls.crl);
  paths.authority_key = std::filesystem::path(paths.client_ca).replace_extension(".key");
  paths.state_directory = place(server.state_directory, "state/" + dp.name);
  paths.admin_token = place(server.admin.token_file, "pki/admin.token");
  paths.operator_token = optional(server.admin.operator_token_file);
  paths.viewer_token = optional(server.admin.viewer_token_file);
  return paths;
}

}  // namespace kscpush::site
