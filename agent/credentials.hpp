// The files by which a device shows who it is and knows its servers.
#pragma once

#include <filesystem>

#include "core/ids.hpp"
#include "core/key_files.hpp"

namespace kscpush::agent {

struct CredentialFiles : KeyFiles {
  std::filesystem::path authority;

  // ID.crt, ID.key, ca.crt
  [[nodiscard]] static CredentialFiles in(const std::filesystem::path& folder, const DeviceId& id) {
    return {{folder / (id.str() + ".crt"), folder / (id.str() + ".key")}, folder / "ca.crt"};
  }
};

}  // namespace kscpush::agent
