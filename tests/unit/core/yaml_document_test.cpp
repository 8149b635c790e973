#include <functional>

#include <doctest/doctest.h>

#include "core/yaml/document.hpp"

namespace kscpush::yaml {
namespace {

Document parsed(const std::string& text) {
  auto document = Document::parse(text, "f.yaml");
  if (!document) FAIL(document.error().message);
  return *document;
}

Error refused(const std::string& text) {
  const auto document = Document::parse(text, "f.yaml");
  REQUIRE_FALSE(document.has_value());
  CHECK(document.error().code == ErrorCode::kInvalidConfig);
  CHECK_FALSE(document.error().hint.empty());
  return document.error();
}

// The bytes of a node, with and without tag and anchor.
std::string written(const Document& document, const Node& node) {
  return document.text().substr(node.begin, node.end - node.begin);
}
std::string content(const Document& document, const Node& node) {
  return document.text().substr(node.content, node.end - node.content);
}

// The value of key "a" of the text as it is written there.
std::string span_of_a(const std::string& text) {
  const Document document = parsed(text);
  const Node* const a = document.root().find("a");
  REQUIRE(a != nullptr);
  return written(document, *a);
}

}  // namespace

TEST_CASE("yaml document: kinds, values and marks") {
  const Document document = parsed(
      "# site\n"
      "name: dp-1   # the first\n"
      "port: 13295\n"
      "quoted: '13295'\n"
      "nothing:\n"
      "tilde: ~\n"
      "groups: [Berlin, \"Plant A\"]\n"
      "scope:\n"
      "  force: !locked true\n");
  const Node& root = document.root();
  CHECK(root.kind == Kind::kMapping);
  CHECK_FALSE(root.flow);
  CHECK(root.entries.size() == 7);
  CHECK(document.at(*root.find("name")) == "f.yaml:2:7");
  CHECK(root.find("name")->value == "dp-1");
  CHECK_FALSE(root.find("port")->quoted);
  CHECK(root.find("quoted")->quoted);
  CHECK(root.find("quoted")->value == "13295");
  CHECK(root.find("nothing")->kind == Kind::kNull);
  CHECK(document.at(*root.find("nothing")) == "f.yaml:5:9");
  CHECK(root.find("tilde")->kind == Kind::kNull);
  CHECK(written(document, *root.find("tilde")) == "~");
  CHECK(root.find("groups")->flow);
  CHECK(root.find("groups")->items[1].value == "Plant A");
  const Node* const force = root.find("scope")->find("force");
  REQUIRE(force != nullptr);
  CHECK(force->tag == "!locked");
  CHECK(force->value == "true");
  CHECK(document.at(*force) == "f.yaml:9:10");
  CHECK(written(document, *force) == "!locked true");
  CHECK(content(document, *force) == "true");
  CHECK(root.find("no such key") == nullptr);
  CHECK(force->find("x") == nullptr);
}

TEST_CASE("yaml document: where each style of value ends") {
  CHECK(span_of_a("a: b") == "b");
  CHECK(span_of_a("a: b # c\n") == "b");
  CHECK(span_of_a("a: b#c \n") == "b#c");
  CHECK(span_of_a("a: two\n  lines  \n\n  more # c\nz: 1\n") == "two\n  lines  \n\n  more");
  CHECK(span_of_a("a: 'it''s' # c\n") == "'it''s'");
  CHECK(span_of_a("a: \"x \\\" y\"\n") == "\"x \\\" y\"");
  CHECK(span_of_a("a: \"x\n  y\"\nb: 1\n") == "\"x\n  y\"");
  CHECK(span_of_a("a: |\n  x\n   y # no comment\n\n# c\nb: 1\n") == "|\n  x\n   y # no comment");
  CHECK(span_of_a("a: |+\n  x\n\n\nb: 1\n") == "|+\n  x\n\n");
  CHECK(span_of_a("a: >2- # c\n    x\n\nb: 1\n") == ">2- # c\n    x");
  CHECK(span_of_a("a: |\nb: 1\n") == "|");
  CHECK(span_of_a("a: [1, {b: c}, # x\n  d]\n") == "[1, {b: c}, # x\n  d]");
  CHECK(span_of_a("a: {b: , 'c':d,}\n") == "{b: , 'c':d,}");
  CHECK(span_of_a("a: [? b : c, d]\n") == "[? b : c, d]");
  CHECK(span_of_a("a: [!t\n? b]\n") == "[!t\n? b]");
  CHECK(span_of_a("a:\n- 1\n- # x\n-\n\n# y\nb: 1\n") == "- 1\n- # x\n-");
  CHECK(span_of_a("a: &n !t\n  b: 1\n  c:\n# x\nd: 1\n") == "&n !t\n  b: 1\n  c:");
  CHECK(span_of_a("a: !t &n 1\nb: *n\n") == "!t &n 1");
  CHECK(span_of_a("x: &n 1\na: *n # c\n") == "*n");
  CHECK(span_of_a("a: !locked\nb: 1\n") == "!locked");
  CHECK(span_of_a("a: &n\nb: 1\n") == "&n");
  CHECK(span_of_a("a:\nb: 1\n").empty());
  CHECK(span_of_a("{a: , b: 1}").empty());
  CHECK(span_of_a("a:\r\n  b: 1\r\n  c: x \r\n") == "b: 1\r\n  c: x");
  CHECK(span_of_a("\xEF\xBB\xBF"
                  "ä: ö\na: ü\n") == "ü");
}

TEST_CASE("yaml document: a value that is not written is not taken for the next key") {
  for (const char* text :
       {"a:\nnull: x\n", "a:\n~: x\n", "a: !t\n\"\": x\n", "a: !t\n\"e\": x\n", "a: &n\nnull: x\n",
        "a:\nnull x: y\n", "a:\n~]: y\n", "a:\n~ ]: y\n", "a: !t\n' ': y\n", "a: &n\n!t b: y\n",
        "a: !t\n&n b: y\n", "a:\n&n b: y\n", "a:\n!t b: y\n"}) {
    CAPTURE(text);
    const Document document = parsed(text);
    CHECK(document.root().entries.size() == 2);
    const Node& value = document.root().entries[0].value;
    CHECK(value.kind == Kind::kNull);
    CHECK(value.end < document.text().find('\n') + 1);
  }
}

TEST_CASE("yaml document: a key ':' below an explicit key without value") {
  const Document document = parsed("? a\n:: b\n");
  CHECK(written(document, document.root().entries[0].value).empty());
  CHECK(document.root().entries[0].value.end == 3);
  CHECK(document.root().find(":")->begin == 7);
}

TEST_CASE("regression: a key that begins like a null is not the '?' above it as well") {
  for (const char* text : {"? \n~::", "?\nnull:: x\n", "? # no key\n~:x: 1\n"}) {
    CAPTURE(text);
    CHECK(refused(text).message == "f.yaml:2:1: a value without a key");
  }
  const Document document = parsed("? ~\n: x\n~:: y\n");
  CHECK(written(document, document.root().entries[0].key) == "~");
  CHECK(written(document, document.root().entries[1].key) == "~:");
}

TEST_CASE("yaml document: tags") {
  const Document document = parsed(
      "- !locked\n- !locked null\n- !locked ''\n- ! 12\n- !!str 12\n- !!str null\n- !<!x> y\n"
      "- !x [1]\n- !x\n  a: 1\n");
  const auto& items = document.root().items;
  CHECK(items[0].kind == Kind::kNull);
  CHECK(items[0].tag == "!locked");
  CHECK(items[1].kind == Kind::kNull);
  CHECK(items[1].tag == "!locked");
  CHECK(items[2].kind == Kind::kScalar);
  CHECK(items[2].quoted);
  CHECK(items[3].tag.empty());
  CHECK(items[3].quoted);
  CHECK(items[4].tag == "tag:yaml.org,2002:str");
  CHECK(items[4].quoted);
  CHECK(items[5].kind == Kind::kScalar);
  CHECK(items[5].value == "null");
  CHECK(items[6].tag == "!x");
  CHECK(items[7].tag == "!x");
  CHECK(items[8].tag == "!x");
  CHECK(items[8].kind == Kind::kMapping);
}

TEST_CASE("yaml document: without content the root is a null") {
  for (const char* text : {"", "# only a comment\n", "\n\n", "---\n", "---\n...\n", "\xEF\xBB\xBF",
                           "~", "%YAML 1.2\n---\n"}) {
    CAPTURE(text);
    CHECK(parsed(text).root().kind == Kind::kNull);
  }
  CHECK(Document().root().kind == Kind::kNull);
  CHECK(parsed("--- # c\na: 1\n...\n# end\n").root().find("a")->value == "1");
}

TEST_CASE("yaml document: an alias resolves to the last anchor before it") {
  const Document document = parsed("- &x 1\n- *x\n- &x [2]\n- *x\n");
  const auto& items = document.root().items;
  CHECK(&document.resolve(items[1]) == &items[0]);
  CHECK(&document.resolve(items[3]) == &items[2]);
  CHECK(&document.resolve(items[0]) == &items[0]);
  CHECK(items[3].anchor == "x");
  CHECK(items[3].kind == Kind::kAlias);
}

TEST_CASE("yaml document: nodes stay where they are when the document is moved or copied") {
  Document first = parsed("a: &x 1\nb: *x\n");
  const Node* const alias = first.root().find("b");
  const Document second = std::move(first);
  const Document third = second;  // NOLINT(performance-unnecessary-copy-initialization)
  CHECK(third.resolve(*alias).value == "1");
}

TEST_CASE("yaml document: entries() sees through merge keys") {
  const Document document = parsed(
      "base: &base {port: 1, host: a}\n"
      "more: &more\n  <<: *base\n  host: b\n  extra: 1\n"
      "x:\n  <<: *more\n  port: 3\n"
      "y:\n  <<: [*base, *more]\n"
      "z: *more\n");
  const auto read = [&](const char* key) {
    std::string result;
    for (const Entry* entry : document.entries(*document.root().find(key))) {
      result += entry->key.value + "=" + entry->value.value + " ";
    }
    return result;
  };
  CHECK(read("x") == "port=3 host=b extra=1 ");
  CHECK(read("y") == "port=1 host=a extra=1 ");
  CHECK(read("z") == "host=b extra=1 port=1 ");
}

TEST_CASE("yaml document: errors name file, line, column and a way out") {
  CHECK(refused("a: 1\nb: 2\na: 3\n").message ==
        "f.yaml:3:1: key 'a' stands twice in one mapping, first in line 1");
  CHECK(refused("a: 1\n'a': 3\n").message.starts_with("f.yaml:2:1: key 'a' stands twice"));
  CHECK(refused("a: 1\n!t a: 3\n").message.starts_with("f.yaml:2:1: key 'a' stands twice"));
  CHECK(refused("x: {a: 1, b: 2, a: 3}\n").message.starts_with("f.yaml:1:17: key 'a'"));
  CHECK(refused("a: 1\n---\nb: 1\n").message == "f.yaml:2:1: a second document begins here");
  CHECK(refused("a: \xE4\n").message == "f.yaml:1:4: byte 0xE4 is not UTF-8");
  CHECK(refused("a: \xC0\xAF\n").message.starts_with("f.yaml:1:4: byte 0xC0"));
  CHECK(refused("a: \xED\xA0\x80\n").message.starts_with("f.yaml:1:4: byte 0xED"));
  CHECK(refused(std::string("a: x\nb: \0y", 10)).message.starts_with("f.yaml:2:4: a NUL byte"));
  CHECK(refused("a: x\x04y").message == "f.yaml:1:5: control character 0x04");
  CHECK(refused("a: 1\rb: 2\r").message.starts_with("f.yaml:1:5: a carriage return"));
  CHECK(refused("\xFF\xFE"
                "a")
            .message.starts_with("f.yaml:1:1: the file is UTF-16"));
  CHECK(refused("a:\n\tb: 1\n").message == "f.yaml:2:1: a tab in the indentation");
  CHECK(refused("a:\n  b: 1\n \tc: 1\n").message == "f.yaml:3:2: a tab in the indentation");
  CHECK(refused("a: *x\n").message.starts_with("f.yaml:1:4: there is no anchor"));
  CHECK(refused("a: &x [*x]\n").message.starts_with("f.yaml:1:8: alias *x stands inside"));
  CHECK(refused("a: {b: 1\n").message.starts_with("f.yaml:1:4: '{' of line 1 is not closed"));
  CHECK(refused("a: {b: 1").message.starts_with("f.yaml:1:4: '{' of line 1 is not closed"));
  CHECK(refused("a: 1\n b: 2\n").message.starts_with("f.yaml:2:3: a ':' where"));
  CHECK(refused("a: 1\nb: \"x\nc: 1\n").message ==
        "f.yaml:2:4: the quotes that begin here are not closed");
  CHECK(refused("a: 1\nb\n").message == "f.yaml:2:1: a key without ':'");
  CHECK(refused("a:\nnull\n").message == "f.yaml:2:1: a value without a key");
  CHECK(refused("a: 1\n: 2\n").message == "f.yaml:2:1: a value without a key");
  CHECK(refused("{a: 1, : 2}\n").message == "f.yaml:1:8: a value without a key");
  CHECK(refused("[a] b").message.starts_with("f.yaml:1:5: "));
  CHECK(refused(std::string(Document::kMaxBytes + 1, '#')).message.find("64 MiB") !=
        std::string::npos);
}

TEST_CASE("yaml document: what is nested too deep is an error, whatever it is made of") {
  const auto repeat = [](int n, const std::function<std::string(int)>& part) {
    std::string text;
    for (int i = 0; i < n; ++i) text += part(i);
    return text;
  };
  for (const std::string& text :
       {std::string(10'000, '['), repeat(10'000, [](int) { return "{a: "; }),
        repeat(10'000, [](int) { return "- "; }), repeat(10'000, [](int) { return "? "; }),
        repeat(1'000,
               [](int i) { return std::string(static_cast<std::size_t>(i), ' ') + "a:\n"; })}) {
    CHECK(refused(text).message.find("nested deeper than 500 levels") != std::string::npos);
  }
}

TEST_CASE("yaml document: brackets without end are given up before they fill the memory") {
  CHECK(refused("a: 1\nb: " + std::string(1'100'000, '[')).message ==
        "f.yaml:2:4: too many values between brackets, or a bracket that is not closed");
}

TEST_CASE("yaml document: 100,000 keys, the last one a repeated one") {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += fmt::format("key-{}: {}\n", i, i);
  CHECK(parsed(text).root().entries.size() == 100'000);
  CHECK(refused(text + "key-7: x\n").message ==
        "f.yaml:100001:1: key 'key-7' stands twice in one mapping, first in line 8");
}

TEST_CASE("yaml: same data is same kinds, tags, values and types, in any style") {
  const auto same = [](const char* a, const char* b) {
    return same_data(parsed(a).root(), parsed(b).root());
  };
  CHECK(same("a: [1, x]\n", "{\"a\": # c\n  [1, 'x']}\n"));
  CHECK(same("a: ~\n", "a:\n"));
  CHECK(same("a: 'x y'\n", "a: |-\n  x y\n"));
  CHECK_FALSE(same("a: '1'\n", "a: 1\n"));
  CHECK_FALSE(same("a: 'no'\n", "a: no\n"));
  CHECK_FALSE(same("a: ''\n", "a:\n"));
  CHECK_FALSE(same("a: !t 1\n", "a: 1\n"));
  CHECK_FALSE(same("a: 1\nb: 2\n", "b: 2\na: 1\n"));
  CHECK_FALSE(same("- &x 1\n- &y 1\n- *x\n", "- &x 1\n- &y 1\n- *y\n"));
}

}  // namespace kscpush::yaml
