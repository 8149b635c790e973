#include "agent/tasks/pattern.hpp"

#include <algorithm>
#include <array>

namespace kscpush::agent {
namespace {

// "(a{1,200}){1,200}" would make an automaton of 40,000 states.
constexpr int kMostRepetitions = 100;

bool has_back_reference(std::string_view text) {
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '\\') continue;
    if (text[i + 1] >= '0' && text[i + 1] <= '9') return true;
    ++i;
  }
  return false;
}

// The product of all bounds "{n,m}" that are written.
bool repeats_too_often(std::string_view text) {
  long product = 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
      continue;
    }
    if (text[i] != '{') continue;
    long largest = 1;
    long number = 0;
    for (++i; i < text.size() && text[i] != '}'; ++i) {
      const bool digit = text[i] >= '0' && text[i] <= '9';
      number = digit ? std::min(number * 10 + (text[i] - '0'), 100'000L) : 0;
      largest = std::max(largest, number);
    }
    product *= largest;
    if (product > kMostRepetitions) return true;
  }
  return false;
}

}  // namespace

Result<Pattern> Pattern::compile(const std::string& text) {
  if (text.empty() || text.size() > kLongest) {
    return fail(ErrorCode::kUsage, "a pattern has 1 to {} bytes", std::size_t{kLongest});
  }
  if (has_back_reference(text)) {
    return fail(ErrorCode::kUsage, "back references (\\1) are not supported");
  }
  if (repeats_too_often(text)) {
    return fail(ErrorCode::kUsage, "the bounds of its repetitions multiply to more than {}",
                kMostRepetitions);
  }
  auto* const raw = new regex_t{};
  const std::string whole = "^(" + text + ")$";
  if (const int error = ::regcomp(raw, whole.c_str(), REG_EXTENDED | REG_NOSUB); error != 0) {
    std::array<char, 128> reason{};
    ::regerror(error, raw, reason.data(), reason.size());
    delete raw;
    return fail(ErrorCode::kUsage, "{}", reason.data());
  }
  Pattern pattern;
  pattern.text_ = text;
  pattern.compiled_ = std::shared_ptr<const regex_t>(raw, [](regex_t* compiled) {
    ::regfree(compiled);
    delete compiled;
  });
  return pattern;
}

bool Pattern::matches(const std::string& value) const {
  if (compiled_ == nullptr) return value.empty();
  return ::regexec(compiled_.get(), value.c_str(), 0, nullptr, 0) == 0;
}

}  // namespace kscpush::agent
