#include "core/words.hpp"

#include <doctest/doctest.h>

namespace kscpush {

TEST_CASE("words: what a terminal would obey is replaced") {
  for (const char* const control : {"\x01", "\x1b", "\x7f", "\r", "\xc2\x9b", "\xc2\x80"}) {
    CAPTURE(control);
    const std::string text = std::string("before") + control + "behind";
    CHECK(has_controls(text));
    CHECK(printable(text) == "before?behind");
    CHECK(one_line(text) == "before?behind");
  }
  CHECK(one_line("one\n\ttwo") == "one??two");
  CHECK(printable("one\n\ttwo") == "one\n\ttwo");
  CHECK(one_line(std::string_view("a\0b", 3)) == "a?b");
}

TEST_CASE("words: other text stays as it is") {
  for (const char* const text : {"", "büro", "\xc2\xa0", "日本語", "a b~", "\xc2", "\xff"}) {
    CAPTURE(text);
    CHECK_FALSE(has_controls(text));
    CHECK(printable(text) == text);
    CHECK(one_line(text) == text);
  }
}

TEST_CASE("words: a line is cut between characters") {
  CHECK(one_line("abc", 3) == "abc");
  CHECK(one_line("abcd", 3) == "abc");
  CHECK(one_line("abü", 3) == "ab");
  CHECK(one_line("abü", 4) == "abü");
  CHECK(one_line("日本語", 5) == "日");
  CHECK(one_line("a", 0).empty());
  CHECK(one_line("\x80\x80\x80", 2).empty());
}

}  // namespace kscpush
