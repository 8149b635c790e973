#include "core/yaml/excerpt.hpp"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "core/yaml/geometry.hpp"
#include "core/yaml/lexer.hpp"
#include "core/yaml/style.hpp"
#include "core/yaml/trail.hpp"
#include "core/yaml/verify.hpp"

namespace kscpush::yaml {
namespace {

// What is cut out: [begin, end), whole lines but for what stands before BEGIN in the first.
struct Region {
  std::size_t begin = 0;
  std::size_t end = 0;     // without the last line end
  std::size_t indent = 0;  // blanks that all lines but the first have more than in the excerpt
  const Node* node = nullptr;
  Trail trail;
};

std::size_t blanks_at(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(' ', at), text.size()) - at;
}

// Behind the comment lines, and blank lines between them, that are indented like the mapping.
std::size_t with_comments_below(std::string_view text, std::size_t end, std::size_t indent) {
  std::size_t at = end;
  while (at < text.size()) {
    at = lexer::next_line(text, at);
    const std::size_t content = at + blanks_at(text, at);
    if (content >= text.size()) break;
    if (lexer::is_break(text[content])) continue;
    if (text[content] != '#' || content - at < indent) break;
    end = lexer::line_end(text, content);
  }
  return end;
}

std::size_t flow_indent(std::string_view text, std::size_t begin, std::size_t end) {
  std::size_t least = std::string_view::npos;
  for (std::size_t at = lexer::next_line(text, begin); at < end; at = lexer::next_line(text, at)) {
    const std::size_t blanks = blanks_at(text, at);
    if (!lexer::is_break(lexer::peek(text, at + blanks))) least = std::min(least, blanks);
  }
  return least == std::string_view::npos ? 0 : least;
}

Result<Region> find_region(const Document& document, const Path& path) {
  Region region;
  region.trail = follow(document, path);
  const Node& node = region.trail.last();
  if (region.trail.depth() < path.size() || node.kind != Kind::kMapping) {
    return refuse(
        document, node,
        fmt::format("{} comes from elsewhere, by an alias or a merge key (<<)", to_string(path)),
        "edit the file by hand, for all who use it");
  }
  if (auto status = check_not_shared(document, region.trail); !status) return fail(status.error());
  const std::string_view text = document.text();
  region.node = &node;
  region.begin = node.content;
  region.end = node.end;
  const std::size_t line_end = lexer::line_end(text, node.end);
  const std::size_t behind = lexer::skip_blanks(text, node.end);
  if (behind >= line_end || comment_follows(text, node.end)) region.end = line_end;
  if (node.flow) {
    region.indent = flow_indent(text, region.begin, region.end);
  } else {
    region.indent = column_of(text, region.begin);
    region.end = with_comments_below(text, region.end, region.indent);
  }
  return region;
}

struct Line {
  std::string_view body;  // without its end
  std::string_view end;
};

std::vector<Line> lines_of(std::string_view text) {
  std::vector<Line> lines;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = lexer::line_end(text, at);
    const std::size_t next = lexer::next_line(text, at);
    lines.push_back({text.substr(at, end - at), text.substr(end, next - end)});
    if (next == at || end == text.size()) break;
    at = next;
  }
  return lines;
}

std::string_view dedented(std::string_view body, std::size_t indent) {
  return body.substr(std::min(blanks_at(body, 0), indent));
}

// What TEXT is in the file. A line that was there before is written as it was, if it is clear how.
std::string indented(std::string_view text, std::string_view old, std::size_t indent,
                     std::string_view line_break) {
  std::unordered_map<std::string_view, const Line*> known;
  const std::vector<Line> old_lines = lines_of(old);
  for (std::size_t i = 1; i < old_lines.size(); ++i) {
    const auto [at, fresh] = known.emplace(dedented(old_lines[i].body, indent), &old_lines[i]);
    if (!fresh && at->second != nullptr && at->second->body != old_lines[i].body) {
      at->second = nullptr;
    }
  }
  std::string result;
  for (const Line& line : lines_of(text)) {
    if (!result.empty()) result += line_break;
    const auto found = known.find(line.body);
    if (result.empty()) {
      result += line.body;
    } else if (found != known.end() && found->second != nullptr) {
      result += found->second->body;
    } else if (!line.body.empty()) {
      result += std::string(indent, ' ').append(line.body);
    }
  }
  return result;
}

}  // namespace

Result<Excerpt> excerpt(const Document& document, const Path& path) {
  const auto region = find_region(document, path);
  if (!region) return fail(region.error());
  const std::string_view text = document.text();
  Excerpt result;
  const std::string_view cut = text.substr(region->begin, region->end - region->begin);
  for (const Line& line : lines_of(cut)) {
    const bool first = line.body.data() == cut.data();
    result.text += first ? line.body : dedented(line.body, region->indent);
    result.text += '\n';
  }
  const auto lines =
      std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(region->begin), '\n');
  result.begin.line = 1 + static_cast<int>(lines);
  result.begin.column = 1 + static_cast<int>(column_of(text, region->begin));
  result.indent = static_cast<int>(region->indent);
  return result;
}

Edited replace_excerpt(const Document& document, const Path& path, std::string_view text) {
  const auto region = find_region(document, path);
  if (!region) return fail(region.error());
  while (text.ends_with('\n') || text.ends_with(' ')) text.remove_suffix(1);
  const std::string_view old = document.text();
  const std::string_view line_break = line_break_near(old, region->begin);
  std::string edited(old.substr(0, region->begin));
  edited += indented(text, old.substr(region->begin, region->end - region->begin), region->indent,
                     line_break);
  edited += old.substr(region->end);
  auto after = Document::parse(std::move(edited), document.name());
  if (!after) return after;
  const Change change{Change::Kind::kRewrite, region->trail.indexes, nullptr, {}};
  if (is_changed_by(document, *after, change)) return after;
  return refuse(document, *region->node,
                fmt::format("the text is not one mapping in the place of {}, or changes what an "
                            "alias elsewhere shows",
                            to_string(path)),
                "keep its first key in the first column; edit anchors in the file itself");
}

}  // namespace kscpush::yaml
