// A part of a file as a text of its own, to be edited by hand and put back.
#pragma once

#include <string>
#include <string_view>

#include "core/yaml/editor.hpp"

namespace kscpush::yaml {

// A mapping's lines, with the comment lines below it that are indented like it, without the
// indentation of the first. Lines end with "\n". Tag and anchor stay outside.
struct Excerpt {
  std::string text;
  Mark begin;      // in the file
  int indent = 0;  // blanks that lines but the first have more in the file
};

// kConflict for an alias, or what an alias elsewhere shows: it can only be edited in its file.
[[nodiscard]] Result<Excerpt> excerpt(const Document& document, const Path& path);

// TEXT in place of what excerpt() gave, with the file's indentation and line ends; lines that did
// not change keep their bytes. The rest of the file keeps its bytes and its meaning. Errors: those
// of excerpt() and Document::parse(), and kConflict when the text is not one mapping or an alias
// elsewhere would show the change.
[[nodiscard]] Edited replace_excerpt(const Document& document, const Path& path,
                                     std::string_view text);

}  // namespace kscpush::yaml
