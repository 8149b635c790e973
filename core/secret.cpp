#include "core/secret.hpp"

#include <openssl/crypto.h>

namespace kscpush {

void Secret::wipe() {
  OPENSSL_cleanse(text_.data(), text_.size());
  text_.clear();
}

// A moved-from string may keep its characters in its own small buffer.
Secret::Secret(Secret&& other) noexcept : text_(other.text_) {
  other.wipe();
}

Secret& Secret::operator=(const Secret& other) {
  if (this == &other) return *this;
  wipe();
  text_ = other.text_;
  return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  wipe();
  text_.swap(other.text_);
  return *this;
}

Secret::~Secret() {
  wipe();
}

}  // namespace kscpush
