#include "core/words.hpp"

#include <algorithm>

namespace kscpush {
namespace {

// Bytes of the control character that TEXT begins with; 0: it begins with another.
std::size_t control_at(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x20 || byte(0) == 0x7F) return 1;
  return byte(0) == 0xC2 && text.size() > 1 && byte(1) >= 0x80 && byte(1) < 0xA0 ? 2 : 0;
}

std::string without_controls(std::string_view text, std::string_view but) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::size_t control = but.find(text[0]) == but.npos ? control_at(text) : 0;
    result += control > 0 ? '?' : text[0];
    text.remove_prefix(std::max<std::size_t>(control, 1));
  }
  return result;
}

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80;
}

}  // namespace

bool is_plain(std::string_view text, std::size_t longest) {
  return !text.empty() && text.size() <= longest && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  });
}

bool has_controls(std::string_view text) {
  for (; !text.empty(); text.remove_prefix(1)) {
    if (control_at(text) > 0) return true;
  }
  return false;
}

std::string printable(std::string_view text) {
  return without_controls(text, "\n\t");
}

std::string one_line(std::string_view text, std::size_t longest) {
  if (text.size() > longest) {
    std::size_t end = longest;
    while (end > 0 && continues_character(text[end])) --end;
    text = text.substr(0, end);
  }
  return without_controls(text, "");
}

}  // namespace kscpush
