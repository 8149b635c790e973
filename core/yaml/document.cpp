#include "core/yaml/document.hpp"

#include <algorithm>
#include <istream>
#include <streambuf>
#include <unordered_map>

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/node/node.h>  // clang-tidy takes its declaration in parser.h for our Node
#include <yaml-cpp/parser.h>

#include "core/yaml/parse_error.hpp"
#include "core/yaml/scalar.hpp"
#include "core/yaml/text_check.hpp"
#include "core/yaml/tree_builder.hpp"

namespace kscpush::yaml {
namespace {

using Anchors = std::unordered_map<std::string_view, std::vector<const Node*>>;

// Gives yaml-cpp the text in pieces, and no more when it gathers tokens without handing out an
// event: it keeps a whole [...] or {...} in memory, with 200 bytes and more for each bracket, until
// it knows that the thing is no key.
class BoundedBuffer final : public std::streambuf {
 public:
  BoundedBuffer(std::string& text, const TreeBuilder& builder)
      : next_(text.data()), end_(text.data() + text.size()), builder_(builder) {}

  [[nodiscard]] bool exceeded() const { return pending_ > kMaxPending; }

 protected:
  int_type underflow() override {
    if (builder_.events() != events_) pending_ = 0;
    events_ = builder_.events();
    if (next_ == end_ || exceeded()) return traits_type::eof();
    char* const from = next_;
    next_ += std::min(kPiece, end_ - next_);
    pending_ += std::count_if(from, next_, token_byte);
    setg(from, from, next_);
    return traits_type::to_int_type(*from);
  }

 private:
  // Any token of a flow collection has one of these at its begin or before it.
  [[nodiscard]] static bool token_byte(char c) {
    return std::string_view("[]{},:?&*!\"'").find(c) != std::string_view::npos;
  }
  static constexpr std::ptrdiff_t kPiece = 16'384;
  static constexpr std::ptrdiff_t kMaxPending = 1'000'000;

  char* next_;
  char* const end_;
  const TreeBuilder& builder_;
  std::size_t events_ = 0;
  std::ptrdiff_t pending_ = 0;
};

void collect_anchors(const Node& node, Anchors& anchors) {
  if (!node.anchor.empty() && node.kind != Kind::kAlias) anchors[node.anchor].push_back(&node);
  for (const Node& item : node.items) collect_anchors(item, anchors);
  for (const Entry& entry : node.entries) {
    collect_anchors(entry.key, anchors);
    collect_anchors(entry.value, anchors);
  }
}

// Runs yaml-cpp over the text; its exceptions end here.
Status read_events(std::string& text, const std::string& name, TreeBuilder& builder) {
  BoundedBuffer buffer(text, builder);
  Error failure;
  try {
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const TreeError& error) {
    failure = to_error(error.mark, error.what, error.hint, name);
  } catch (const YAML::DeepRecursion& error) {
    failure =
        to_error({error.mark.line + 1, error.mark.column + 1},
                 fmt::format("nested deeper than {} levels", error.depth()),
                 "no setting is nested that deep; look for brackets that are not closed", name);
  } catch (const YAML::Exception& error) {
    failure = explain(error, builder.open_flow(), text, name);
  } catch (const std::exception& error) {
    failure = to_error({1, 1}, error.what(), "see that the file is YAML", name);
  }
  if (buffer.exceeded()) {
    const Mark mark = builder.outer_flow() != nullptr ? builder.outer_flow()->mark : Mark{1, 1};
    failure = to_error(mark, "too many values between brackets, or a bracket that is not closed",
                       "write large lists and mappings in block style, one line for each", name);
  }
  if (failure.message.empty()) return {};
  return fail(std::move(failure));
}

bool same_scalar(const Node& a, const Node& b) {
  return a.value == b.value && (a.quoted == b.quoted || !quotes_matter(a.value));
}

}  // namespace

struct Document::Content {
  std::string text;
  std::string name;
  Node root;
  Anchors anchors;  // the nodes of a name in the order of the text; names may be used again
};

const Node* Node::find(std::string_view key) const {
  if (kind != Kind::kMapping) return nullptr;
  const auto found = std::ranges::find_if(entries, [&](const Entry& entry) {
    return entry.key.kind == Kind::kScalar && entry.key.value == key;
  });
  return found == entries.end() ? nullptr : &found->value;
}

bool same_data(const Node& a, const Node& b) {
  if (a.kind != b.kind || a.tag != b.tag) return false;
  switch (a.kind) {
    case Kind::kNull:
      return true;
    case Kind::kScalar:
      return same_scalar(a, b);
    case Kind::kAlias:
      return a.anchor == b.anchor;
    case Kind::kSequence:
      return std::ranges::equal(a.items, b.items, same_data);
    case Kind::kMapping:
      return std::ranges::equal(a.entries, b.entries, [](const Entry& x, const Entry& y) {
        return same_data(x.key, y.key) && same_data(x.value, y.value);
      });
  }
  return false;
}

Document::Document() {
  static const auto kEmpty = [] {
    auto content = std::make_shared<Content>();
    content->root.mark = {1, 1};
    return content;
  }();
  content_ = kEmpty;
}

Result<Document> Document::parse(std::string text, std::string name) {
  if (text.size() > kMaxBytes) {
    return fail({ErrorCode::kInvalidConfig,
                 fmt::format("{}:1:1: the file has {} bytes, more than {} MiB", name, text.size(),
                             kMaxBytes >> 20),
                 "is it the right file? a configuration of 100,000 groups has about 10 MiB"});
  }
  if (auto checked = check_text(text, name); !checked) return fail(checked.error());

  auto content = std::make_shared<Content>();
  content->text = std::move(text);
  content->name = std::move(name);
  TreeBuilder builder(content->text);
  if (auto read = read_events(content->text, content->name, builder); !read) {
    return fail(read.error());
  }
  content->root = builder.take_root();
  if (builder.anchored()) collect_anchors(content->root, content->anchors);
  return Document(std::move(content));
}

const std::string& Document::text() const {
  return content_->text;
}
const std::string& Document::name() const {
  return content_->name;
}
const Node& Document::root() const {
  return content_->root;
}

const Node& Document::resolve(const Node& node) const {
  if (node.kind != Kind::kAlias) return node;
  const auto found = content_->anchors.find(node.anchor);
  if (found == content_->anchors.end()) return node;
  // The last one before the alias; parse() has made sure that there is one.
  const auto& nodes = found->second;
  const auto after = std::ranges::upper_bound(nodes, node.begin, {}, &Node::begin);
  return after == nodes.begin() ? node : **(after - 1);
}

std::string Document::at(const Node& node) const {
  return fmt::format("{}:{}:{}", content_->name, node.mark.line, node.mark.column);
}

}  // namespace kscpush::yaml
