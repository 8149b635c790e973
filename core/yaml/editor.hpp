// Edits of a YAML text that change the least bytes.
//
// Comments, blank lines, key order, quoting, indentation, flow or block style, line ends, BOM and
// a missing final newline stay as they are. Each edit splices the text, parses the result and
// compares it with the old tree plus exactly the intended change; when they differ nothing is
// returned but an error that says what to edit by hand. An edit that would change another node's
// value, through an anchor, alias or merge key, is refused. Pure: a document in, a document out.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/yaml/document.hpp"

namespace kscpush::yaml {

// From the root: keys of mappings and indexes of sequences.
using Step = std::variant<std::string, std::size_t>;
using Path = std::vector<Step>;
[[nodiscard]] std::string to_string(const Path& path);  // "distribution_points[0].push_server.port"

struct NewEntry;

// What to write. A tree of plain data; style is chosen to fit the surroundings.
struct NewNode {
  Kind kind = Kind::kScalar;
  std::string tag;    // "!locked" or empty
  std::string value;  // scalar; quoted when a plain one would change its type or meaning
  bool text = false;  // the scalar is a string: "true" or "12" must be written in quotes
  std::vector<NewNode> items;
  std::vector<NewEntry> entries;
};

// Key and value, named as in a pair; std::pair itself cannot hold the type that holds it.
struct NewEntry {
  NewEntry(std::string key, NewNode value) : first(std::move(key)), second(std::move(value)) {}
  std::string first;
  NewNode second;
};

// The edited document, as it was parsed to verify it; the same one when the edit changes nothing.
using Edited = Result<Document>;

// Errors: kConflict, with the line and what to edit by hand, for what is refused: an edit that an
// alias elsewhere would show, one through an alias or a merge key, a path that leads through a
// single value, and the rare layout in which the edit cannot be done alone. kUsage for values that
// YAML cannot hold (not UTF-8, keys of more than 1000 bytes).

// Sets the value (and tag) at PATH; mappings on the way that do not exist are created, a new key
// goes to the end of its mapping, an index equal to the size appends to its sequence. An alias
// gives way to the value; a key that only a merge key (<<) brings in is overridden in the mapping
// itself. A collection over a collection changes only what differs between them. What reads as the
// value already, be it through an alias, is left alone.
//
// A scalar keeps its kind of quotes where they can hold the new value, its anchor, and the bytes
// behind it. New entries stand behind the last one's line, and behind comment lines below it that
// are indented like the entries.
[[nodiscard]] Edited set(const Document& document, const Path& path, const NewNode& value);

// Removes the entry or item; containers that become empty go as well, from the inside out, down to
// but not including the first KEEP steps of the path: these, and the root, stay as {} or []. What
// is not there is no error. A key that a merge key brings in too reads as that afterwards.
//
// Comments: the one behind the entry goes with it, and so do the comment lines right above it in
// its column, without a blank line between. Above the first entry they may be about all of them:
// there they go only if the second has such lines as well, and never at the top level. Of blank
// lines on both sides those above go.
[[nodiscard]] Edited remove(const Document& document, const Path& path, std::size_t keep);

// Gives the node another tag, or none (""), and leaves its value's bytes alone. kNotFound when
// there is no such node.
[[nodiscard]] Edited set_tag(const Document& document, const Path& path, std::string_view tag);

}  // namespace kscpush::yaml
