#include "core/yaml/parse_error.hpp"

#include <array>

#include "core/yaml/lexer.hpp"

namespace kscpush::yaml {
namespace {

struct Row {
  const char* message;  // yaml-cpp's
  std::string_view what;
  std::string_view hint;
};

constexpr std::string_view kIndentHint =
    "entries of one mapping or list begin in the same column; indent with spaces";

const std::array kRows{
    // yaml-cpp's messages are no constant expressions

    Row{YAML::ErrorMsg::UNKNOWN_ANCHOR, "there is no anchor of this name before the alias",
        "write &name before the value that *name stands for, above it in the file"},
    Row{YAML::ErrorMsg::TAB_IN_INDENTATION, "a tab in the indentation",
        "indent with spaces; YAML allows no tabs there"},
    Row{YAML::ErrorMsg::END_OF_MAP, "a 'key: value' was expected here",
        "check that the key ends with ': ' and stands in the same column as the keys beside it"},
    Row{YAML::ErrorMsg::END_OF_SEQ, "a list item '- ' was expected here",
        "items of one list begin with '- ' in the same column"},
    Row{YAML::ErrorMsg::MAP_VALUE, "a ':' where no value can stand",
        "check the indentation of this line; put text with ': ' in it into quotes"},
    Row{YAML::ErrorMsg::MAP_KEY, "a '? ' where no key can stand", kIndentHint},
    Row{YAML::ErrorMsg::BLOCK_ENTRY, "a '- ' where no list item can stand",
        "put lists under their key, in the next line; put text that begins with '- ' into quotes"},
    Row{YAML::ErrorMsg::FLOW_END, "a closing bracket without its opening one",
        "delete it, or put the text into quotes"},
    Row{YAML::ErrorMsg::EOF_IN_SCALAR, "the file ends inside of quotes", "close the quote"},
    Row{YAML::ErrorMsg::DOC_IN_SCALAR, "a document marker inside of quotes", "close the quote"},
    Row{YAML::ErrorMsg::UNKNOWN_TOKEN, "this character cannot begin a value",
        "put the value into quotes"},
    Row{YAML::ErrorMsg::MULTIPLE_TAGS, "a value with two tags", "a value has at most one tag"},
    Row{YAML::ErrorMsg::MULTIPLE_ANCHORS, "a value with two anchors",
        "a value has at most one anchor"},
    Row{YAML::ErrorMsg::CHAR_IN_BLOCK, "text behind '|' or '>'",
        "a block scalar's text begins in the next line"},
    Row{YAML::ErrorMsg::ZERO_INDENT_IN_BLOCK, "a block scalar cannot be indented by 0",
        "write a number from 1 to 9, or none, behind '|' or '>'"},
};

// Whether the line's indentation, with the "- " of list items, has a tab in it.
bool indented_with_tab(std::string_view text, std::size_t begin) {
  for (std::size_t at = begin; at < text.size(); ++at) {
    if (text[at] == '\t') return true;
    if (text[at] != ' ' && text[at] != '-') return false;
  }
  return false;
}

std::size_t find_line(std::string_view text, int line) {
  std::size_t at = lexer::bom_size(text);
  for (int i = 0; i < line; ++i) at = lexer::next_line(text, at);
  return at;
}

bool unclosed(const YAML::Exception& error) {
  return error.msg == YAML::ErrorMsg::END_OF_MAP_FLOW ||
         error.msg == YAML::ErrorMsg::END_OF_SEQ_FLOW;
}

// yaml-cpp says where it noticed, which at the end of the file says nothing.
Error explain_unclosed(Mark mark, bool at_end, const Node& open, std::string_view name) {
  const bool mapping = open.kind == Kind::kMapping;
  const bool before =
      mark.line < open.mark.line || (mark.line == open.mark.line && mark.column < open.mark.column);
  if (at_end || before) mark = open.mark;
  return to_error(mark,
                  fmt::format("'{}' of line {} is not closed, or ',' is missing",
                              mapping ? '{' : '[', open.mark.line),
                  fmt::format("close it with '{}', with ',' between the {}", mapping ? '}' : ']',
                              mapping ? "entries" : "items"),
                  name);
}

}  // namespace

Error to_error(const Mark& mark, std::string_view what, std::string_view hint,
               std::string_view name) {
  return {ErrorCode::kInvalidConfig,
          fmt::format("{}:{}:{}: {}", name, mark.line, mark.column, what), std::string(hint)};
}

Error explain(const YAML::Exception& error, const Node* open_flow, std::string_view text,
              std::string_view name) {
  const Mark mark =
      error.mark.is_null() ? Mark{1, 1} : Mark{error.mark.line + 1, error.mark.column + 1};
  const std::size_t line = find_line(text, mark.line - 1);
  if (indented_with_tab(text, line)) {
    return to_error({mark.line, static_cast<int>(text.find('\t', line) - line) + 1},
                    "a tab in the indentation", "indent with spaces; YAML allows no tabs there",
                    name);
  }
  if (unclosed(error) && open_flow != nullptr) {
    return explain_unclosed(mark, line >= text.size(), *open_flow, name);
  }
  for (const Row& row : kRows) {
    if (error.msg == row.message) return to_error(mark, row.what, row.hint, name);
  }
  return to_error(mark, error.msg, "put text with special characters into quotes", name);
}

}  // namespace kscpush::yaml
