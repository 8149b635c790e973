#include "core/prometheus.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>

#include "core/mqtt/utf8.hpp"
#include "core/numbers.hpp"

namespace kscpush::prometheus {
namespace {

constexpr std::array<std::string_view, 5> kTypes{"counter", "gauge", "histogram", "summary",
                                                 "untyped"};
constexpr std::array<std::string_view, 3> kSuffixes{"_bucket", "_sum", "_count"};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_control(unsigned char c) {
  return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
}

bool is_name(std::string_view text, bool colons) {
  const auto first = [&](char c) { return is_letter(c) || (colons && c == ':'); };
  return !text.empty() && first(text[0]) &&
         std::ranges::all_of(text, [&](char c) { return first(c) || is_digit(c); });
}

bool is_value(std::string_view text) {
  if (text == "NaN" || text == "+Inf" || text == "-Inf" || text == "Inf") return true;
  const bool is_signed = text.starts_with('+') || text.starts_with('-');
  const std::string_view digits = is_signed ? text.substr(1) : text;
  if (text.starts_with('+')) text = digits;  // from_chars() does not know it
  if (digits.empty() || (!is_digit(digits[0]) && digits[0] != '.')) return false;
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  // Beyond a double's range it is still a number.
  return end == text.data() + text.size() &&
         (code == std::errc() || code == std::errc::result_out_of_range);
}

std::string escape(std::string_view text, bool quotes) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    if (c == '\n') {
      result += "\\n";
      continue;
    }
    if (c == '\\' || (quotes && c == '"')) result += '\\';
    // As parse() refuses them, wherever they come from.
    result += is_control(static_cast<unsigned char>(c)) ? '?' : c;
  }
  return result;
}

std::string series_of(const Sample& sample) {
  Labels labels = sample.labels;
  std::ranges::sort(labels);
  std::string text = sample.name + "{";
  for (const auto& [name, value] : labels) {
    text += fmt::format("{}=\"{}\",", name, escape(value, /*quotes=*/true));
  }
  return text + "}";
}

bool has(const Labels& labels, std::string_view name) {
  return std::ranges::find(labels, name, &Labels::value_type::first) != labels.end();
}

void make_room(Labels& own, const Labels& added) {
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (!has(added, own[i].first)) continue;
    std::string name = own[i].first;
    do {
      name = "exported_" + name;
    } while (has(own, name) || has(added, name));
    own[i].first = std::move(name);
  }
}

// A line, from the left.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool skip_blanks() {
    const std::size_t count = std::min(rest_.find_first_not_of(" \t"), rest_.size());
    rest_.remove_prefix(count);
    return count > 0;
  }
  std::string_view word(std::string_view ends) {
    const std::string_view found = rest_.substr(0, rest_.find_first_of(ends));
    rest_.remove_prefix(found.size());
    return found;
  }
  // Behind the first quote, up to the last; nothing for what is not closed, or another escape.
  std::optional<std::string> quoted() {
    std::string text;
    while (!rest_.empty()) {
      const char c = rest_[0];
      rest_.remove_prefix(1);
      if (c == '"') return text;
      if (c != '\\') {
        text += c;
        continue;
      }
      if (take('n')) {
        text += '\n';
      } else if (rest_.starts_with('\\') || rest_.starts_with('"')) {
        text += rest_[0];
        rest_.remove_prefix(1);
      } else {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

class Parser {
 public:
  Status line(std::string_view text) {
    Scanner scanner(text);
    scanner.skip_blanks();
    if (scanner.rest().empty()) return {};
    return scanner.take('#') ? comment(scanner) : sample(scanner);
  }

  std::vector<Family> take() {
    // A family that only has a comment says nothing.
    std::erase_if(families_, [](const Family& family) { return family.samples.empty(); });
    return std::move(families_);
  }

 private:
  Family& family(const std::string& name) {
    const auto [entry, added] = index_.emplace(name, families_.size());
    if (added) families_.emplace_back().name = name;
    return families_[entry->second];
  }

  Status comment(Scanner& scanner) {
    scanner.skip_blanks();
    const std::string_view what = scanner.word(" \t");
    if (what != "HELP" && what != "TYPE") return {};
    scanner.skip_blanks();
    const std::string name(scanner.word(" \t"));
    if (!is_metric_name(name)) return fail(ErrorCode::kUsage, "{} of no metric's name", what);
    scanner.skip_blanks();
    if (what == "HELP") return help(name, scanner.rest());
    std::string_view type = scanner.rest();
    type = type.substr(0, type.find_last_not_of(" \t") + 1);
    if (std::ranges::find(kTypes, type) == kTypes.end()) {
      return fail(ErrorCode::kUsage, "'{}' is no type of metric", type.substr(0, 40));
    }
    if (has_samples(name, type) || !typed_.insert(name).second) {
      return fail(ErrorCode::kUsage, "the type of {} comes twice, or behind its samples", name);
    }
    family(name).type = type;
    return {};
  }

  // Its own, or those that would have been its own had its type been known.
  bool has_samples(const std::string& name, std::string_view type) const {
    const auto any = [this](const std::string& of) {
      const auto found = index_.find(of);
      return found != index_.end() && !families_[found->second].samples.empty();
    };
    const bool has_parts = type == "histogram" || type == "summary";
    return any(name) || (has_parts && std::ranges::any_of(kSuffixes, [&](std::string_view suffix) {
                           return any(name + std::string(suffix));
                         }));
  }

  Status help(const std::string& name, std::string_view text) {
    if (!helped_.insert(name).second) {
      return fail(ErrorCode::kUsage, "the help of {} comes twice", name);
    }
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const bool escaped = text[i] == '\\' && i + 1 < text.size();
      if (escaped && (text[i + 1] == 'n' || text[i + 1] == '\\')) {
        plain += text[++i] == 'n' ? '\n' : '\\';
      } else {
        plain += text[i];
      }
    }
    family(name).help = std::move(plain);
    return {};
  }

  Status labels(Scanner& scanner, Labels& into) {
    for (;;) {
      scanner.skip_blanks();
      if (scanner.take('}')) return {};
      const std::string name(scanner.word("= \t,}\""));
      scanner.skip_blanks();
      if (!is_label_name(name) || !scanner.take('=')) {
        return fail(ErrorCode::kUsage, "a label is NAME=\"VALUE\"");
      }
      scanner.skip_blanks();
      auto value = scanner.take('"') ? scanner.quoted() : std::nullopt;
      if (!value) {
        return fail(ErrorCode::kUsage, "the value of label {} is not quoted as it must be", name);
      }
      if (has(into, name)) {
        return fail(ErrorCode::kUsage, "label {} comes twice", name);
      }
      into.emplace_back(name, std::move(*value));
      scanner.skip_blanks();
      if (scanner.take(',')) continue;
      if (!scanner.rest().starts_with('}')) {
        return fail(ErrorCode::kUsage, "behind a label comes ',' or '}}'");
      }
    }
  }

  Status sample(Scanner& scanner) {
    Sample sample;
    sample.name = scanner.word("{ \t");
    if (!is_metric_name(sample.name)) {
      return fail(ErrorCode::kUsage, "'{}' is no metric's name", sample.name.substr(0, 80));
    }
    bool apart = scanner.skip_blanks();
    if (scanner.take('{')) {
      if (auto read = labels(scanner, sample.labels); !read) return read;
      apart = true;
      scanner.skip_blanks();
    }
    sample.value = scanner.word(" \t");
    if (!apart || !is_value(sample.value)) {
      return fail(ErrorCode::kUsage, "{} has no value that is a number", sample.name);
    }
    scanner.skip_blanks();
    if (auto timed = timestamp(scanner); !timed) return timed;
    if (++samples_ > kMostSamples) {
      return fail(ErrorCode::kUsage, "more than {} samples", std::size_t{kMostSamples});
    }
    if (!series_.insert(series_of(sample)).second) {
      return fail(ErrorCode::kUsage, "{} comes twice with the same labels", sample.name);
    }
    family(family_name(sample.name)).samples.push_back(std::move(sample));
    return {};
  }

  static Status timestamp(Scanner& scanner) {
    const std::string_view text = scanner.word(" \t");
    scanner.skip_blanks();
    const bool right = to_number<std::int64_t>(text).has_value();
    if ((text.empty() || right) && scanner.rest().empty()) return {};
    return fail(ErrorCode::kUsage, "behind the value comes at most a timestamp in milliseconds");
  }

  // "x_sum" is of "x" when that is a histogram or a summary.
  std::string family_name(const std::string& name) const {
    for (const std::string_view suffix : kSuffixes) {
      if (!name.ends_with(suffix)) continue;
      const std::string base = name.substr(0, name.size() - suffix.size());
      const auto found = index_.find(base);
      if (found == index_.end()) continue;
      const std::string& type = families_[found->second].type;
      if (type == "histogram" || (type == "summary" && suffix != "_bucket")) return base;
    }
    return name;
  }

  std::vector<Family> families_;
  std::map<std::string, std::size_t> index_;
  std::set<std::string> typed_;
  std::set<std::string> helped_;
  std::set<std::string> series_;
  std::size_t samples_ = 0;
};

}  // namespace

bool is_metric_name(std::string_view text) {
  return is_name(text, /*colons=*/true);
}

// Those that begin with two underscores are Prometheus' own.
bool is_label_name(std::string_view text) {
  return is_name(text, /*colons=*/false) && !text.starts_with("__");
}

std::string to_metric_name(std::string_view text) {
  std::string name(text);
  std::ranges::replace_if(
      name, [](char c) { return !is_letter(c) && !is_digit(c) && c != ':'; }, '_');
  return name.empty() || is_digit(name[0]) ? "_" + name : name;
}

Result<std::vector<Family>> parse(std::string_view text) {
  if (!mqtt::is_utf8(text)) return fail(ErrorCode::kUsage, "the metrics are not UTF-8");
  if (std::ranges::any_of(text, [](char c) { return is_control(static_cast<unsigned char>(c)); })) {
    return fail(ErrorCode::kUsage, "the metrics hold a control character");
  }
  Parser parser;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (auto read = parser.line(line); !read) {
      return fail(within(fmt::format("line {}", number), read.error()));
    }
  }
  return parser.take();
}

std::string render(const std::vector<Family>& families) {
  std::string text;
  for (const Family& family : families) {
    if (!family.help.empty()) {
      text += fmt::format("# HELP {} {}\n", family.name, escape(family.help, /*quotes=*/false));
    }
    text += fmt::format("# TYPE {} {}\n", family.name, family.type);
    for (const Sample& sample : family.samples) {
      text += sample.name;
      for (std::size_t i = 0; i < sample.labels.size(); ++i) {
        const auto& [name, value] = sample.labels[i];
        text += fmt::format("{}{}=\"{}\"", i == 0 ? '{' : ',', name, escape(value, true));
      }
      text += fmt::format("{} {}\n", sample.labels.empty() ? "" : "}", sample.value);
    }
  }
  return text;
}

void Collection::add(std::vector<Family> families, const Labels& labels) {
  for (Family& family : families) {
    auto [found, added] = families_.try_emplace(family.name);
    Entry& entry = found->second;
    if (added) {
      entry.family = {family.name, family.type, family.help, {}};
    } else if (entry.family.type != family.type) {
      entry.family.type = "untyped";
    }
    for (Sample& sample : family.samples) {
      make_room(sample.labels, labels);
      sample.labels.insert(sample.labels.begin(), labels.begin(), labels.end());
      if (entry.series.emplace(series_of(sample), true).second) {
        entry.family.samples.push_back(std::move(sample));
      } else {
        ++left_out_;
      }
    }
  }
}

std::vector<Family> Collection::take() {
  std::vector<Family> result;
  for (auto& [name, entry] : families_) result.push_back(std::move(entry.family));
  families_.clear();
  return result;
}

}  // namespace kscpush::prometheus
