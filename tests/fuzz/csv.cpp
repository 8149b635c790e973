// Any bytes as a table: every row or error moves on, lines only grow, and what is written down from
// the rows reads back as the same rows.
#include "core/csv.hpp"

#include <cstdlib>

namespace {

using Rows = std::vector<kscpush::CsvReader::Row>;

std::string written(const Rows& rows) {
  // The quotes of the first field keep the separator of the text what it is, and rows from being
  // empty lines.
  std::string text = "\"\",\n";
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += i == 0 ? "\"" : ",\"";
      for (const char c : row[i]) text += c == '"' ? std::string("\"\"") : std::string(1, c);
      text += '"';
    }
    text += "\r\n";
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  kscpush::CsvReader reader(text);
  Rows rows;
  std::size_t last = 0;
  for (;;) {
    const auto row = reader.next();
    if (row && !row->has_value()) break;
    if (reader.line() <= last) std::abort();
    last = reader.line();
    if (!row && row.error().message.empty()) std::abort();
    if (row) rows.push_back(**row);
  }
  const std::string again = written(rows);
  kscpush::CsvReader second(again);
  static_cast<void>(second.next());
  for (const auto& row : rows) {
    const auto read = second.next();
    if (!read || !read->has_value() || **read != row) std::abort();
  }
  return 0;
}
