// How long a test waits for what must come: it has failed then.
#pragma once

#include <chrono>

namespace kscpush::test {

// Longer than a busy machine takes, and than a shared disk may hold up an fsync (20 s were seen).
inline constexpr std::chrono::seconds kPatience{90};

}  // namespace kscpush::test
