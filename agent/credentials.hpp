// The files by which a device shows who it is, and their replacement as a whole: key and
// certificate are two files, and at no moment may a crash leave a pair that does not fit.
#pragma once

#include <filesystem>
#include <string>

#include "core/ids.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"

namespace kscpush::agent {

struct CredentialFiles {
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::filesystem::path authority;

  // ID.crt, ID.key, ca.crt
  [[nodiscard]] static CredentialFiles in(const std::filesystem::path& folder, const DeviceId& id);
};

// Makes the folder if there is none. The new files stand beside the old ones (".new") and are on
// disk before the certificate, then the key, takes the old one's place.
[[nodiscard]] Status replace(const CredentialFiles& files, const std::string& certificate,
                             const Secret& key);
// Completes a replacement that was interrupted, or takes back what was begun. Before the files are
// used.
[[nodiscard]] Status settle(const CredentialFiles& files);

}  // namespace kscpush::agent
