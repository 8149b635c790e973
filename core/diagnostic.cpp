#include "core/diagnostic.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string_view>

#include <fmt/format.h>

namespace kscpush {
namespace {

// Words longer than this are no slips of the hand; the bound keeps hostile input cheap.
constexpr std::size_t kLongestWord = 80;

// Optimal string alignment distance, row by row: two letters that changed places are one slip.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);  // the row above ABOVE
  std::vector<std::size_t> above(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(above);
    above.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({row[j - 1] + 1, above[j] + 1, substitute});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row.back();
}

}  // namespace

std::string to_string(const Origin& origin) {
  if (origin.line == 0) return origin.file;
  return fmt::format("{}:{}:{}", origin.file, origin.line, origin.column);
}

Diagnostic to_diagnostic(const Error& error, const std::string& name) {
  Diagnostic result{Severity::kError, {name, 0, 0}, error.message, error.hint};
  if (!error.message.starts_with(name + ":")) return result;
  const char* const end = error.message.data() + error.message.size();
  Origin origin{name, 0, 0};
  auto [colon, line_ok] = std::from_chars(error.message.data() + name.size() + 1, end, origin.line);
  if (line_ok != std::errc() || colon == end || *colon != ':') return result;
  auto [rest, column_ok] = std::from_chars(colon + 1, end, origin.column);
  if (column_ok != std::errc() || !std::string_view(rest, end).starts_with(": ")) return result;
  result.origin = origin;
  result.message = std::string(rest + 2, end);
  return result;
}

bool has_errors(const Diagnostics& diagnostics) {
  return std::ranges::any_of(diagnostics,
                             [](const Diagnostic& d) { return d.severity == Severity::kError; });
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.size() > kLongestWord) return {};
  std::size_t best = std::max<std::size_t>(1, word.size() / 3) + 1;
  std::string found;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongestWord) continue;
    const std::size_t d = distance(word, candidate);
    if (d < best) {
      best = d;
      found = candidate;
    }
  }
  return found;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string nearest = did_you_mean(word, candidates);
  return nearest.empty() ? std::string() : fmt::format("; did you mean '{}'?", nearest);
}

}  // namespace kscpush
