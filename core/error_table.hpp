// The one table of errors: code -> name (JSON, logs), exit code (CLI), HTTP status (admin API).
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "core/result.hpp"

namespace kscpush {

struct ErrorRow {
  ErrorCode code;
  std::string_view name;
  int exit_code;
  int http_status;           // 0: no answer has it
  std::string_view meaning;  // for the documentation's table of exit codes
};

inline constexpr std::array kErrorTable{
    ErrorRow{ErrorCode::kFailed, "failed", 1, 500, "failed"},
    ErrorRow{ErrorCode::kUsage, "usage", 2, 400, "usage"},
    ErrorRow{ErrorCode::kInvalidConfig, "invalid_config", 3, 422, "invalid configuration"},
    ErrorRow{ErrorCode::kPartial, "partial", 4, 207, "partly done"},
    ErrorRow{ErrorCode::kOffline, "offline", 5, 409, "device offline"},
    ErrorRow{ErrorCode::kNoAnswer, "no_answer", 6, 504, "no answer in time"},
    ErrorRow{ErrorCode::kNotFound, "not_found", 7, 404, "no such object"},
    ErrorRow{ErrorCode::kUnreachable, "unreachable", 8, 502, "server unreachable"},
    ErrorRow{ErrorCode::kDenied, "denied", 9, 403, "denied"},
    ErrorRow{ErrorCode::kConflict, "conflict", 1, 409, "conflict"},
    ErrorRow{ErrorCode::kTooLarge, "too_large", 1, 413, "too large"},
    ErrorRow{ErrorCode::kOverloaded, "overloaded", 1, 429, "overloaded"},
    // As a shell has it of a program that SIGINT ended, which is what becomes of most commands.
    ErrorRow{ErrorCode::kInterrupted, "interrupted", 130, 0, "ended by Ctrl-C before it was done"},
};

[[nodiscard]] const ErrorRow& error_row(ErrorCode code);
[[nodiscard]] std::optional<ErrorCode> error_code_from_name(std::string_view name);

}  // namespace kscpush
