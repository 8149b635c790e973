// The last bytes of an output, and where they stand in it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace kscpush::agent {

class OutputTail {
 public:
  explicit OutputTail(std::size_t most) : most_(most) {}

  void append(std::string_view bytes) {
    total_ += bytes.size();
    kept_.append(bytes.substr(bytes.size() - std::min(bytes.size(), most_)));
    // Not for each piece: moving all of it would cost more than the output.
    if (kept_.size() > 2 * most_) kept_.erase(0, kept_.size() - most_);
  }
  [[nodiscard]] std::uint64_t total() const { return total_; }
  // Offset of the oldest byte that is kept.
  [[nodiscard]] std::uint64_t first() const { return total_ - size(); }
  // At most MOST bytes from OFFSET on, or from the oldest that is kept.
  [[nodiscard]] std::string_view read(std::uint64_t offset, std::size_t most) const {
    const std::uint64_t from = std::clamp(offset, first(), total_);
    return tail().substr(static_cast<std::size_t>(from - first()), most);
  }
  [[nodiscard]] std::string_view tail() const {
    return std::string_view(kept_).substr(kept_.size() - size());
  }

 private:
  [[nodiscard]] std::size_t size() const { return std::min(kept_.size(), most_); }
  const std::size_t most_;
  std::uint64_t total_ = 0;
  std::string kept_;
};

}  // namespace kscpush::agent
