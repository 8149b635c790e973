// What a connection has while it reads or writes, and lends from its shard. One thread: the
// shard's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/clock.hpp"

namespace kscpush::server {

struct Buffers {
  std::string in;   // the start of a packet, or what is not taken while the peer does not read
  std::string out;  // not yet taken by the peer
  MonoTime stalled = MonoTime::max();  // since when the peer takes nothing of it
};

// A push to each of many devices needs a buffer each, a few microseconds long: those of the last
// ones are used again, as many as one turn of the loop fills and as large as a push is.
class BufferPool {
 public:
  [[nodiscard]] std::unique_ptr<Buffers> take() {
    if (spare_.empty()) return std::make_unique<Buffers>();
    auto buffers = std::move(spare_.back());
    spare_.pop_back();
    return buffers;
  }
  void give_back(std::unique_ptr<Buffers> buffers) {
    if (spare_.size() == kMost || buffers->in.capacity() + buffers->out.capacity() > kLargest) {
      return;
    }
    buffers->in.clear();
    buffers->out.clear();
    buffers->stalled = MonoTime::max();
    spare_.push_back(std::move(buffers));
  }

 private:
  static constexpr std::size_t kMost = 128;
  static constexpr std::size_t kLargest = 2048;
  std::vector<std::unique_ptr<Buffers>> spare_;
};

}  // namespace kscpush::server
