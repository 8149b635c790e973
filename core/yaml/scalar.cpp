#include "core/yaml/scalar.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace kscpush::yaml {
namespace {

constexpr std::array<std::string_view, 14> kWords{
    "true", "false", "yes", "no", "on", "off", "y", "n", "t", "f", "null", ".inf", ".nan", "<<"};

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool number_like(std::string_view text) {
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) text.remove_prefix(1);
  if (!text.empty() && text[0] == '.') text.remove_prefix(1);
  // Digits first, then only what numbers, times and dates are made of.
  if (text.empty() || text[0] < '0' || text[0] > '9') return false;
  return std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
           std::string_view("xXoO_+-.:tTzZ ").find(c) != std::string_view::npos;
  });
}

}  // namespace

bool is_null_word(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

bool plain_has_type(std::string_view text) {
  if (is_null_word(text) || text == "=") return true;
  if (text.size() <= 5) {
    const std::string word = lower(text);
    if (std::ranges::find(kWords, word) != kWords.end()) return true;
    if (word == "+.inf" || word == "-.inf") return true;
  }
  return number_like(text);
}

}  // namespace kscpush::yaml
