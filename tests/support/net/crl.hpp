// Certificate revocation lists, as an authority's own tool would make them.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/pki.hpp"

namespace kscpush::test {

struct CrlSpec {
  std::vector<std::string> revoked{};  // certificates, PEM
  std::chrono::hours age{1};           // of the list
  std::chrono::hours lasts{24};        // from then to its next update
  int critical_extension = 0;          // NID of one more extension, critical; 0: none
};
// PEM.
[[nodiscard]] std::string make_crl(const pki::KeyPair& authority, const CrlSpec& spec = {});

}  // namespace kscpush::test
