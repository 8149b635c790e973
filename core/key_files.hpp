// A certificate and its private key in two files, replaced as a whole: at no moment may a crash
// leave a pair that does not fit for good.
#pragma once

#include <filesystem>
#include <string>

#include "core/result.hpp"
#include "core/secret.hpp"

namespace kscpush {

struct KeyFiles {
  std::filesystem::path certificate;
  std::filesystem::path key;
};

// PEM. Makes the key's folder if there is none; owner, group and mode stay; symbolic links are
// followed. The new files stand beside the old
// ones (".new") and are on disk before the certificate, then the key, takes the old one's place.
[[nodiscard]] Status replace(const KeyFiles& files, const std::string& certificate,
                             const Secret& key);
// The same in two steps, for who has to ask for a certificate between them: whoever cannot keep
// one shall not have it issued. A key that no certificate has come for is left to settle().
[[nodiscard]] Status prepare(const KeyFiles& files, const Secret& key);
[[nodiscard]] Status complete(const KeyFiles& files, const std::string& certificate);
// Completes a replacement that was interrupted, or takes back what was begun. Before the files are
// used, by who alone replaces them.
[[nodiscard]] Status settle(const KeyFiles& files);
// Completes it only: for who uses files that another process may be about to replace.
[[nodiscard]] Status catch_up(const KeyFiles& files);

}  // namespace kscpush
