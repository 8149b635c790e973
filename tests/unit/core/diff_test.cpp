#include "core/diff.hpp"

#include <charconv>
#include <random>
#include <vector>

#include <doctest/doctest.h>

namespace kscpush {
namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

// "12,3" or "12"
void parse_range(std::string_view text, std::size_t& start, std::size_t& count) {
  const std::size_t comma = text.find(',');
  count = 1;
  std::from_chars(text.data(), text.data() + std::min(comma, text.size()), start);
  if (comma == std::string_view::npos) return;
  std::from_chars(text.data() + comma + 1, text.data() + text.size(), count);
}

// What patch(1) does, without any tolerance: every hunk must sit at its line and every context and
// removed line must be the old text's.
std::string patched(const std::string& old_text, const std::string& diff) {
  const auto old_lines = lines_of(old_text);
  auto diff_lines = lines_of(diff);
  std::string out;
  std::size_t new_lines = 0;
  std::size_t at = 0;
  for (std::size_t i = 2; i < diff_lines.size();) {
    const std::string& header = diff_lines[i];
    REQUIRE(header.starts_with("@@ -"));
    const std::size_t plus = header.find('+');
    std::size_t old_start = 0;
    std::size_t old_count = 0;
    std::size_t new_start = 0;
    std::size_t new_count = 0;
    parse_range(header.substr(4, plus - 5), old_start, old_count);
    parse_range(header.substr(plus + 1, header.find(" @@") - plus - 1), new_start, new_count);
    const std::size_t begin = old_count == 0 ? old_start : old_start - 1;
    REQUIRE(begin >= at);
    for (; at < begin; ++at, ++new_lines) out += old_lines.at(at);
    CHECK((new_count == 0 ? new_start : new_start - 1) == new_lines);
    for (++i; old_count > 0 || new_count > 0; ++i) {
      std::string line = diff_lines.at(i).substr(1);
      const char mark = diff_lines[i][0];
      if (i + 1 < diff_lines.size() && diff_lines[i + 1].starts_with("\\ No newline")) {
        line.pop_back();
        diff_lines.erase(diff_lines.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      }
      if (mark != '+') {
        REQUIRE(old_lines.at(at++) == line);
        --old_count;
      }
      if (mark != '-') {
        out += line;
        --new_count;
        ++new_lines;
      }
    }
  }
  for (; at < old_lines.size(); ++at) out += old_lines[at];
  return out;
}

std::string text_of(std::mt19937& random, std::size_t lines, std::size_t words) {
  std::string text;
  for (std::size_t i = 0; i < lines; ++i) {
    text += "word" + std::to_string(random() % words) + (random() % 4 == 0 ? "\r\n" : "\n");
  }
  if (random() % 3 == 0 && !text.empty()) text.pop_back();
  return text;
}

}  // namespace

TEST_CASE("diff: equal texts have none") {
  CHECK(unified_diff("", "", "x").empty());
  CHECK(unified_diff("a\nb", "a\nb", "x").empty());
}

TEST_CASE("diff: as diff -u prints it") {
  CHECK(unified_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
                     "kscpush.yaml") ==
        "--- a/kscpush.yaml\n+++ b/kscpush.yaml\n"
        "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
  CHECK(unified_diff("", "a\nb\n", "x") == "--- a/x\n+++ b/x\n@@ -0,0 +1,2 @@\n+a\n+b\n");
  CHECK(unified_diff("a\n", "", "x") == "--- a/x\n+++ b/x\n@@ -1 +0,0 @@\n-a\n");
  CHECK(unified_diff("a\nb\n", "c\nd\n", "x") ==
        "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-a\n-b\n+c\n+d\n");
}

TEST_CASE("diff: six common lines join two changes, seven part them") {
  const std::string six = "1\n2\n3\n4\n5\n6\n";
  const auto hunks = [](const std::string& diff) {
    std::size_t count = 0;
    for (const auto& line : lines_of(diff)) count += line.starts_with("@@") ? 1 : 0;
    return count;
  };
  CHECK(hunks(unified_diff("a\n" + six + "b\n", "A\n" + six + "B\n", "x")) == 1);
  CHECK(hunks(unified_diff("a\n" + six + "7\nb\n", "A\n" + six + "7\nB\n", "x")) == 2);
}

TEST_CASE("diff: a missing final newline is told, on the side that misses it") {
  CHECK(unified_diff("a\nb", "a\nb\n", "x") ==
        "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n");
  CHECK(unified_diff("a\nb", "A\nb", "x") ==
        "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-a\n+A\n b\n\\ No newline at end of file\n");
}

TEST_CASE("diff: CRLF belongs to the line") {
  CHECK(unified_diff("a\r\nb\r\n", "a\r\nc\r\n", "x") ==
        "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n");
  CHECK(unified_diff("a\r\n", "a\n", "x") == "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\r\n+a\n");
}

TEST_CASE("diff: names are written so that patch and git read them back") {
  const auto header = [](std::string_view name) {
    const std::string diff = unified_diff("", "a\n", name);
    return diff.substr(0, diff.find('\n'));
  };
  CHECK(header("/etc/kscpush/kscpush.yaml") == "--- a/etc/kscpush/kscpush.yaml");
  CHECK(header("my site.yaml") == "--- a/my site.yaml\t");
  CHECK(header("a\nb\"c") == "--- \"a/a\\012b\\\"c\"");
}

TEST_CASE("diff: applied to the old text it gives the new one") {
  std::mt19937 random(20260301);
  for (int round = 0; round < 400; ++round) {
    CAPTURE(round);
    const std::string before = text_of(random, random() % 40, 2 + random() % 30);
    std::string after = before;
    if (round % 4 == 0) {
      after = text_of(random, random() % 40, 2 + random() % 30);
    } else {
      for (std::size_t edits = random() % 4 + 1; edits > 0; --edits) {
        const std::size_t at = after.empty() ? 0 : random() % after.size();
        after = after.substr(0, at) + text_of(random, random() % 3, 50) +
                after.substr(std::min(after.size(), at + random() % 12));
      }
    }
    const std::string diff = unified_diff(before, after, "x");
    CHECK(diff.empty() == (before == after));
    CHECK((diff.empty() ? before : patched(before, diff)) == after);
  }
}

TEST_CASE("diff: large texts that have nothing in common") {
  std::string before;
  std::string after;
  for (int i = 0; i < 6000; ++i) {
    before += "old " + std::to_string(i) + '\n';
    after += "new " + std::to_string(i) + '\n';
    if (i % 1000 == 0) {
      before += "both\n";
      after += "both\n";
    }
  }
  CHECK(patched(before, unified_diff(before, after, "x")) == after);
}

}  // namespace kscpush
