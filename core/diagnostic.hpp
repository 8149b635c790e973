// Findings about a site configuration, each at its place. All of them are reported, not the first.
#pragma once

#include <string>
#include <vector>

#include "core/result.hpp"

namespace kscpush {

// Where something stands in a file; line and column count from 1, line 0 means the whole file.
struct Origin {
  std::string file;
  int line = 0;
  int column = 0;
};
[[nodiscard]] std::string to_string(const Origin& origin);  // "FILE:LINE:COLUMN"

enum class Severity { kError, kWarning };

struct Diagnostic {
  Severity severity = Severity::kError;
  Origin origin;
  std::string message;
  std::string hint;
};

using Diagnostics = std::vector<Diagnostic>;

// An error whose message begins with the place in file NAME, as those of yaml::Document do.
[[nodiscard]] Diagnostic to_diagnostic(const Error& error, const std::string& name);

[[nodiscard]] bool has_errors(const Diagnostics& diagnostics);

// The candidate nearest to WORD if it is near enough to be a slip of the hand; else empty.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       const std::vector<std::string>& candidates);
// "; did you mean 'X'?" or nothing.
[[nodiscard]] std::string suggestion(std::string_view word,
                                     const std::vector<std::string>& candidates);

}  // namespace kscpush
