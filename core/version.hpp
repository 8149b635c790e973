// The program's version; CMakeLists.txt is its source.
#pragma once

namespace kscpush {

inline constexpr const char* kVersion = KSCPUSH_VERSION;

}  // namespace kscpush
