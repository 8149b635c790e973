#include "core/csv.hpp"

#include <doctest/doctest.h>

namespace kscpush {
namespace {

using Row = CsvReader::Row;

// "LINE: a|b" a row, "LINE! message" an error.
std::vector<std::string> read(std::string_view text) {
  CsvReader reader(text);
  std::vector<std::string> seen;
  for (;;) {
    const auto row = reader.next();
    if (!row) {
      seen.push_back(fmt::format("{}! {}", reader.line(), row.error().message));
    } else if (row->has_value()) {
      seen.push_back(fmt::format("{}: {}", reader.line(), fmt::join(**row, "|")));
    } else {
      return seen;
    }
  }
}

using Seen = std::vector<std::string>;

}  // namespace

TEST_CASE("csv: rows and fields, with any line end, and without the last") {
  CHECK(read("").empty());
  CHECK(read("a") == Seen{"1: a"});
  CHECK(read("a,b\n1,2\n") == Seen{"1: a|b", "2: 1|2"});
  CHECK(read("a,b\r\n1,2\r\n") == Seen{"1: a|b", "2: 1|2"});
  CHECK(read("a,b\r\n1,2") == Seen{"1: a|b", "2: 1|2"});
  CHECK(read("a,b\r") == Seen{"1: a|b"});
  CHECK(read(",\n,,\n") == Seen{"1: |", "2: ||"});
}

TEST_CASE("csv: a byte order mark is no part of the first field") {
  CHECK(read("\xEF\xBB\xBFid,group\n") == Seen{"1: id|group"});
  CHECK(read("\xEF\xBB\xBF").empty());
}

TEST_CASE("csv: empty lines are left out, and counted") {
  CHECK(read("\n\r\na,b\n\n\nc,d\n\n") == Seen{"3: a|b", "6: c|d"});
}

TEST_CASE("csv: quoted fields hold separators, quotes and line ends") {
  CHECK(read("\"a,b\",\"say \"\"hi\"\"\",\"\"\nx,y,z") == Seen{"1: a,b|say \"hi\"|", "2: x|y|z"});
  CHECK(read("\"two\nlines\",b\r\nc,d") == Seen{"1: two\nlines|b", "3: c|d"});
  CHECK(read("\"a\"\r\n\"b\"") == Seen{"1: a", "2: b"});
}

TEST_CASE("csv: semicolons and tabs, as the first line has them") {
  CHECK(read("id;group\n1;a,b") == Seen{"1: id|group", "2: 1|a,b"});
  CHECK(read("id\tgroup\n1\ta;b") == Seen{"1: id|group", "2: 1|a;b"});
  CHECK(read("\"a;b\",c\n1;2,3") == Seen{"1: a;b|c", "2: 1;2|3"});
}

TEST_CASE("csv: what does not hold together is told by its line, and reading goes on") {
  CHECK(read("a,b\nx\"y,1\nc,d") ==
        Seen{"1: a|b", "2! a quote stands inside a field that does not begin with one", "3: c|d"});
  CHECK(read("a,b\n\"x\"y,1\nc,d") ==
        Seen{"1: a|b", "2! text follows the closing quote of a field", "3: c|d"});
  CHECK(read("a,b\n\"x,1\nc,d\n") == Seen{"1: a|b", "2! a quote is not closed", "3: c|d"});
  CHECK(read("a\n\"") == Seen{"1: a", "2! a quote is not closed"});
}

TEST_CASE("csv: text of another encoding is told by its line") {
  CHECK(read("a\nB\xFCro\nb") == Seen{"1: a", "2! the line is not UTF-8", "3: b"});
  CHECK(read(std::string("a\nb\0c\nd", 7)) == Seen{"1: a", "2! the line is not UTF-8", "3: d"});
}

TEST_CASE("csv: fields and rows are bounded") {
  const std::string longest(CsvReader::kLongestField, 'x');
  CHECK(read(longest).size() == 1);
  CHECK(read(longest + "x\nb") == Seen{"1! a field has more than 65536 bytes", "2: b"});
  CHECK(read("\"" + longest + "\"") == Seen{"1: " + longest});
  CHECK(read("\"" + longest + "xx\"\nb") == Seen{"1! a quote is not closed", "2: b"});
  const std::string many(CsvReader::kMostFields - 1, ',');
  CHECK(read(many).size() == 1);
  CHECK(read(many + ",\nb") == Seen{"1! the line has more than 64 fields", "2: b"});
}

TEST_CASE("csv: a file of open quotes is read in linear time") {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "\"open\n";
  CsvReader reader(text);
  std::size_t errors = 0;
  for (;;) {
    const auto row = reader.next();
    if (row && !row->has_value()) break;
    errors += row ? 0 : 1;
  }
  CHECK(errors == 20'000);
}

}  // namespace kscpush
