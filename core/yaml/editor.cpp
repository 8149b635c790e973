#include "core/yaml/editor.hpp"

#include <algorithm>

#include "core/yaml/quoting.hpp"
#include "core/yaml/reconcile.hpp"
#include "core/yaml/style.hpp"
#include "core/yaml/surgery.hpp"
#include "core/yaml/trail.hpp"
#include "core/yaml/verify.hpp"
#include "core/yaml/writer.hpp"

namespace kscpush::yaml {
namespace {

std::string describe(const Path& path, std::size_t depth) {
  const std::string text =
      to_string(Path(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(depth)));
  return text.empty() ? "the document" : text;
}

// Makes the new text by CUT and returns it only if it reads as the old one with CHANGE. Where the
// first attempt does not, a second one avoids what depends most on its surroundings.
template <class Cut>
Edited perform(const Document& document, const Path& path, const Change& change, const Cut& cut) {
  const Style style = detect_style(document);
  for (const bool careful : {false, true}) {
    const Writer writer(style, careful);
    std::string text = spliced(document.text(), cut(Surgery{document, writer, document.text()}));
    auto after = Document::parse(std::move(text), document.name());
    if (after && is_changed_by(document, *after, change)) return after;
  }
  const Node& near = follow(document, path).last();
  return refuse(document, near,
                fmt::format("{} cannot be changed here without touching more of the file",
                            describe(path, path.size())),
                fmt::format("edit it by hand, near line {}; simpler YAML there helps (no '? ' keys,"
                            " no values over several lines)",
                            near.mark.line));
}

// The value in the mappings and lists that PATH names from STEP on.
NewNode wrap(const Path& path, std::size_t step, const NewNode& value) {
  NewNode result = value;
  for (std::size_t i = path.size(); i > step; --i) {
    NewNode outer;
    if (const auto* key = std::get_if<std::string>(&path[i - 1])) {
      outer.kind = Kind::kMapping;
      outer.entries.emplace_back(*key, std::move(result));
    } else {
      outer.kind = Kind::kSequence;
      outer.items.push_back(std::move(result));
    }
    result = std::move(outer);
  }
  return result;
}

// Fails when what the path needs there cannot be created below the last node of the trail.
Status check_creatable(const Document& document, const Trail& trail, const Path& path) {
  const Node& node = trail.last();
  const std::string name = describe(path, trail.depth());
  const bool by_key = std::holds_alternative<std::string>(path[trail.depth()]);
  if (node.kind == Kind::kAlias) {
    const Node& target = document.resolve(node);
    return refuse(
        document, node,
        fmt::format("{} is the alias *{} of line {}", name, node.anchor, target.mark.line),
        fmt::format("edit line {} by hand, for all who use it, or replace the alias by "
                    "a value of its own",
                    target.mark.line));
  }
  if (node.kind == Kind::kScalar || (node.kind == Kind::kSequence && by_key) ||
      (node.kind == Kind::kMapping && !by_key)) {
    const char* const is = node.kind == Kind::kScalar     ? "a single value"
                           : node.kind == Kind::kSequence ? "a list"
                                                          : "a mapping";
    return refuse(document, node,
                  fmt::format("{} is {}, not a {}", name, is, by_key ? "mapping" : "list"),
                  fmt::format("look at line {}; remove or replace it first", node.mark.line));
  }
  for (std::size_t i = trail.depth(); i < path.size(); ++i) {
    const auto* const index = std::get_if<std::size_t>(&path[i]);
    const std::size_t end = i == trail.depth() ? child_count(node) : 0;
    if (index != nullptr && *index != end) {
      return refuse(
          document, node,
          fmt::format("{} has {} items; item {} cannot be set", describe(path, i), end, *index),
          fmt::format("the next item is {}", end));
    }
  }
  return {};
}

// A key that only a merge brings in may be overridden, but nothing below it be changed.
Status check_not_merged(const Document& document, const Trail& trail, const Path& path) {
  const Node& node = trail.last();
  if (node.kind != Kind::kMapping || trail.depth() + 1 == path.size()) return {};
  const Path merged(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(trail.depth() + 1));
  const Node* const found = read(document, merged);
  if (found == nullptr) return {};
  return refuse(
      document, *found,
      fmt::format("{} comes from here by a merge key (<<)", describe(path, trail.depth() + 1)),
      fmt::format("edit line {} by hand, for all who merge it, or write {} out in line "
                  "{} and below",
                  found->mark.line, describe(path, trail.depth() + 1), node.mark.line));
}

Edited create(const Document& document, const Path& path, const Trail& trail,
              const NewNode& value) {
  if (auto status = check_creatable(document, trail, path); !status) return fail(status.error());
  if (auto status = check_not_merged(document, trail, path); !status) return fail(status.error());
  if (auto status = check_not_shared(document, trail); !status) return fail(status.error());
  const Node& node = trail.last();
  const std::size_t depth = trail.depth();
  // {} and [] are filled where one value fits between the brackets, else they make way.
  const bool small =
      depth + 1 == path.size() && (value.kind == Kind::kScalar || value.kind == Kind::kNull);
  const bool append = child_count(node) > 0 || (node.flow && (small || trail.in_flow()));
  const auto* const key = std::get_if<std::string>(&path[depth]);
  NewNode added = wrap(path, append ? depth + 1 : depth, value);
  if (!append) added.tag = node.tag;
  const Change change{append ? Change::Kind::kAppend : Change::Kind::kReplace, trail.indexes,
                      &added, key == nullptr ? std::string() : *key};
  return perform(document, path, change, [&](const Surgery& surgery) {
    return append ? surgery.append(trail, change.key, added) : surgery.replace(trail, added);
  });
}

// Each small edit parses the text; lists that differ in more places are written anew. Large files
// get fewer of them, so that the time is bounded.
int max_small_edits(std::size_t bytes) {
  constexpr std::size_t kMaxEdits = 40;
  constexpr std::size_t kMaxParsed = std::size_t{8} << 20;
  return static_cast<int>(std::min(kMaxEdits, 1 + kMaxParsed / (bytes + 1)));
}

Edited set_counted(const Document& document, const Path& path, const NewNode& value, int& edits) {
  const Node* const present = read(document, path);
  if (present != nullptr && reads_as(document, *present, value)) return document;
  const Trail trail = follow(document, path);
  if (trail.depth() < path.size()) return create(document, path, trail, value);
  if (auto status = check_not_shared(document, trail); !status) return fail(status.error());
  const Change change{Change::Kind::kReplace, trail.indexes, &value, {}};
  const bool collections = trail.last().kind == value.kind && child_count(trail.last()) > 0 &&
                           !(value.items.empty() && value.entries.empty());
  if (collections) {
    auto after = reconcile(document, path, value, set_counted, edits);
    if (after && is_changed_by(document, *after, change)) return std::move(*after);
  }
  if (auto status = check_not_needed(document, trail.last()); !status) {
    return fail(status.error());
  }
  return perform(document, path, change,
                 [&](const Surgery& surgery) { return surgery.replace(trail, value); });
}

}  // namespace

std::string to_string(const Path& path) {
  std::string result;
  for (const Step& step : path) {
    if (const auto* index = std::get_if<std::size_t>(&step)) {
      result += fmt::format("[{}]", *index);
      continue;
    }
    const auto& key = std::get<std::string>(step);
    const bool plain = !key.empty() && std::ranges::all_of(key, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_' || c == '-';
    });
    if (!plain) {
      result += fmt::format("[{}]", quote_double(key));
    } else {
      result += (result.empty() ? "" : ".") + key;
    }
  }
  return result;
}

Edited set(const Document& document, const Path& path, const NewNode& value) {
  if (auto status = check_writable(wrap(path, 0, value)); !status) return fail(status.error());
  int edits = max_small_edits(document.text().size());
  return set_counted(document, path, value, edits);
}

Edited remove(const Document& document, const Path& path, std::size_t keep) {
  Trail trail = follow(document, path);
  if (path.empty()) {
    return fail({ErrorCode::kUsage, "the whole document cannot be removed", "remove the file"});
  }
  if (trail.depth() < path.size()) {
    const Node* const found = read(document, path);
    if (found == nullptr) return document;
    return refuse(document, *found,
                  fmt::format("{} comes from here, by an alias or a merge key (<<) at line {}",
                              describe(path, path.size()), trail.last().mark.line),
                  fmt::format("edit line {} by hand, for all who use it", found->mark.line));
  }
  while (trail.depth() > 1 && trail.depth() - 1 > keep && child_count(trail.parent()) == 1) {
    trail = trail.up_to(trail.depth() - 1);
  }
  const Trail parent = trail.up_to(trail.depth() - 1);
  if (auto status = check_not_shared(document, parent); !status) return fail(status.error());
  if (auto status = check_not_needed(document, trail.last()); !status) {
    return fail(status.error());
  }
  Change change{Change::Kind::kErase, parent.indexes, nullptr, {}};
  change.index = trail.indexes.back();
  return perform(document, path, change,
                 [&](const Surgery& surgery) { return surgery.erase(trail); });
}

Edited set_tag(const Document& document, const Path& path, std::string_view tag) {
  NewNode value;
  value.tag = tag;
  if (auto status = check_writable(value); !status) return fail(status.error());
  const Trail trail = follow(document, path);
  if (trail.depth() < path.size()) {
    return fail(ErrorCode::kNotFound, "{}: there is no {}", document.name(), to_string(path));
  }
  if (trail.last().tag == tag) return document;
  if (trail.last().kind == Kind::kAlias) {
    return refuse(document, trail.last(), "an alias cannot have a tag",
                  "replace the alias by a value of its own");
  }
  if (auto status = check_not_shared(document, trail); !status) return fail(status.error());
  const Change change{Change::Kind::kRetag, trail.indexes, &value, {}};
  return perform(document, path, change,
                 [&](const Surgery& surgery) { return surgery.retag(trail, tag); });
}

}  // namespace kscpush::yaml
