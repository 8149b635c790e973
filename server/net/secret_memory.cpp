#include "server/net/secret_memory.hpp"

#include <array>
#include <mutex>
#include <new>

#include <openssl/crypto.h>
#include <sys/mman.h>

namespace kscpush::server {
namespace {

constexpr std::size_t kGrain = 16;
constexpr std::size_t kBlock = 256UL * 1024;

// A free slot, in the slot itself.
struct FreeSlot {
  FreeSlot* next;
};

class Pool {
 public:
  void* take(std::size_t size) {
    const std::size_t rounded = round_up(size);
    const std::scoped_lock lock(mutex_);
    FreeSlot*& free = free_.at(rounded / kGrain - 1);
    if (free == nullptr) return carve(rounded);
    FreeSlot* const slot = free;
    free = slot->next;
    return slot;
  }

  void give_back(void* memory, std::size_t size) {
    const std::size_t rounded = round_up(size);
    OPENSSL_cleanse(memory, rounded);
    const std::scoped_lock lock(mutex_);
    FreeSlot*& free = free_.at(rounded / kGrain - 1);
    free = ::new (memory) FreeSlot{free};
  }

 private:
  static std::size_t round_up(std::size_t size) { return (size + kGrain - 1) / kGrain * kGrain; }

  void* carve(std::size_t size) {
    if (left_ < size) {
      void* const block =
          ::mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (block == MAP_FAILED) throw std::bad_alloc();
      // Where the kernel cannot do that, a dump has what it would have of any program.
      ::madvise(block, kBlock, MADV_DONTDUMP);
      next_ = static_cast<std::byte*>(block);
      left_ = kBlock;
    }
    void* const slot = next_;
    next_ += size;
    left_ -= size;
    return slot;
  }

  std::mutex mutex_;
  std::array<FreeSlot*, kLargestSecret / kGrain> free_{};  // one list a size
  std::byte* next_ = nullptr;
  std::size_t left_ = 0;
};

// Never destroyed: threads may give back what they hold while the process ends.
Pool& pool() {
  static Pool& pool = *new Pool;
  return pool;
}

}  // namespace

void* allocate_secret(std::size_t size) {
  if (size == 0 || size > kLargestSecret) throw std::bad_alloc();
  return pool().take(size);
}

void free_secret(void* memory, std::size_t size) noexcept {
  if (memory != nullptr) pool().give_back(memory, size);
}

}  // namespace kscpush::server
