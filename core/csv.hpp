// Tables as text (RFC 4180), as spreadsheets and inventories write them: quoted fields with quotes
// doubled and line ends inside, LF or CRLF, a byte order mark, and ',', ';' or tab between fields,
// whichever the first line uses.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace kscpush {

// Reads a table row by row. TEXT outlives it.
class CsvReader {
 public:
  using Row = std::vector<std::string>;
  static constexpr std::size_t kLongestField = std::size_t{64} << 10U;  // bytes
  static constexpr std::size_t kMostFields = 64;                        // of one row

  explicit CsvReader(std::string_view text);

  // The next row; nothing at the end. Empty lines are left out. kUsage: the row does not hold
  // together or is not UTF-8; reading goes on behind the line that it begins in.
  [[nodiscard]] Result<std::optional<Row>> next();
  // Where the row begins that next() gave or complained of; from 1.
  [[nodiscard]] std::size_t line() const { return row_line_; }

 private:
  [[nodiscard]] bool at_line_end() const;
  [[nodiscard]] Result<Row> row();
  [[nodiscard]] Result<std::string> field();
  [[nodiscard]] Result<std::string> quoted();
  void end_line();
  void skip_line(std::size_t begin);

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;  // of at_
  std::size_t row_line_ = 1;
  char separator_ = ',';
};

}  // namespace kscpush
