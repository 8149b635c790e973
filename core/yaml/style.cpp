#include "core/yaml/style.hpp"

#include <algorithm>
#include <array>

#include "core/yaml/geometry.hpp"
#include "core/yaml/scalar.hpp"

namespace kscpush::yaml {
namespace {

constexpr std::size_t kMaxStep = 8;

// Counts votes; the more frequent wins, of equals the smaller.
class Survey {
 public:
  explicit Survey(const Document& document)
      : text_(document.text()), braces_(document.root().flow) {
    visit(document.root());
  }

  [[nodiscard]] Style result() const {
    Style style;
    style.step = winner(steps_, 1, 2);
    style.sequence_offset = winner(offsets_, 0, style.step);
    style.quote = single_ > double_ ? '\'' : '"';
    // JSON: braces around all, and no string without double quotes.
    if (braces_ && double_ > 0 && single_ == 0 && plain_strings_ == 0) style.always_quote = '"';
    style.flow_lists = flow_lists_ > block_lists_;
    return style;
  }

 private:
  using Votes = std::array<std::size_t, kMaxStep + 1>;

  static std::size_t winner(const Votes& votes, std::size_t from, std::size_t otherwise) {
    const auto* const best = std::max_element(votes.begin() + from, votes.end());
    return *best == 0 ? otherwise : static_cast<std::size_t>(best - votes.begin());
  }

  void visit(const Node& node) {
    if (node.kind == Kind::kScalar && node.quoted && node.content < text_.size()) {
      if (text_[node.content] == '\'') ++single_;
      if (text_[node.content] == '"') ++double_;
    }
    if (node.kind == Kind::kScalar && !node.quoted && !plain_has_type(node.value)) ++plain_strings_;
    for (const Node& item : node.items) visit(item);
    count_list(node);
    if (node.kind != Kind::kMapping) return;
    const std::size_t column = node.flow ? 0 : block_column(text_, node);
    for (const Entry& entry : node.entries) {
      visit(entry.key);
      visit(entry.value);
      if (!node.flow) count_nesting(entry.value, column);
    }
  }

  void count_list(const Node& node) {
    const auto scalar = [](const Node& item) { return item.kind == Kind::kScalar; };
    if (node.items.empty() || !std::ranges::all_of(node.items, scalar)) return;
    ++(node.flow ? flow_lists_ : block_lists_);
  }

  void count_nesting(const Node& value, std::size_t parent) {
    if (value.flow || child_count(value) == 0) return;
    const std::size_t column = block_column(text_, value);
    if (column < parent || column - parent > kMaxStep) return;
    ++(value.kind == Kind::kMapping ? steps_ : offsets_)[column - parent];
  }

  std::string_view text_;
  bool braces_;
  Votes steps_{};
  Votes offsets_{};
  std::size_t single_ = 0;
  std::size_t double_ = 0;
  std::size_t plain_strings_ = 0;
  std::size_t flow_lists_ = 0;
  std::size_t block_lists_ = 0;
};

}  // namespace

Style detect_style(const Document& document) {
  return Survey(document).result();
}

std::string_view line_break_near(std::string_view text, std::size_t at) {
  std::size_t found = text.find('\n', at);
  if (found == std::string_view::npos) found = at == 0 ? at : text.rfind('\n', at - 1);
  const bool with_return = found != std::string_view::npos && found > 0 && found < text.size() &&
                           text[found - 1] == '\r';
  return with_return ? "\r\n" : "\n";
}

}  // namespace kscpush::yaml
