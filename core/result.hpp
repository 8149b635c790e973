// Results and errors: what every fallible function of kscpush returns.
//
// An error is a value with a code, a message and a hint. The message says what failed and where;
// the hint says what the user can do about it, as a command where there is one. Exceptions stop
// where a library throws them and are turned into errors there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <tl/expected.hpp>

namespace kscpush {

// What kind of failure it is. core/error_table.hpp maps each to its name, exit code and HTTP
// status.
enum class ErrorCode : std::uint8_t {
  kFailed,         // the operation was tried and did not work
  kUsage,          // the request itself makes no sense: arguments, a malformed body
  kInvalidConfig,  // the site configuration does not hold
  kPartial,        // some of several targets failed
  kOffline,        // the device has no connection
  kNoAnswer,       // the device or server did not answer before the deadline
  kNotFound,       // no such device, distribution point, policy, push ...
  kUnreachable,    // the server cannot be reached at all
  kDenied,         // not authenticated or not allowed
  kConflict,       // exists already, or changed since it was read
  kTooLarge,       // beyond a size limit
  kOverloaded,     // a bound is reached; the same request may work later
  kInterrupted,    // Ctrl-C, before it was done; the command line's own
};

struct Error {
  ErrorCode code = ErrorCode::kFailed;
  std::string message;
  std::string hint;
  std::string field{};  // of a request: the one that is to blame, as it is called there; or empty
};

template <class T>
using Result = tl::expected<T, Error>;

using Status = Result<void>;

// fail(code, "format {}", ...) is the usual way to return an error without a hint.
template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> format,
                                         Args&&... args) {
  return tl::unexpected<Error>(
      Error{code, fmt::format(format, std::forward<Args>(args)...), std::string()});
}

[[nodiscard]] inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

// A request makes no sense because of this field of it.
template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail_field(std::string_view field,
                                               fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{ErrorCode::kUsage,
                                     fmt::format(format, std::forward<Args>(args)...),
                                     std::string(), std::string(field)});
}

// The same error, its message put into context: "CONTEXT: message".
[[nodiscard]] inline Error within(std::string_view context, Error error) {
  error.message = fmt::format("{}: {}", context, error.message);
  return error;
}

}  // namespace kscpush
