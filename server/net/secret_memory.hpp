// Memory for keys: no core dump shows it (MADV_DONTDUMP), and it is wiped when it is given back.
//
// Slots come from pages of their own, so that a key never shares a page with what may be dumped.
// Pages are not given back to the kernel: what is free serves the next that asks. It may be swapped
// out, as all memory of the process. Thread safe; what one thread takes another may give back.
#pragma once

#include <cstddef>

namespace kscpush::server {

// SIZE: 1 to kLargestSecret bytes. Throws std::bad_alloc.
inline constexpr std::size_t kLargestSecret = 1024;
[[nodiscard]] void* allocate_secret(std::size_t size);
void free_secret(void* memory, std::size_t size) noexcept;

// Derive from it: objects made with new live in such memory. Their members must hold their bytes
// themselves, as std::array does.
class Undumped {
 public:
  static void* operator new(std::size_t size) { return allocate_secret(size); }
  static void operator delete(void* memory, std::size_t size) noexcept {
    free_secret(memory, size);
  }
};

}  // namespace kscpush::server
