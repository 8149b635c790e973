// A site configuration that a push server runs or ran, as its store keeps it.
#pragma once

#include <cstdint>
#include <string>

#include "core/clock.hpp"

namespace kscpush::server {

struct SiteRevision {
  std::int64_t number = 0;  // from 1, ascending; the newest is what runs
  WallTime applied{};
  // How it came to run: "start", "reload", "apply", "rollback to 3".
  std::string how{};
  std::string comment{};  // of who applied it; may be empty
  std::string hash{};     // of the files, hex
  std::string files{};    // JSON: [{"name", "text"}], the root first; empty in lists
  std::string plan{};     // JSON: what it changed, as the admin API shows plans; empty in lists
};

}  // namespace kscpush::server
