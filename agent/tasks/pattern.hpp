// A POSIX extended regular expression that a whole value must match. glibc's are automata as long
// as there are no back references, which are refused: matching takes time linear in the value.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <regex.h>

#include "core/result.hpp"

namespace kscpush::agent {

class Pattern {
 public:
  static constexpr std::size_t kLongest = 256;

  Pattern() = default;  // matches the empty value only
  // kUsage: too long, with a back reference or nested repetition, or none at all, with the reason.
  [[nodiscard]] static Result<Pattern> compile(const std::string& text);
  [[nodiscard]] bool matches(const std::string& value) const;
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::shared_ptr<const regex_t> compiled_;
};

}  // namespace kscpush::agent
