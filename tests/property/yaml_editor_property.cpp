// Random YAML files and random edits of them, against a model.
//
// Held for each case: the file reads as its model; the edited file reads as the edited model; no
// byte outside of what the edit is about has changed; no comment is lost that is not part of what
// went; a scalar that is set and set back leaves the file as it was; and an edit is refused only
// where an anchor or an alias demands it.
#include <algorithm>
#include <cstdlib>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "core/yaml/quoting.hpp"
#include "core/yaml/scalar.hpp"
#include "tests/property/yaml_generator.hpp"
#include "tests/property/yaml_oracle.hpp"

namespace kscpush::yaml {
namespace {

constexpr std::size_t kDefaultCases = 20'000;
constexpr std::size_t kDefaultSeed = 20'260'301;
constexpr std::size_t kEditsPerFile = 4;
// Of a thousand edits that nothing in the model forbids, those that may be refused nevertheless:
// exotic layouts, e.g. explicit keys.
constexpr std::size_t kMaxRefusedPerMille = 2;

std::size_t environment(const char* name, std::size_t otherwise) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? otherwise : std::stoull(value);
}

// ---- what may change in the text ----

struct Region {
  std::size_t begin;  // no byte before it
  std::size_t end;    // and none from here on
  // Comments may be lost only in here; empty for none.
  std::size_t lossy_begin = 0;
  std::size_t lossy_end = 0;
};

std::size_t line_end(const std::string& text, std::size_t at) {
  return std::min(text.find('\n', at), text.size());
}

const Node& child_of(const Node& node, std::size_t i) {
  return node.kind == Kind::kMapping ? node.entries[i].value : node.items[i];
}
std::size_t size_of(const Node& node) {
  return node.kind == Kind::kMapping ? node.entries.size() : node.items.size();
}

struct Found {
  const Node* parent = nullptr;
  std::size_t index = 0;
  const Node* node = nullptr;
  std::size_t depth = 0;
};

Found find(const Node& root, const Path& path) {
  Found found{nullptr, 0, &root, 0};
  for (const Step& step : path) {
    const Node& node = *found.node;
    const std::size_t none = size_of(node);
    std::size_t i = 0;
    if (const auto* index = std::get_if<std::size_t>(&step)) {
      i = node.kind == Kind::kSequence ? std::min(*index, none) : none;
    } else if (node.kind == Kind::kMapping) {
      while (i < none && node.entries[i].key.value != std::get<std::string>(step)) ++i;
    } else {
      i = none;
    }
    if (i == none) break;
    found = {&node, i, &child_of(node, i), found.depth + 1};
  }
  return found;
}

// Where the entry or item begins at the earliest: behind what is before it.
std::size_t slot_begin(const Found& found) {
  if (found.parent == nullptr) return 0;
  if (found.parent->kind == Kind::kMapping) return found.parent->entries[found.index].key.end;
  return found.index == 0 ? found.parent->begin : found.parent->items[found.index - 1].end;
}

// A collection goes, with what is written inside of it.
void with_content(const Document& document, std::size_t slot, const Node& node, Region& region) {
  const std::string& text = document.text();
  const bool below = line_end(text, slot) < node.content && &node != &document.root();
  region.lossy_begin = below && !node.flow ? line_end(text, slot) : node.begin;
  region.lossy_end = node.flow ? node.end : line_end(text, node.end);
}

Region region_of_set(const Document& document, const Found& found, const Edit& edit) {
  const std::string& text = document.text();
  const Node& node = *found.node;
  if (found.depth < edit.path.size() && size_of(node) > 0) {
    return {node.begin, text.size()};  // an append; that it only adds is checked apart
  }
  const bool scalars = node.kind != Kind::kMapping && node.kind != Kind::kSequence &&
                       (edit.value.kind == Kind::kScalar || edit.value.kind == Kind::kNull) &&
                       found.depth == edit.path.size();
  if (scalars) return {slot_begin(found), node.end + 1};
  if (node.kind == Kind::kNull && found.parent == nullptr) return {0, text.size()};
  Region region{slot_begin(found), line_end(text, node.end), 0, 0};
  if (size_of(node) > 0 || node.flow) with_content(document, slot_begin(found), node, region);
  // Items may have been added behind comment lines that belong to a list.
  while (text.find_first_not_of(" \t\r\n", region.end) < text.size() &&
         text[text.find_first_not_of(" \t\r\n", region.end)] == '#') {
    region.end = line_end(text, text.find_first_not_of(" \t\r\n", region.end));
  }
  return region;
}

Region region_of_remove(const Document& document, const Edit& edit) {
  const std::string& text = document.text();
  Path path = edit.path;
  Found found = find(document.root(), path);
  REQUIRE(found.parent != nullptr);  // there is something to remove
  while (path.size() > 1 && path.size() - 1 > edit.keep && size_of(*found.parent) == 1) {
    path.pop_back();
    found = find(document.root(), path);
    REQUIRE(found.parent != nullptr);
  }
  const Node& parent = *found.parent;
  if (size_of(parent) == 1) {
    path.pop_back();
    const Found outer = find(document.root(), path);
    Region region{slot_begin(outer), line_end(text, parent.end)};
    with_content(document, slot_begin(outer), parent, region);
    return region;
  }
  const std::size_t before =
      found.index == 0 ? slot_begin(find(document.root(), Path(path.begin(), path.end() - 1)))
                       : child_of(parent, found.index - 1).end;
  std::size_t end = std::min(line_end(text, found.node->end) + 1, text.size());
  if (found.index + 1 < size_of(parent)) {
    const Node& next = child_of(parent, found.index + 1);
    const std::size_t next_begin =
        parent.kind == Kind::kMapping ? parent.entries[found.index + 1].key.begin : next.begin;
    end = std::max(end, next_begin);
  } else if (parent.flow) {
    end = std::max(end, parent.end);
  }
  const std::size_t own =
      parent.kind == Kind::kMapping ? parent.entries[found.index].key.begin : found.node->begin;
  const std::size_t lossy = parent.flow ? own : found.index == 0 ? before : line_end(text, before);
  return {before, end, lossy, end};
}

Region region_of(const Document& document, const Edit& edit) {
  const Found found = find(document.root(), edit.path);
  if (edit.op == Op::kRemove) return region_of_remove(document, edit);
  if (edit.op == Op::kSet) return region_of_set(document, found, edit);
  return {slot_begin(found), std::max(found.node->content, found.node->end)};
}

std::string check_bytes(const Document& document, const std::string& after, const Edit& edit,
                        int comments) {
  const std::string& before = document.text();
  const Region region = region_of(document, edit);
  const std::size_t rest = before.size() - std::min(region.end, before.size());
  if (before.compare(0, region.begin, after, 0, region.begin) != 0) {
    return "a byte before the edited place has changed";
  }
  if (after.size() < rest ||
      after.compare(after.size() - rest, rest, before, before.size() - rest, rest) != 0) {
    return "a byte behind the edited place has changed";
  }
  for (int i = 0; i < comments; ++i) {
    const std::string comment = fmt::format("#~{}~ k: [v", i);
    const std::size_t at = before.find(comment);
    if (at == std::string::npos || after.find(comment) != std::string::npos) continue;
    if (at < region.lossy_begin || at >= region.lossy_end) return "lost the comment " + comment;
  }
  return {};
}

// New entries and items only add bytes (in flow style: with a comma elsewhere).
bool only_adds(const std::string& before, const std::string& after) {
  std::size_t at = 0;
  for (const char c : after) {
    if (at < before.size() && before[at] == c) ++at;
  }
  return at == before.size();
}

// Whether the old value comes back byte by byte when it is set again after this one.
bool comes_back(const Document& document, const Node& node, const NewNode& value) {
  if (node.kind != Kind::kScalar || value.kind != Kind::kScalar || node.tag != value.tag ||
      document.text().find('\n', node.content) < node.end) {
    return false;
  }
  const std::string written = document.text().substr(node.content, node.end - node.content);
  if (written == quote_single(node.value)) return value.text && fits_single(value.value);
  if (written == quote_double(node.value)) return value.text;
  // Between braces it depends on whether all other strings are in quotes, as in JSON.
  const bool plain =
      written == node.value && fits_plain(value.value, true) && !document.root().flow;
  return plain && !(value.text && plain_has_type(value.value)) && !is_null_word(value.value);
}

// ---- the test ----

struct Counts {
  std::size_t edits = 0;
  std::size_t refused_rightly = 0;
  std::size_t refused_needlessly = 0;
  std::size_t unchanged = 0;
  std::size_t set_back = 0;
};

std::string set_back(const Document& document, const Result<std::string>& edited, const Edit& edit,
                     Counts& counts) {
  const Found found = find(document.root(), edit.path);
  const bool whole = edit.op == Op::kSet && found.depth == edit.path.size();
  if (!whole || !comes_back(document, *found.node, edit.value)) return {};
  ++counts.set_back;
  NewNode old;
  old.tag = found.node->tag;
  old.value = found.node->value;
  old.text = found.node->quoted;
  const auto back = set(Document::parse(*edited, "back").value(), edit.path, old);
  if (!back) return "set back is refused: " + back.error().message;
  return back->text() == document.text() ? "" : "set back gives another text:\n" + back->text();
}

// One edit; an empty text, or what is wrong. The sample is then the edited one.
std::string run_edit(Sample& sample, const Edit& edit, Counts& counts) {
  const Document document = Document::parse(sample.text, "sample").value();
  Model model = sample.model;
  const Verdict verdict = expect(model, edit);
  const auto edited = apply_to(document, edit);
  ++counts.edits;
  if (!edited) {
    if (verdict == Verdict::kRefused || verdict == Verdict::kEither) {
      ++counts.refused_rightly;
      return {};
    }
    ++counts.refused_needlessly;
    if (std::getenv("KSCPUSH_SHOW_REFUSED") != nullptr) {  // NOLINT(concurrency-mt-unsafe)
      MESSAGE(to_text(edit), "\n", edited.error().message, "\n", sample.text);
    }
    return {};
  }
  if (verdict == Verdict::kRefused) return "is not refused:\n" + *edited;
  if (verdict == Verdict::kUnchanged) {
    ++counts.unchanged;
    return *edited == sample.text ? "" : "changes bytes:\n" + *edited;
  }
  const auto after = Document::parse(*edited, "edited");
  if (!after) return "does not parse: " + after.error().message;
  std::string wrong = difference(*after, model, after->root());
  if (wrong.empty()) wrong = check_bytes(document, *edited, edit, sample.comments);
  if (wrong.empty()) wrong = set_back(document, edited, edit, counts);
  const Found found = find(document.root(), edit.path);
  const bool append =
      edit.op == Op::kSet && found.depth < edit.path.size() && size_of(*found.node) > 0;
  if (wrong.empty() && append && !only_adds(sample.text, *edited)) wrong = "takes bytes away";
  if (!wrong.empty()) return wrong + "\n-- after:\n" + *edited;
  sample.text = *edited;
  sample.model = std::move(model);
  return {};
}

}  // namespace

TEST_CASE("yaml editor: random edits of random files") {
  const std::size_t cases = environment("KSCPUSH_PROPERTY_CASES", kDefaultCases);
  const std::size_t first = environment("KSCPUSH_SEED", kDefaultSeed);
  Counts counts;
  for (std::size_t seed = first; counts.edits < cases; ++seed) {
    Random random(seed);
    Sample sample = generate(random);
    const auto document = Document::parse(sample.text, "sample");
    if (!document) {
      FAIL("KSCPUSH_SEED=", seed, " does not parse: ", document.error().message, "\n", sample.text);
    }
    const std::string wrong = difference(*document, sample.model, document->root());
    if (!wrong.empty()) FAIL("KSCPUSH_SEED=", seed, " reads wrong: ", wrong, "\n", sample.text);
    for (std::size_t i = 0; i < kEditsPerFile; ++i) {
      const Edit edit = random_edit(random, sample.model);
      const std::string before = sample.text;
      const std::string failure = run_edit(sample, edit, counts);
      if (!failure.empty()) {
        FAIL("KSCPUSH_SEED=", seed, "\n-- edit: ", to_text(edit), "\n-- ", failure,
             "\n-- before:\n", before);
      }
    }
  }
  MESSAGE(counts.edits, " edits, ", counts.refused_rightly, " rightly refused, ",
          counts.refused_needlessly, " needlessly, ", counts.unchanged, " without effect, ",
          counts.set_back, " set back");
  CHECK(counts.refused_needlessly * 1000 <= counts.edits * kMaxRefusedPerMille);
  CHECK(counts.refused_rightly * 4 < counts.edits);
  CHECK(counts.set_back * 50 > counts.edits);
}

}  // namespace kscpush::yaml
