#include "core/error_table.hpp"

namespace kscpush {

const ErrorRow& error_row(ErrorCode code) {
  return kErrorTable.at(static_cast<std::size_t>(code));
}

std::optional<ErrorCode> error_code_from_name(std::string_view name) {
  for (const ErrorRow& row : kErrorTable) {
    if (row.name == name) return row.code;
  }
  return std::nullopt;
}

}  // namespace kscpush
