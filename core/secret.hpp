// Text that is overwritten when it goes: private keys and tokens.
#pragma once

#include <string>
#include <utility>

namespace kscpush {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept;
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();
  [[nodiscard]] const std::string& str() const { return text_; }

 private:
  void wipe();
  std::string text_;
};

}  // namespace kscpush
