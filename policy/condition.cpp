#include "policy/condition.hpp"

#include <algorithm>
#include <optional>

#include "core/site/model.hpp"

namespace kscpush::policy {
namespace {

// '*' stands for any text, '?' for one byte. Linear but for one remembered star.
bool glob(std::string_view text, std::string_view pattern) {
  std::size_t t = 0;
  std::size_t p = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::string_view text_of(const DeviceFacts& device, Condition::Property property) {
  switch (property) {
    case Condition::Property::kId:
      return device.id;
    case Condition::Property::kPlatform:
      return device.platform;
    case Condition::Property::kGroup:
      return device.group;
    case Condition::Property::kTags:
    case Condition::Property::kAddress:
      return {};
  }
  return {};
}

}  // namespace

bool Condition::compare(const Comparison& c, const DeviceFacts& device) {
  if (c.property == Property::kTags)
    return std::ranges::find(device.tags, c.value) != device.tags.end();
  if (c.property == Property::kAddress) {
    const auto address = parse_ip(device.address);
    const bool inside = address && c.network.contains(*address);
    return c.op == Operator::kNotEqual ? !inside : inside;
  }
  const std::string_view text = text_of(device, c.property);
  switch (c.op) {
    case Operator::kEqual:
      return text == c.value;
    case Operator::kNotEqual:
      return text != c.value;
    case Operator::kMatches:
      return glob(text, c.value);
    case Operator::kWithin:
      return site::within_group(text, c.value);
    case Operator::kContains:
      break;
  }
  return false;
}

bool Condition::holds(const DeviceFacts& device) const {
  std::int32_t at = 0;
  while (at >= 0) {
    const Comparison& comparison = comparisons_[static_cast<std::size_t>(at)];
    at = compare(comparison, device) ? comparison.if_true : comparison.if_false;
  }
  return at == kTrue;
}

// --- Parsing

namespace {

using Property = Condition::Property;
using Operator = Condition::Operator;

struct Word {
  std::string text;
  std::size_t column = 0;  // from 1
  bool quoted = false;
  bool end = false;

  [[nodiscard]] bool is(std::string_view what) const { return !quoted && !end && text == what; }
};

struct PropertyRow {
  std::string_view name;
  Property property;
  std::string_view operators;  // for the message
};

constexpr PropertyRow kProperties[] = {
    {"id", Property::kId, "==, !=, matches"},
    {"platform", Property::kPlatform, "==, !=, matches"},
    {"group", Property::kGroup, "==, !=, matches, within"},
    {"tags", Property::kTags, "contains"},
    {"address", Property::kAddress, "==, !=, within"},
};

constexpr std::pair<std::string_view, Operator> kOperators[] = {{"==", Operator::kEqual},
                                                                {"!=", Operator::kNotEqual},
                                                                {"matches", Operator::kMatches},
                                                                {"within", Operator::kWithin},
                                                                {"contains", Operator::kContains}};

bool allowed(Property property, Operator op) {
  switch (op) {
    case Operator::kEqual:
    case Operator::kNotEqual:
      return property != Property::kTags;
    case Operator::kMatches:
      return property != Property::kTags && property != Property::kAddress;
    case Operator::kWithin:
      return property == Property::kGroup || property == Property::kAddress;
    case Operator::kContains:
      return property == Property::kTags;
  }
  return false;
}

bool word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         static_cast<unsigned char>(c) >= 0x80 ||
         std::string_view("._:-/*?").find(c) != std::string_view::npos;
}

}  // namespace

// Builds the jumps while it parses: each part of the expression gets the places where its outcome
// is still to be filled in.
class ConditionParser {
 public:
  explicit ConditionParser(std::string_view text) : text_(text) {}

  tl::expected<Condition, ConditionError> run() {
    if (text_.size() > Condition::kLongest) {
      return tl::make_unexpected(ConditionError{
          1, fmt::format("a condition has at most {} bytes", Condition::kLongest), ""});
    }
    next();
    Outcome outcome = expression(0);
    if (!error_ && !word_.end) {
      fail(word_.column, fmt::format("'{}' does not belong here", word_.text),
           "join comparisons with 'and' or 'or'");
    }
    if (error_) return tl::make_unexpected(std::move(*error_));
    fill(outcome.when_true, Condition::kTrue);
    fill(outcome.when_false, Condition::kFalse);
    return std::move(condition_);
  }

 private:
  // Jumps that are not filled in yet: the comparison's index, and which of its two.
  using Jumps = std::vector<std::pair<std::size_t, bool>>;
  struct Outcome {
    Jumps when_true;
    Jumps when_false;
  };

  void fill(const Jumps& jumps, std::int32_t target) {
    for (const auto& [index, if_true] : jumps) {
      auto& comparison = condition_.comparisons_[index];
      (if_true ? comparison.if_true : comparison.if_false) = target;
    }
  }
  [[nodiscard]] std::int32_t here() const {
    return static_cast<std::int32_t>(condition_.comparisons_.size());
  }

  static void append(Jumps& to, Jumps&& from) { to.insert(to.end(), from.begin(), from.end()); }

  Outcome expression(int depth) {
    Outcome left = term(depth);
    while (!error_ && word_.is("or")) {
      next();
      fill(left.when_false, here());
      Outcome right = term(depth);
      append(left.when_true, std::move(right.when_true));
      left.when_false = std::move(right.when_false);
    }
    return left;
  }

  Outcome term(int depth) {
    Outcome left = factor(depth);
    while (!error_ && word_.is("and")) {
      next();
      fill(left.when_true, here());
      Outcome right = factor(depth);
      append(left.when_false, std::move(right.when_false));
      left.when_true = std::move(right.when_true);
    }
    return left;
  }

  Outcome factor(int depth) {
    if (depth > Condition::kDeepest) {
      fail(word_.column, "the condition is nested too deeply", "");
      return {};
    }
    if (word_.is("not")) {
      next();
      Outcome inner = factor(depth + 1);
      std::swap(inner.when_true, inner.when_false);
      return inner;
    }
    if (word_.is("(")) {
      const std::size_t opened = word_.column;
      next();
      Outcome inner = expression(depth + 1);
      if (!error_ && !word_.is(")")) fail(opened, "this '(' has no ')'", "");
      next();
      return inner;
    }
    return comparison();
  }

  Outcome comparison() {
    Condition::Comparison result;
    const PropertyRow* const row = property();
    if (row == nullptr) return {};
    result.property = row->property;
    const Word op = word_;
    if (!read_operator(*row, result.op)) return {};
    next();
    if (word_.end || word_.is(")") || word_.is("(")) {
      fail(word_.column, fmt::format("a value is missing behind '{}'", op.text),
           "a value is a word, or a text in quotes");
      return {};
    }
    result.value = word_.text;
    if (result.property == Property::kAddress && !read_network(result)) return {};
    next();
    const auto index = static_cast<std::size_t>(here());
    condition_.comparisons_.push_back(std::move(result));
    return {{{index, true}}, {{index, false}}};
  }

  const PropertyRow* property() {
    if (error_) return nullptr;
    for (const PropertyRow& row : kProperties) {
      if (!word_.is(row.name)) continue;
      next();
      return &row;
    }
    fail(word_.column,
         word_.end ? "a comparison is missing here"
                   : fmt::format("'{}' is not a property of a device", word_.text),
         "properties are: id, group, tags, platform, address");
    return nullptr;
  }

  bool read_operator(const PropertyRow& row, Operator& op) {
    for (const auto& [name, known] : kOperators) {
      if (!word_.is(name)) continue;
      if (allowed(row.property, known)) {
        op = known;
        return true;
      }
      fail(word_.column, fmt::format("'{}' cannot be used with {}", name, row.name),
           fmt::format("operators of {}: {}", row.name, row.operators));
      return false;
    }
    fail(word_.column, fmt::format("an operator is missing behind '{}'", row.name),
         fmt::format("operators of {}: {}", row.name, row.operators));
    return false;
  }

  bool read_network(Condition::Comparison& c) {
    const bool network = c.op == Operator::kWithin;
    const auto parsed = IpNetwork::parse(c.value);
    if (parsed && (network || c.value.find('/') == std::string::npos)) {
      c.network = *parsed;
      return true;
    }
    fail(word_.column,
         fmt::format("'{}' is not {}", c.value, network ? "a network" : "an IP address"),
         "for example: address within 10.0.0.0/8");
    return false;
  }

  void next() {
    if (error_) return;
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) {
      ++at_;
    }
    word_ = Word{"", at_ + 1, false, at_ == text_.size()};
    if (word_.end) return;
    const char first = text_[at_];
    if (first == '"' || first == '\'') {
      read_quoted(first);
    } else if (first == '(' || first == ')') {
      word_.text = text_.substr(at_++, 1);
    } else if (text_.substr(at_, 2) == "==" || text_.substr(at_, 2) == "!=") {
      word_.text = text_.substr(at_, 2);
      at_ += 2;
    } else {
      const std::size_t from = at_;
      while (at_ < text_.size() && word_char(text_[at_])) ++at_;
      word_.text = text_.substr(from, at_ - from);
      if (word_.text.empty()) {
        fail(word_.column, fmt::format("'{}' cannot stand here", first),
             "write == for equal; put values with other characters in quotes");
      }
    }
  }

  void read_quoted(char quote) {
    const std::size_t close = text_.find(quote, at_ + 1);
    if (close == std::string_view::npos) {
      fail(word_.column, "this quote is not closed", "");
      return;
    }
    word_.quoted = true;
    word_.text = text_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
  }

  // The first error stands; what follows it would only be its echo.
  void fail(std::size_t column, std::string message, std::string hint) {
    if (!error_) error_ = ConditionError{column, std::move(message), std::move(hint)};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Word word_;
  std::optional<ConditionError> error_;
  Condition condition_;
};

tl::expected<Condition, ConditionError> Condition::parse(std::string_view text) {
  return ConditionParser(text).run();
}

}  // namespace kscpush::policy
