#include "core/yaml/text_check.hpp"

#include <algorithm>
#include <cstring>

#include "core/yaml/lexer.hpp"

namespace kscpush::yaml {
namespace {

std::uint8_t byte_at(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<std::uint8_t>(text[at]) : 0;
}

// Bytes of the UTF-8 sequence at AT, 0 when there is none: no overlong forms, no surrogates.
std::size_t sequence_length(std::string_view text, std::size_t at) {
  const std::uint8_t first = byte_at(text, at);
  const std::uint8_t second = byte_at(text, at + 1);
  const auto tail = [&](std::size_t i) { return (byte_at(text, at + i) & 0xC0) == 0x80; };
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool fits = first == 0xE0 ? second >= 0xA0 : (first != 0xED || second < 0xA0);
    return fits && tail(1) && tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool fits = first == 0xF0 ? second >= 0x90 : (first != 0xF4 || second < 0x90);
    return fits && tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

bool allowed_control(std::string_view text, std::size_t at) {
  const char c = text[at];
  if (c == '\r') return byte_at(text, at + 1) == '\n';
  return c == '\t' || c == '\n';
}

tl::unexpected<Error> fail_at(std::string_view text, std::string_view name, std::size_t at,
                              std::string what, std::string hint) {
  const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
  const std::size_t begin = std::max(lexer::line_begin(text, at), lexer::bom_size(text));
  return fail({ErrorCode::kInvalidConfig,
               fmt::format("{}:{}:{}: {}", name, line + 1, at - begin + 1, what), std::move(hint)});
}

tl::unexpected<Error> fail_control(std::string_view text, std::string_view name, std::size_t at) {
  const std::uint8_t byte = byte_at(text, at);
  if (byte == 0) {
    return fail_at(text, name, at, "a NUL byte (0x00); this is no text file",
                   "save the file as UTF-8; NUL bytes come from UTF-16 or from a damaged disk");
  }
  if (byte == '\r') {
    return fail_at(text, name, at, "a carriage return (0x0D) without a line feed",
                   "end lines with LF or CR LF, e.g. with: dos2unix --convmode mac FILE");
  }
  return fail_at(text, name, at, fmt::format("control character 0x{:02X}", byte),
                 "delete it; in a value write it in double quotes as \"\\xNN\"");
}

}  // namespace

Status check_text(std::string_view text, std::string_view name) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    return fail_at(text, name, 0, "the file is UTF-16, not UTF-8",
                   "save it as UTF-8, e.g. with: iconv -f UTF-16 -t UTF-8");
  }
  for (std::size_t at = 0; at < text.size();) {
    const std::uint8_t byte = byte_at(text, at);
    if (byte >= 0x20 && byte < 0x7F) {
      ++at;
    } else if (byte < 0x80) {
      if (!allowed_control(text, at)) return fail_control(text, name, at);
      ++at;
    } else {
      const std::size_t length = sequence_length(text, at);
      if (length == 0) {
        return fail_at(text, name, at, fmt::format("byte 0x{:02X} is not UTF-8", byte),
                       "save the file as UTF-8; if it is Windows-1252 or Latin-1: "
                       "iconv -f WINDOWS-1252 -t UTF-8");
      }
      at += length;
    }
  }
  return {};
}

}  // namespace kscpush::yaml
