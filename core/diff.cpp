#include "core/diff.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <vector>

#include <dtl/dtl.hpp>
#include <fmt/format.h>

namespace kscpush {
namespace {

constexpr std::size_t kContext = 3;

// Each line with its line end.
std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

struct Line {
  char mark;  // ' ', '-' or '+'
  std::string_view text;
};

// The comparison runs over numbers: equal lines get equal ones.
std::vector<Line> compare(std::string_view old_text, std::string_view new_text) {
  std::unordered_map<std::string_view, int> numbers;
  std::vector<std::string_view> texts;
  const auto number_lines = [&](std::string_view text) {
    std::vector<int> result;
    for (const std::string_view line : split_lines(text)) {
      const auto [found, added] = numbers.try_emplace(line, static_cast<int>(texts.size()));
      if (added) texts.push_back(line);
      result.push_back(found->second);
    }
    return result;
  };
  const std::vector<int> before = number_lines(old_text);
  const std::vector<int> after = number_lines(new_text);
  dtl::Diff<int> diff(before, after);
  diff.compose();
  std::vector<Line> lines;
  for (const auto& [number, info] : diff.getSes().getSequence()) {
    const char mark = info.type == dtl::SES_ADD ? '+' : info.type == dtl::SES_DELETE ? '-' : ' ';
    lines.push_back({mark, texts[static_cast<std::size_t>(number)]});
  }
  return lines;
}

// Within a run of changes what goes is written before what comes.
void order_changes(std::vector<Line>& lines) {
  const auto common = [](const Line& line) { return line.mark == ' '; };
  for (auto from = lines.begin(); from != lines.end();) {
    from = std::find_if_not(from, lines.end(), common);
    const auto to = std::find_if(from, lines.end(), common);
    std::stable_partition(from, to, [](const Line& line) { return line.mark == '-'; });
    from = to;
  }
}

// "start,count" of a hunk's side; BEFORE is the number of lines before the hunk.
std::string range(std::size_t before, std::size_t count) {
  if (count == 1) return std::to_string(before + 1);
  return fmt::format("{},{}", count == 0 ? before : before + 1, count);
}

void append_line(std::string& out, const Line& line) {
  out += line.mark;
  out += line.text;
  if (line.text.ends_with('\n')) return;
  out += "\n\\ No newline at end of file\n";
}

// A file name as git and GNU patch read it back: quoted when it holds control characters, closed
// by a tab when it holds blanks.
std::string header_name(std::string_view side, std::string_view name) {
  name.remove_prefix(std::min(name.find_first_not_of('/'), name.size()));
  const auto special = [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '"' || c == '\\';
  };
  if (std::ranges::none_of(name, special)) {
    const bool blank = name.find(' ') != std::string_view::npos;
    return fmt::format("{}/{}{}", side, name, blank ? "\t" : "");
  }
  std::string quoted = fmt::format("\"{}/", side);
  for (const char c : name) {
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (special(c)) {
      quoted += fmt::format("\\{:03o}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

// Where the hunk that starts at the change at FROM ends: before the first run of common lines that
// is too long to be context of both its neighbours, plus what of it is context.
std::size_t hunk_end(const std::vector<Line>& lines, std::size_t from) {
  std::size_t last_change = from;
  for (std::size_t i = from; i < lines.size() && i - last_change <= 2 * kContext + 1; ++i) {
    if (lines[i].mark != ' ') last_change = i;
  }
  return std::min(last_change + 1 + kContext, lines.size());
}

}  // namespace

std::string unified_diff(std::string_view old_text, std::string_view new_text,
                         std::string_view name) {
  if (old_text == new_text) return {};
  std::vector<Line> lines = compare(old_text, new_text);
  order_changes(lines);
  std::string out = fmt::format("--- {}\n+++ {}\n", header_name("a", name), header_name("b", name));
  std::size_t old_line = 0;
  std::size_t new_line = 0;
  for (std::size_t i = 0; i < lines.size();) {
    std::size_t change = i;
    while (change < lines.size() && lines[change].mark == ' ') ++change;
    if (change == lines.size()) break;
    const std::size_t begin = std::max(i, change - std::min(change, kContext));
    const std::size_t end = hunk_end(lines, change);
    old_line += begin - i;
    new_line += begin - i;
    std::size_t removed = 0;
    std::size_t added = 0;
    std::string body;
    for (std::size_t at = begin; at < end; ++at) {
      if (lines[at].mark != '+') ++removed;
      if (lines[at].mark != '-') ++added;
      append_line(body, lines[at]);
    }
    out += fmt::format("@@ -{} +{} @@\n{}", range(old_line, removed), range(new_line, added), body);
    old_line += removed;
    new_line += added;
    i = end;
  }
  return out;
}

}  // namespace kscpush
