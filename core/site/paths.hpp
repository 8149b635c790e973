// Where a push server's files are: as the site configuration says, else in the places that
// `kscpush init` uses, relative to the folder of the configuration file.
#pragma once

#include <filesystem>

#include "core/site/model.hpp"

namespace kscpush::site {

struct ServerPaths {
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::filesystem::path client_ca;
  std::filesystem::path crl;            // empty: none
  std::filesystem::path authority_key;  // beside client_ca; only enrolling devices needs it
  std::filesystem::path state_directory;
  std::filesystem::path admin_token;
  std::filesystem::path operator_token;  // empty: none
  std::filesystem::path viewer_token;    // empty: none
};

[[nodiscard]] ServerPaths server_paths(const DistributionPoint& dp,
                                       const std::filesystem::path& site_folder);

}  // namespace kscpush::site
