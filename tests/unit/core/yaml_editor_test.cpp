#include <vector>

#include <doctest/doctest.h>

#include "core/yaml/editor.hpp"
#include "tests/support/yaml_text.hpp"

namespace kscpush::yaml {
namespace {

Document parsed(const std::string& text) {
  auto document = Document::parse(text, "f.yaml");
  if (!document) FAIL(text, "\n", document.error().message);
  return *document;
}

struct Case {
  const char* name;
  std::string before;
  const char* path;
  const char* value;  // of set: in YAML notation; of set_tag: the tag; of remove: steps to keep
  std::string after;
};

void check(const Case& row, const Edited& edited) {
  CAPTURE(row.name);
  CAPTURE(row.before);
  if (!edited) {
    FAIL_CHECK(edited.error().message);
  } else {
    CHECK(edited->text() == row.after);
  }
}

void check_set(const std::vector<Case>& rows) {
  for (const Case& row : rows) {
    const Document document = parsed(row.before);
    check(row, set(document, path_of(row.path), value_of(row.value)));
    // What has been set need not be set again.
    const Document after = parsed(row.after);
    check({row.name, row.after, row.path, row.value, row.after},
          set(after, path_of(row.path), value_of(row.value)));
  }
}

void check_remove(const std::vector<Case>& rows) {
  for (const Case& row : rows) {
    const Document document = parsed(row.before);
    check(row, remove(document, path_of(row.path), static_cast<std::size_t>(row.value[0] - '0')));
  }
}

Error refused(const Edited& edited) {
  REQUIRE_FALSE(edited.has_value());
  CHECK(edited.error().code == ErrorCode::kConflict);
  CHECK_FALSE(edited.error().hint.empty());
  return edited.error();
}

}  // namespace

TEST_CASE("yaml editor: another value in the place of the old one") {
  check_set({
      {"plain", "a: 1\nb: 2\n", "a", "5", "a: 5\nb: 2\n"},
      {"comment and its column stay", "a: 1     # one\n", "a", "12345", "a: 12345     # one\n"},
      {"single quotes stay", "a: 'x'\n", "a", "'y z'", "a: 'y z'\n"},
      {"double quotes stay", "a: \"x\"\n", "a", "'y'", "a: \"y\"\n"},
      {"a number does not stay in quotes", "a: 'x' # c\n", "a", "5", "a: 5 # c\n"},
      {"quotes where plain would change the type", "a: x\n", "a", "'true'", "a: \"true\"\n"},
      {"the quotes of the file", "a: x\nb: 'q'\n", "a", "'12'", "a: '12'\nb: 'q'\n"},
      {"quotes where plain would be a comment", "a: x\n", "a", "'y #1'", "a: \"y #1\"\n"},
      {"quotes where plain would be a mapping", "a: x\n", "a", "'y: 1'", "a: \"y: 1\"\n"},
      {"quotes for the empty string", "a: x\n", "a", "''", "a: \"\"\n"},
      {"quotes for blanks around", "a: 'x'\n", "a", "' y '", "a: ' y '\n"},
      {"single quotes cannot hold a tab", "a: 'x'\n", "a", "\"y\\tz\"", "a: \"y\\tz\"\n"},
      {"apostrophe in single quotes", "a: 'x'\n", "a", "\"it's\"", "a: 'it''s'\n"},
      {"no quotes needed inside a word", "a: x\n", "a", "'a#b:c'", "a: a#b:c\n"},
      {"null", "a: 1 # c\n", "a", "null", "a: null # c\n"},
      {"in place of nothing", "a:\nb: 1\n", "a", "5", "a: 5\nb: 1\n"},
      {"in place of nothing, before a comment", "a:   # c\n", "a", "5", "a: 5   # c\n"},
      {"in place of ~", "a: ~ # c\n", "a", "x", "a: x # c\n"},
      {"CRLF", "a: 1\r\nb: 2\r\n", "a", "5", "a: 5\r\nb: 2\r\n"},
      {"BOM and no final line end",
       "\xEF\xBB\xBF"
       "a: 1",
       "a", "5",
       "\xEF\xBB\xBF"
       "a: 5"},
      {"several lines, plain", "a: one\n  two # c\nb: 1\n", "a", "x", "a: x # c\nb: 1\n"},
      {"several lines, quoted", "a: \"one\n  two\" # c\nb: 1\n", "a", "x", "a: \"x\" # c\nb: 1\n"},
      {"literal to one line", "a: | # c\n  x\n  y\n\nb: 1\n", "a", "z", "a: z # c\n\nb: 1\n"},
      {"literal stays literal", "a: |\n    x\nb: 1\n", "a", "\"y\\nz\"",
       "a: |-\n    y\n    z\nb: 1\n"},
      {"folded to literal", "a: >-\n  x\n  y\nb: 1\n", "a", "\"y\\nz\\n\"",
       "a: |\n  y\n  z\nb: 1\n"},
      {"in a flow mapping", "a: {b: 1, c: 2}\n", "a.b", "'x, y'", "a: {b: \"x, y\", c: 2}\n"},
      {"a negative number between brackets", "a: [1]\n", "a[0]", "-7", "a: [-7]\n"},
      {"in a flow sequence", "a: [1, 2, 3] # c\n", "a[1]", "x", "a: [1, x, 3] # c\n"},
      {"in JSON", "{\"a\":\"x\",\"b\":1}", "a", "'y'", "{\"a\":\"y\",\"b\":1}"},
      {"in JSON, a number", "{\"a\":\"x\",\"b\":1}", "a", "2", "{\"a\":2,\"b\":1}"},
      {"a flow entry without value", "{a, b: 1}", "a", "2", "{a: 2, b: 1}"},
      {"a flow entry without value, but ':'", "{a: , b: 1}", "a", "2", "{a: 2 , b: 1}"},
      {"an item", "- 1 # c\n- 2\n", "[0]", "x", "- x # c\n- 2\n"},
      {"an item that is empty", "-\n- 2\n", "[0]", "x", "- x\n- 2\n"},
      {"the tag goes with the value", "a: !locked 1 # c\n", "a", "2", "a: 2 # c\n"},
      {"the tag comes with the value", "a: 1 # c\n", "a", "!locked 2", "a: !locked 2 # c\n"},
      {"the same tag", "a: !locked  1\n", "a", "!locked 2", "a: !locked  2\n"},
      {"an anchor that nobody uses stays", "a: &x 1\nb: 2\n", "a", "5", "a: &x 5\nb: 2\n"},
      {"an alias gives way to a value of its own", "a: &x 1\nb: *x # c\n", "b", "5",
       "a: &x 1\nb: 5 # c\n"},
      {"quoted key", "\"a b\" : 1\n", "a b", "2", "\"a b\" : 2\n"},
      {"explicit key", "? a\n: 1\n? b\n: 2\n", "b", "3", "? a\n: 1\n? b\n: 3\n"},
      {"UTF-8", "ä: ö # ü\n", "ä", "'ß'", "ä: ß # ü\n"},
      {"the root itself", "--- 5 # c\n", "", "6", "--- 6 # c\n"},
      {"behind directives", "%YAML 1.2\n---\na: 1\n", "a", "2", "%YAML 1.2\n---\na: 2\n"},
  });
}

TEST_CASE("yaml editor: values that hold others") {
  check_set({
      {"mapping for nothing", "a:\nb: 1\n", "a", "{x: 1, y1: [1, 2]}",
       "a:\n  x: 1\n  y1:\n    - 1\n    - 2\nb: 1\n"},
      {"mapping for a scalar, the comment stays", "a: 1 # c\nb: 1\n", "a", "{x: 1}",
       "a: # c\n  x: 1\nb: 1\n"},
      {"scalar for a mapping", "a: # c\n  x: 1 # d\n\nb: 1\n", "a", "5", "a: 5 # c\n\nb: 1\n"},
      {"list for a mapping", "a:\n  x: 1\nb:\n- 1\n", "a", "[1, 2]", "a:\n- 1\n- 2\nb:\n- 1\n"},
      {"flow stays flow", "a: {x: 1}\n", "a", "{z: 1, x: 2}", "a: {z: 1, x: 2}\n"},
      {"the file's short lists are flow", "a: [x]\nb: 1\n", "b", "[y1, z]", "a: [x]\nb: [y1, z]\n"},
      {"empty ones are flow", "a: 1\n", "a", "{}", "a: {}\n"},
      {"mapping for an item", "- 1\n- 2\n", "[0]", "{x: 1, z: 2}", "- x: 1\n  z: 2\n- 2\n"},
      {"mapping for an item with a comment", "- 1 # c\n- 2\n", "[0]", "{x: 1, z: 2}",
       "- # c\n  x: 1\n  z: 2\n- 2\n"},
      {"scalar for an item that is a mapping", "- x: 1\n  z: 2\n- 2\n", "[0]", "3", "- 3\n- 2\n"},
      {"with a tag", "a: 1\n", "a", "!t {x: 1}", "a: !t\n  x: 1\n"},
  });
}

TEST_CASE("yaml editor: a collection over a collection changes what differs, and no more") {
  check_set({
      {"one of a list", "a: [x, y1,  z] # c\n", "a", "[x, w, z]", "a: [x, w,  z] # c\n"},
      {"one more", "a:\n  - x # x\n  - z # z\nb: 1\n", "a", "[x, z, w]",
       "a:\n  - x # x\n  - z # z\n  - w\nb: 1\n"},
      {"one less", "a:\n  - x # x\n  - y1\n  - z # z\nb: 1\n", "a", "[x, z]",
       "a:\n  - x # x\n  - z # z\nb: 1\n"},
      {"all others", "a: [x, z]\n", "a", "[v, w, u]", "a: [v, w, u]\n"},
      {"an entry deep inside", "a: # a\n  b: # b\n    c: 1 # c\n    d: 2 # d\n", "a",
       "{b: {c: 1, d: 3, e: 4}}", "a: # a\n  b: # b\n    c: 1 # c\n    d: 3 # d\n    e: 4\n"},
      {"keys that go", "a:\n  b: 1 # b\n  c: 2 # c\n", "a", "{c: 2}", "a:\n  c: 2 # c\n"},
      {"keys in another order are written anew", "a:\n  b: 1 # b\n  c: 2 # c\nd: 1\n", "a",
       "{c: 2, b: 1}", "a:\n  c: 2\n  b: 1\nd: 1\n"},
      {"the tag alone", "a: !x # a\n  b: 1\n", "a", "!locked {b: 1}", "a: !locked # a\n  b: 1\n"},
      {"anchors that are needed stay", "a:\n  b: &x 1\n  c: 2\nd: *x\n", "a", "{b: 1, c: 3}",
       "a:\n  b: &x 1\n  c: 3\nd: *x\n"},
  });
}

TEST_CASE("yaml editor: a long list with many differences is written anew, in one go") {
  std::string before = "a:\n";
  NewNode value;
  value.kind = Kind::kSequence;
  std::string after = "a:\n";
  for (int i = 0; i < 2000; ++i) {
    before += fmt::format("  - old-{}\n", i);
    after += fmt::format("  - new-{}\n", i);
    value.items.push_back(value_of(fmt::format("new-{}", i)));
  }
  CHECK(set(parsed(before), path_of("a"), value)->text() == after);
}

TEST_CASE("yaml editor: new entries and items") {
  check_set({
      {"at the end of a mapping", "a: 1\n", "b", "2", "a: 1\nb: 2\n"},
      {"no final line end", "a: 1", "b", "2", "a: 1\nb: 2"},
      {"CRLF", "a: 1\r\n", "b", "2", "a: 1\r\nb: 2\r\n"},
      {"CRLF without a final line end", "x: 1\r\na: 1", "b", "2", "x: 1\r\na: 1\r\nb: 2"},
      {"BOM",
       "\xEF\xBB\xBF"
       "a: 1\n",
       "b", "2",
       "\xEF\xBB\xBF"
       "a: 1\nb: 2\n"},
      {"behind the comment of the last one", "a:\n    b: 1 # c\nd: 1\n", "a.x", "2",
       "a:\n    b: 1 # c\n    x: 2\nd: 1\n"},
      {"before what follows", "a:\n  b: 1\n\n# about d\nd: 1\n", "a.x", "2",
       "a:\n  b: 1\n  x: 2\n\n# about d\nd: 1\n"},
      {"behind comments of the same mapping", "a:\n  b: 1\n  # e: 1\nd: 1\n", "a.x", "2",
       "a:\n  b: 1\n  # e: 1\n  x: 2\nd: 1\n"},
      {"before comments on what follows a list that is not indented",
       "a:\n  b:\n  - 1\n  # about c\n  c: 1\n", "a.b[1]", "2",
       "a:\n  b:\n  - 1\n  - 2\n  # about c\n  c: 1\n"},
      {"behind the deepest end", "a:\n  b:\n    c: 1\nd: 1\n", "a.x", "2",
       "a:\n  b:\n    c: 1\n  x: 2\nd: 1\n"},
      {"behind a literal", "a:\n  b: |\n    text\n\nd: 1\n", "a.x", "2",
       "a:\n  b: |\n    text\n  x: 2\n\nd: 1\n"},
      {"behind a literal that keeps its blank lines", "a:\n  b: |+\n    text\n\nd: 1\n", "a.x", "2",
       "a:\n  b: |+\n    text\n\n  x: 2\nd: 1\n"},
      {"behind an entry without value", "a:\n  b:\nd: 1\n", "a.x", "2", "a:\n  b:\n  x: 2\nd: 1\n"},
      {"a flow mapping", "a: {b: 1}\n", "a.x", "2", "a: {b: 1, x: 2}\n"},
      {"an empty flow mapping", "a: {} # c\n", "a.x", "2", "a: {x: 2} # c\n"},
      {"blanks inside the braces", "a: { b: 1 }\n", "a.x", "2", "a: { b: 1, x: 2 }\n"},
      {"a trailing comma", "a: {b: 1,}\n", "a.x", "2", "a: {b: 1, x: 2,}\n"},
      {"JSON without blanks", "{\"a\":1,\"b\":2}\n", "c", "3", "{\"a\":1,\"b\":2,\"c\":3}\n"},
      {"a flow mapping in lines", "a: {\n  b: 1, # c\n  d: 2  # e\n}\n", "a.x", "2",
       "a: {\n  b: 1, # c\n  d: 2,  # e\n  x: 2\n}\n"},
      {"a flow mapping in lines with trailing commas", "a: {\n  b: 1, # c\n}\n", "a.x", "2",
       "a: {\n  b: 1, # c\n  x: 2,\n}\n"},
      {"a mapping into a flow list", "a: [{b: 1}]\n", "a[1]", "{b: 2, c: [1]}",
       "a: [{b: 1}, {b: 2, c: [1]}]\n"},
      {"a pair in a flow list", "a: [b: 1]\n", "a[0].c", "2", "a: [{b: 1, c: 2}]\n"},
      {"a list item", "a:\n  - 1 # c\nb: 1\n", "a[1]", "2", "a:\n  - 1 # c\n  - 2\nb: 1\n"},
      {"a list item, not indented", "a:\n- 1\nb: 1\n", "a[1]", "2", "a:\n- 1\n- 2\nb: 1\n"},
      {"a list item like the last one", "-   a: 1\n    b: 2\n", "[1]", "{a: 3, b: 4}",
       "-   a: 1\n    b: 2\n-   a: 3\n    b: 4\n"},
      {"an item of a list in a list", "- - 1\n- 2\n", "[0][1]", "3", "- - 1\n  - 3\n- 2\n"},
      {"an entry of an item", "- a: 1\n- b: 2\n", "[0].x", "3", "- a: 1\n  x: 3\n- b: 2\n"},
      {"a flow list item", "a: [1, 2]\n", "a[2]", "'x, y'", "a: [1, 2, \"x, y\"]\n"},
      {"the file's step", "a:\n    b: 1\n", "c.d", "2", "a:\n    b: 1\nc:\n    d: 2\n"},
      {"the file's list offset", "a:\n- 1\n", "c", "[x]", "a:\n- 1\nc:\n- x\n"},
      {"a list of mappings", "a: 1\n", "dps[0].push_server.port", "13295",
       "a: 1\ndps:\n  - push_server:\n      port: 13295\n"},
      {"sections that do not exist", "a:\n  b: 1\n", "a.c.d.e", "'x'",
       "a:\n  b: 1\n  c:\n    d:\n      e: x\n"},
      {"sections for nothing", "a:\nb: 1\n", "a.c.d", "2", "a:\n  c:\n    d: 2\nb: 1\n"},
      {"sections for null", "a: null # c\n", "a.c.d", "2", "a: # c\n  c:\n    d: 2\n"},
      {"sections for {}", "a: {} # c\n", "a.c.d", "2", "a: # c\n  c:\n    d: 2\n"},
      {"an item for []", "a: []\n", "a[0]", "x", "a: [x]\n"},
      {"a mapping for []", "a: []\nb: 1\n", "a[0].name", "x", "a:\n  - name: x\nb: 1\n"},
      {"into an empty file", "", "a.b", "1", "a:\n  b: 1\n"},
      {"into a file of comments", "# c\n", "a", "1", "# c\na: 1\n"},
      {"into a file of comments without a final line end", "# c", "a", "1", "# c\na: 1"},
      {"into an empty document", "---\n...\n", "a", "1", "---\na: 1\n...\n"},
      {"before the document's end", "---\na: 1\n...\n# end\n", "b", "2",
       "---\na: 1\nb: 2\n...\n# end\n"},
      {"a key that needs quotes", "a: 1\n", "no", "2", "a: 1\n\"no\": 2\n"},
      {"a key like its neighbours", "'a': 1\n", "b", "2", "'a': 1\n'b': 2\n"},
      {"a text of lines", "a: 1\n", "b", "\"x\\n\\ny\\n\"", "a: 1\nb: |\n  x\n\n  y\n"},
      {"a text of lines with a tag in a list", "a:\n- b\n", "a[1]", "!x \"y\\nz\"",
       "a:\n- b\n- !x |-\n    y\n    z\n"},
      {"a text of lines at an unfinished end", "a: 1", "b", "\"x\\ny\\n\"",
       "a: 1\nb: \"x\\ny\\n\""},
      {"into {} at the root, with anchor and tag", "&x !t {} # c\n", "a.b", "1",
       "&x !t\na:\n  b: 1 # c\n"},
      {"over a merged key", "x: &x {p: 1}\na:\n  <<: *x\n", "a.p", "2",
       "x: &x {p: 1}\na:\n  <<: *x\n  p: 2\n"},
  });
}

TEST_CASE("yaml editor: an edit that changes nothing changes no byte") {
  check_set({
      {"plain", "a:  1   # c\n", "a", "1", "a:  1   # c\n"},
      {"quoted", "a: \"x\"\n", "a", "'x'", "a: \"x\"\n"},
      {"plain for a string", "a: x\n", "a", "'x'", "a: x\n"},
      {"a literal", "a: |\n  x\n", "a", "\"x\\n\"", "a: |\n  x\n"},
      {"null", "a:\n", "a", "null", "a:\n"},
      {"tag", "a: !<!locked> 1\n", "a", "!locked 1", "a: !<!locked> 1\n"},
      {"mapping", "a: # c\n    b: [1, x]\n", "a", "{b: [1, 'x']}", "a: # c\n    b: [1, x]\n"},
      {"an alias of the same value", "a: &x 1\nb: *x\n", "b", "1", "a: &x 1\nb: *x\n"},
      {"a merged key of the same value", "a: &x {p: 1}\nb: {<<: *x}\n", "b.p", "1",
       "a: &x {p: 1}\nb: {<<: *x}\n"},
  });
  const Document document = parsed("a: 1\nb: !locked 2\n");
  CHECK(remove(document, path_of("c"), 0)->text() == document.text());
  CHECK(remove(document, path_of("a.c"), 0)->text() == document.text());
  CHECK(remove(document, path_of("a[3]"), 0)->text() == document.text());
  CHECK(set_tag(document, path_of("a"), "")->text() == document.text());
  CHECK(set_tag(document, path_of("b"), "!locked")->text() == document.text());
}

TEST_CASE("yaml editor: removal") {
  check_remove({
      {"first", "a: 1\nb: 2\n", "a", "0", "b: 2\n"},
      {"middle, with its comment", "a: 1\nb: 2 # two\nc: 3\n", "b", "0", "a: 1\nc: 3\n"},
      {"last", "a: 1\nb: 2\n", "b", "0", "a: 1\n"},
      {"last, no final line end", "a: 1\nb: 2", "b", "0", "a: 1"},
      {"CRLF", "a: 1\r\nb: 2\r\nc: 3\r\n", "b", "0", "a: 1\r\nc: 3\r\n"},
      {"BOM",
       "\xEF\xBB\xBF"
       "a: 1\nb: 2\n",
       "a", "0",
       "\xEF\xBB\xBF"
       "b: 2\n"},
      {"with all below it", "a:\n  b:\n    c: 1\n  # d\n  e: 2\nf: 3\n", "a", "0", "f: 3\n"},
      {"the comment right above goes too", "a: 1\n# about b\n# more\nb: 2\nc: 3\n", "b", "0",
       "a: 1\nc: 3\n"},
      {"a comment further up stays", "a: 1\n# section\n\nb: 2\nc: 3\n", "b", "0",
       "a: 1\n# section\n\nc: 3\n"},
      {"a comment above the first may be about all", "x:\n  # all\n  a: 1\n  b: 2\n", "x.a", "0",
       "x:\n  # all\n  b: 2\n"},
      {"unless the second has one too", "x:\n  # a\n  a: 1\n  # b\n  b: 2\n", "x.a", "0",
       "x:\n  # b\n  b: 2\n"},
      {"but never at the top of the file", "# site\na: 1\n# b\nb: 2\n", "a", "0",
       "# site\n# b\nb: 2\n"},
      {"a comment in another column is not the entry's", "x:\n  a: 1\n# c\n  b: 2\n", "x.b", "0",
       "x:\n  a: 1\n# c\n"},
      {"one of two blank lines", "a: 1\n\nb: 2\n\nc: 3\n", "b", "0", "a: 1\n\nc: 3\n"},
      {"no blank line at the end", "a: 1\n\nb: 2\n", "b", "0", "a: 1\n"},
      {"blank lines that a literal keeps", "a: |+\n  x\n\nb: 2\n", "b", "0", "a: |+\n  x\n\n"},
      {"a literal's line end", "a: |\n  x\nb: 2", "b", "0", "a: |\n  x\n"},
      {"an item", "- 1\n- 2 # c\n- 3\n", "[1]", "0", "- 1\n- 3\n"},
      {"an item of several lines", "x:\n- a: 1\n  b: 2\n- c: 3\n", "x[0]", "0", "x:\n- c: 3\n"},
      {"the first entry of an item", "- a: 1\n  b: 2\n- c: 3\n", "[0].a", "0", "- b: 2\n- c: 3\n"},
      {"the first entry of an item, comment behind", "- a: 1\n  # b\n  b: 2\n", "[0].a", "0",
       "-\n  # b\n  b: 2\n"},
      {"the first item of a list in a list", "- - 1\n  - 2\n", "[0][0]", "0", "- - 2\n"},
      {"flow, first", "a: {b: 1, c: 2}\n", "a.b", "0", "a: {c: 2}\n"},
      {"flow, last", "a: {b: 1, c: 2 }\n", "a.c", "0", "a: {b: 1 }\n"},
      {"flow, middle", "a: [1, 2, 3]\n", "a[1]", "0", "a: [1, 3]\n"},
      {"flow, trailing comma", "a: [1, 2,]\n", "a[1]", "0", "a: [1,]\n"},
      {"flow in lines", "a: {\n  b: 1, # b\n  c: 2, # c\n  d: 3  # d\n}\n", "a.c", "0",
       "a: {\n  b: 1, # b\n  d: 3  # d\n}\n"},
      {"flow in lines, last", "a: {\n  b: 1, # b\n  d: 3  # d\n}\n", "a.d", "0",
       "a: {\n  b: 1 # b\n}\n"},
      {"flow in lines, first", "a: {\n  b: 1, # b\n  d: 3\n}\n", "a.b", "0", "a: {\n  d: 3\n}\n"},
      {"containers that become empty go", "a:\n  b:\n    c: 1\nd: 1\n", "a.b.c", "0", "d: 1\n"},
      {"containers go up to the first that holds more", "a:\n  b:\n    c: 1\n  e: 2\n", "a.b.c",
       "0", "a:\n  e: 2\n"},
      {"containers that are kept", "a:\n  b:\n    c: 1 # d\ne: 1\n", "a.b.c", "1", "a: {}\ne: 1\n"},
      {"kept with its comment", "a: # x\n  c: 1\ne: 1\n", "a.c", "1", "a: {} # x\ne: 1\n"},
      {"a kept list", "a:\n  - 1\ne: 1\n", "a[0]", "1", "a: []\ne: 1\n"},
      {"a kept flow list", "a: [1]\n", "a[0]", "1", "a: []\n"},
      {"the root is always kept", "# c\na: 1 # d\n", "a", "0", "# c\n{}\n"},
      {"the root's tag stays", "!t\na: 1\n", "a", "0", "!t {}\n"},
      {"an item that becomes empty goes", "a: [b: 1, 2]\n", "a[0].b", "0", "a: [2]\n"},
      {"quoted key", "'a': 1\n\"b\": 2\n", "b", "0", "'a': 1\n"},
      {"explicit key", "? a\n: 1\n? b\n: 2\n", "b", "0", "? a\n: 1\n"},
      {"an alias", "a: &x 1\nb: *x\n", "b", "0", "a: &x 1\n"},
      {"an anchor that nobody uses", "a: &x 1\nb: 2\n", "a", "0", "b: 2\n"},
  });
}

TEST_CASE("yaml editor: tags") {
  const std::vector<Case> rows{
      {"on a scalar", "a: 1 # c\n", "a", "!locked", "a: !locked 1 # c\n"},
      {"off a scalar", "a: !locked 1 # c\n", "a", "", "a: 1 # c\n"},
      {"another one", "a: !x   'y'\n", "a", "!locked", "a: !locked   'y'\n"},
      {"beside an anchor", "a: &x 1\n", "a", "!locked", "a: &x !locked 1\n"},
      {"off beside an anchor", "a: !x &x 1\n", "a", "", "a: &x 1\n"},
      {"on nothing", "a:\nb: 1\n", "a", "!locked", "a: !locked\nb: 1\n"},
      {"on nothing, before a comment", "a: # c\n", "a", "!locked", "a: !locked # c\n"},
      {"off nothing", "a: !locked\nb: 1\n", "a", "", "a:\nb: 1\n"},
      {"on a literal", "a: |\n  x\n", "a", "!locked", "a: !locked |\n  x\n"},
      {"on a flow list", "a: [1]\n", "a", "!locked", "a: !locked [1]\n"},
      {"on a flow value", "a: [1, 2]\n", "a[0]", "!locked", "a: [!locked 1, 2]\n"},
      {"on a flow pair", "a: [b: 1]\n", "a[0]", "!x", "a: [!x {b: 1}]\n"},
      {"on a mapping", "a: # c\n  b: 1\n", "a", "!locked", "a: !locked # c\n  b: 1\n"},
      {"off a mapping", "a: !locked # c\n  b: 1\n", "a", "", "a: # c\n  b: 1\n"},
      {"on a list", "a:\n- 1\n", "a", "!locked", "a: !locked\n- 1\n"},
      {"on an item that is a mapping", "- a: 1\n  b: 2\n", "[0]", "!x", "- !x\n  a: 1\n  b: 2\n"},
      {"on the root", "# c\na: 1\n", "", "!x", "# c\n!x\na: 1\n"},
      {"a tag of YAML itself", "a: 1\n", "a", "tag:yaml.org,2002:int", "a: !!int 1\n"},
      {"a tag that is long to write", "a: 1\n", "a", "tag:example.com,2026:x",
       "a: !<tag:example.com,2026:x> 1\n"},
  };
  for (const Case& row : rows) {
    check(row, set_tag(parsed(row.before), path_of(row.path), row.value));
  }
  CHECK(set_tag(parsed("a: 1\n"), path_of("b"), "!x").error().code == ErrorCode::kNotFound);
  CHECK(set_tag(parsed("a: 1\n"), path_of("a"), "! x").error().code == ErrorCode::kUsage);
}

TEST_CASE("yaml editor: what would change another node's value is refused") {
  const Document document = parsed(
      "base: &base\n"
      "  port: 1\n"
      "  tls: {cert: x}\n"
      "one: *base\n"
      "two:\n"
      "  <<: *base\n"
      "number: &n 5\n"
      "same: *n\n");
  const NewNode value = value_of("7");
  CHECK(refused(set(document, path_of("base.port"), value)).message ==
        "f.yaml:1:7: the change would also change f.yaml:4:6, by the alias *base of the anchor "
        "here");
  refused(set(document, path_of("base.new"), value));
  refused(set(document, path_of("number"), value));
  refused(set_tag(document, path_of("number"), "!locked"));
  refused(set_tag(document, path_of("base.port"), "!locked"));
  refused(remove(document, path_of("base.port"), 0));
  CHECK(refused(remove(document, path_of("number"), 0)).message ==
        "f.yaml:7:9: the anchor &n here is needed by its alias at f.yaml:8:7");
  // Through an alias or a merge key.
  const Error through = refused(set(document, path_of("one.port"), value));
  CHECK(through.message == "f.yaml:4:6: one is the alias *base of line 1");
  CHECK(through.hint.find("line 1") != std::string::npos);
  CHECK(refused(set(document, path_of("two.tls.cert"), value)).message ==
        "f.yaml:3:8: two.tls comes from here by a merge key (<<)");
  CHECK(refused(remove(document, path_of("two.port"), 0)).message.starts_with("f.yaml:2:9: "));
  refused(remove(document, path_of("one.port"), 0));
  refused(set_tag(document, path_of("one"), "!x"));
  // What touches none of it is not.
  CHECK(set(document, path_of("two.port"), value).has_value());
  CHECK(set(document, path_of("same"), value).has_value());
  CHECK(remove(document, path_of("one"), 0).has_value());
}

TEST_CASE("yaml editor: an alias to an earlier anchor of the same name is not bound anew") {
  const Document document = parsed("a: &x 1\nb: &x 2\nc: *x\n");
  refused(remove(document, path_of("b"), 0));
  CHECK(remove(document, path_of("a"), 0)->text() == "b: &x 2\nc: *x\n");
}

TEST_CASE("yaml editor: what cannot be set says why") {
  const Document document = parsed("a: 1\nb: [1]\nc: {d: 1}\n");
  const NewNode value = value_of("7");
  CHECK(refused(set(document, path_of("a.x"), value)).message ==
        "f.yaml:1:4: a is a single value, not a mapping");
  CHECK(refused(set(document, path_of("b.x"), value)).message ==
        "f.yaml:2:4: b is a list, not a mapping");
  CHECK(refused(set(document, path_of("c[0]"), value)).message ==
        "f.yaml:3:4: c is a mapping, not a list");
  CHECK(refused(set(document, path_of("b[2]"), value)).message ==
        "f.yaml:2:4: b has 1 items; item 2 cannot be set");
  CHECK(refused(set(document, path_of("x[1]"), value)).message.ends_with("item 1 cannot be set"));
  CHECK(remove(document, Path{}, 0).error().code == ErrorCode::kUsage);
  NewNode bad;
  bad.value = "\xE4";
  CHECK(set(document, path_of("a"), bad).error().code == ErrorCode::kUsage);
}

TEST_CASE("yaml editor: paths as text") {
  CHECK(to_string(path_of("distribution_points[0].push_server.port")) ==
        "distribution_points[0].push_server.port");
  CHECK(to_string({}).empty());
  CHECK(to_string({std::size_t{0}, std::string("a.b"), std::string("c")}) == "[0][\"a.b\"].c");
}

}  // namespace kscpush::yaml
