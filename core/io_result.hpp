// What became of a read or a write that does not block.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kscpush {

struct IoResult {
  enum class Kind : std::uint8_t {
    kBytes,      // that many were read or written
    kWantRead,   // wait until it is readable and try again
    kWantWrite,  // the same for writable; TLS may want either for both
    kEnd,        // the peer has closed its side
    kError,
    kOtherProtocol,  // of a read: the handshake is done, and the peer does not speak MQTT
  };
  Kind kind = Kind::kError;
  std::size_t bytes = 0;
};

}  // namespace kscpush
