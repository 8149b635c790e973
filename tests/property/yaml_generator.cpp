#include "tests/property/yaml_generator.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/yaml/quoting.hpp"
#include "core/yaml/scalar.hpp"

namespace kscpush::yaml {
namespace {

const std::vector<std::string> kTags{"!locked", "!x", "tag:yaml.org,2002:int", "!a/b"};

// How a whole file is written.
struct FileStyle {
  std::size_t step = 2;
  std::size_t offset = 2;  // of lists below their key
  std::size_t gap = 1;     // behind a dash
  std::size_t comments = 15;
  std::size_t blank_lines = 10;
  std::size_t flow = 25;
  bool anchors = false;
  bool odd = false;  // explicit keys and values over several lines
};

class TextMaker {
 public:
  TextMaker(Random& random, Sample& sample) : random_(random), sample_(sample) {
    style_.step = 1 + random_.below(4);
    style_.offset = random_.chance(40) ? 0 : style_.step;
    style_.gap = random_.chance(80) ? 1 : 1 + random_.below(3);
    style_.comments = random_.chance(30) ? 0 : random_.below(30);
    style_.blank_lines = random_.chance(40) ? 0 : random_.below(25);
    style_.flow = random_.below(60);
    style_.anchors = random_.chance(40);
    style_.odd = random_.chance(40);
  }

  void document() {
    if (random_.chance(5)) text_ += "%YAML 1.2\n---\n";
    filler(0);
    if (text_.empty() && random_.chance(10)) text_ += "---\n";
    Model& root = sample_.model;
    if (random_.chance(85)) {
      root = random_collection(Kind::kMapping, 3);
    } else {
      root = random_.chance(90) ? random_collection(Kind::kSequence, 3) : random_scalar(random_);
    }
    if (root.kind == Kind::kScalar || root.size() == 0 || random_.chance(5)) {
      flow(root, style_.step);
      end_line();
    } else {
      block(root, 0, false);
    }
    if (random_.chance(20)) filler(0);
    if (random_.chance(5)) text_ += "...\n";
    if (random_.chance(25) && !keep_final_) text_.pop_back();
  }

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  // The shape of a value is made when it is written, since an alias needs an anchor before it.
  Model random_collection(Kind kind, int depth) {
    Model model;
    model.kind = kind;
    const std::size_t count = random_.chance(8) ? 0 : 1 + random_.below(depth > 2 ? 6 : 4);
    for (std::size_t i = 0; i < count; ++i) {
      Model value =
          depth > 0 && random_.chance(45)
              ? random_collection(random_.chance(60) ? Kind::kMapping : Kind::kSequence, depth - 1)
              : random_scalar(random_);
      if (kind == Kind::kSequence) {
        model.items.push_back(std::move(value));
        continue;
      }
      std::string key = random_key(random_);
      const bool taken =
          std::ranges::any_of(model.entries, [&](const auto& entry) { return entry.first == key; });
      if (!taken) model.entries.emplace_back(std::move(key), std::move(value));
    }
    return model;
  }

  std::string comment() { return fmt::format("#~{}~ k: [v", sample_.comments++); }

  // Blank lines and comment lines.
  void filler(std::size_t indent) {
    if (kept_literal_) return;
    while (random_.chance(style_.blank_lines)) {
      text_ += below_text_ || random_.chance(80) ? "\n" : "  \n";
    }
    while (random_.chance(style_.comments)) {
      // Below a block scalar what is indented more would be its text.
      const std::size_t column =
          below_text_ || random_.chance(80) ? indent : random_.below(indent + 3);
      text_ += std::string(column, ' ') + comment() + "\n";
      if (random_.chance(style_.blank_lines)) text_ += "\n";
    }
  }

  void end_line() {
    if (random_.chance(style_.comments)) {
      text_ += (random_.chance(90) ? std::string(1 + random_.below(4), ' ') : "\t") + comment();
    } else if (random_.chance(3)) {
      text_ += "  ";
    }
    text_ += "\n";
    kept_literal_ = keep_final_ = below_text_ = false;
  }

  // Perhaps turns the value into an alias, or gives it a tag and an anchor: " &a !t".
  std::string properties(Model& model) {
    if (style_.anchors && !ready_.empty() && random_.chance(20)) {
      const std::string& name = random_.pick(ready_);
      // Not of a node that is not complete yet, whose name was used before.
      if (std::ranges::find(open_, name) == open_.end()) {
        model = {};
        model.kind = Kind::kAlias;
        model.anchor = name;
        return {};
      }
    }
    std::string anchor;
    std::string tag;
    if (random_.chance(8)) {
      model.tag = random_.pick(kTags);
      tag = model.tag.starts_with('!') ? model.tag : "!!int";
      if (model.tag == "!x" && random_.chance(30)) tag = "!<!x>";
    }
    if (style_.anchors && random_.chance(20)) {
      // Names may be used again.
      model.anchor = fmt::format("n{}", random_.chance(90) ? anchors_++ : random_.below(3));
      anchor = "&" + model.anchor;
      open_.push_back(model.anchor);
    }
    if (tag.empty() || anchor.empty())
      return tag.empty() && anchor.empty() ? "" : " " + tag + anchor;
    return random_.chance(50) ? " " + tag + " " + anchor : " " + anchor + " " + tag;
  }

  // From now on an alias may name it.
  void complete(const Model& model) {
    if (model.anchor.empty() || model.kind == Kind::kAlias) return;
    ready_.push_back(model.anchor);
    open_.pop_back();
  }

  void merge(Model& model) {
    const bool can = style_.anchors && !mappings_.empty() && random_.chance(20);
    if (can) {
      Model alias;
      alias.kind = Kind::kAlias;
      alias.anchor = random_.pick(mappings_);
      // Names may be used again for what is no mapping.
      const bool once = std::ranges::count(ready_, alias.anchor) == 1;
      const bool open = std::ranges::find(open_, alias.anchor) != open_.end();
      if (once && !open) model.entries.emplace_back("<<", alias);
    }
  }

  std::string key(const std::string& text, bool in_flow, bool json) {
    const bool plain = fits_plain(text, in_flow) && !plain_has_type(text);
    if (text == "<<") return text;
    if (json || (!plain && !fits_single(text))) return quote_double(text);
    if (!plain || random_.chance(10)) {
      return random_.chance(50) ? quote_single(text) : quote_double(text);
    }
    return text;
  }

  // The children of a collection, from column INDENT; the first one may begin where the text ends.
  void block(Model& model, std::size_t indent, bool inline_first) {
    if (model.kind == Kind::kMapping) merge(model);
    const std::string margin(indent, ' ');
    const bool mapping = model.kind == Kind::kMapping;
    for (std::size_t i = 0; i < model.size(); ++i) {
      if (i > 0 || !inline_first) {
        filler(indent);
        kept_literal_ = false;
        text_ += margin;
      }
      if (!mapping) {
        text_ += "-";
        block_value(model.items[i], indent, true);
        continue;
      }
      auto& [name, value] = model.entries[i];
      // (Behind ": &a " yaml-cpp wants more indentation than YAML does.)
      const bool explicit_key =
          style_.odd && name != "<<" && value.size() == 0 && !value.text && random_.chance(5);
      if (explicit_key) {
        text_ += "? " + key(name, false, false) + "\n" + margin;
      } else {
        text_ += key(name, false, false);
        if (random_.chance(3)) text_ += " ";
      }
      text_ += ":";
      block_value(value, indent, false);
    }
  }

  void block_value(Model& model, std::size_t indent, bool item) {
    const bool merge_value = model.kind == Kind::kAlias;
    const std::string before = merge_value ? "" : properties(model);
    text_ += before;
    const bool lines = model.size() > 0 && !random_.chance(style_.flow);
    if (lines) {
      block_lines(model, indent, item, before.empty());
    } else if (model.kind == Kind::kScalar && (!item || before.empty()) &&
               multiline(model, indent)) {
      // Written. (Behind "- &a " yaml-cpp wants more indentation than YAML does.)
    } else {
      const std::size_t gap = item ? style_.gap : random_.chance(90) ? 1 : 1 + random_.below(4);
      const std::size_t begin = text_.size();
      text_ += std::string(gap, ' ');
      flow(model, indent + style_.step, true);
      // A null need not be written.
      if (model.kind == Kind::kNull && random_.chance(50)) text_.resize(begin);
      end_line();
    }
    complete(model);
    if (lines && model.kind == Kind::kMapping && !model.anchor.empty()) {
      mappings_.push_back(model.anchor);
    }
  }

  void block_lines(Model& model, std::size_t indent, bool item, bool bare) {
    const bool mapping = model.kind == Kind::kMapping;
    if (item && bare && random_.chance(80)) {
      text_ += std::string(style_.gap, ' ');
      block(model, indent + 1 + style_.gap, true);
      return;
    }
    end_line();
    std::size_t column = indent + (mapping || item ? style_.step : style_.offset);
    if (random_.chance(3)) ++column;
    block(model, column, false);
  }

  // A scalar that takes several lines, if this one can and chance wants it.
  bool multiline(const Model& model, std::size_t indent) {
    if (!model.text) return false;
    const std::string margin(indent + style_.step, ' ');
    const std::string& text = model.value;
    const std::size_t blank = text.find(' ');
    const bool foldable = blank != std::string::npos && blank > 0 && blank + 1 < text.size() &&
                          text[blank + 1] != ' ' && text[blank + 1] != '#' && fits_single(text);
    if (style_.odd && foldable && random_.chance(20)) {
      const std::string head = text.substr(0, blank);
      const std::string tail = text.substr(blank + 1);
      const bool plain =
          fits_plain(text, false) && fits_plain(head, false) && fits_plain(tail, false);
      if (plain && random_.chance(50)) {
        text_ += " " + head + "\n" + margin + tail;
        end_line();
        return true;
      }
      if (text.find_first_of("'\"\\") == std::string::npos && tail.find(' ') == tail.npos) {
        const char quote = random_.chance(50) ? '\'' : '"';
        text_ += std::string(" ") + quote + head + "\n" + margin + tail + quote;
        end_line();
        return true;
      }
      if (tail.find(' ') == tail.npos && tail.find('\t') == tail.npos) {
        text_ += " >-\n" + margin + head + "\n" + margin + tail + "\n";
        below_text_ = true;
        return true;
      }
    }
    return literal(text, indent);
  }

  bool literal(const std::string& text, std::size_t indent) {
    std::string one_line = text;
    std::ranges::replace(one_line, '\n', ' ');
    const bool fits = !text.empty() && text[0] != ' ' && text[0] != '\n' && text[0] != '\t' &&
                      text.back() != ' ' && fits_single(one_line);
    if (!fits || !random_.chance(text.find('\n') == std::string::npos ? 5 : 60)) return false;
    const std::size_t depth = style_.step + random_.below(2);
    const std::string margin(indent + depth, ' ');
    std::string body = text;
    text_ += " |";
    const bool kept = text.ends_with("\n\n");
    if (random_.chance(10)) text_ += std::to_string(depth);
    if (!text.ends_with('\n')) text_ += "-";
    if (kept) text_ += "+";
    if (!body.ends_with('\n')) body += '\n';
    end_line();
    while (!body.empty()) {
      const std::size_t end = body.find('\n');
      if (end > 0) text_ += margin + body.substr(0, end);
      text_ += "\n";
      body.erase(0, end + 1);
    }
    kept_literal_ = kept;
    keep_final_ = text.ends_with('\n');
    below_text_ = true;
    return true;
  }

  void scalar(const Model& model, bool in_flow, bool json) {
    if (model.kind == Kind::kNull) {
      text_ += json || random_.chance(50) ? "null" : "~";
      return;
    }
    const bool plain = fits_plain(model.value, in_flow) &&
                       (!model.text || (!plain_has_type(model.value) && !random_.chance(30)));
    if (plain && !(json && model.text)) {
      text_ += model.value;
    } else if (!json && fits_single(model.value) && random_.chance(50)) {
      text_ += quote_single(model.value);
    } else {
      text_ += quote_double(model.value);
    }
  }

  void flow(Model& model, std::size_t indent, bool written_properties = false) {
    if (!written_properties) {
      const std::string before = properties(model);
      if (!before.empty()) text_ += before.substr(1) + " ";
    }
    flow_content(model, indent, random_.chance(15), in_lines_ == 0 && random_.chance(20));
    if (!written_properties) complete(model);
  }

  void flow_content(Model& model, std::size_t indent, bool json, bool lines) {
    if (model.kind == Kind::kAlias) {
      text_ += "*" + model.anchor;
      if (in_flow_ > 0) text_ += " ";
      return;
    }
    if (model.kind == Kind::kScalar || model.kind == Kind::kNull) {
      scalar(model, in_flow_ > 0, json);
      return;
    }
    const bool mapping = model.kind == Kind::kMapping;
    ++in_flow_;
    text_ += mapping ? "{" : "[";
    const std::string pad = !json && random_.chance(20) ? " " : "";
    text_ += pad;
    in_lines_ += lines ? 1 : 0;
    for (std::size_t i = 0; i < model.size(); ++i) {
      if (lines) flow_line(indent);
      flow_child(model, i, indent + style_.step, json);
      const bool comma = i + 1 < model.size() || random_.chance(10);
      if (comma) text_ += json ? "," : random_.chance(95) ? ", " : " , ";
    }
    in_lines_ -= lines ? 1 : 0;
    if (lines && model.size() > 0) flow_line(indent - 1);
    if (!lines) text_ += pad;
    text_ += mapping ? "}" : "]";
    --in_flow_;
  }

  void flow_line(std::size_t indent) {
    if (random_.chance(style_.comments)) text_ += " " + comment();
    text_ += "\n" + std::string(indent, ' ');
  }

  void flow_child(Model& model, std::size_t i, std::size_t indent, bool json) {
    Model& value = model.child(i);
    if (model.kind == Kind::kSequence) {
      const bool pair = value.kind == Kind::kMapping && value.size() == 1 && !json &&
                        random_.chance(20) && value.entries[0].first.size() < 100;
      if (!pair) return flow(value, indent);
      text_ += key(value.entries[0].first, true, false) + ": ";
      flow(value.entries[0].second, indent);
      return;
    }
    const std::string name = key(model.entries[i].first, true, json);
    text_ += name;
    if (value.kind == Kind::kNull && !json && random_.chance(20)) {
      // Before a line end yaml-cpp wants the ':'.
      if (in_lines_ > 0 || random_.chance(50)) text_ += ": ";
      return;
    }
    text_ += json ? ":" : ": ";
    flow(value, indent);
  }

  Random& random_;
  Sample& sample_;
  FileStyle style_;
  std::string text_;
  std::vector<std::string> ready_;
  std::vector<std::string> open_;
  std::vector<std::string> mappings_;
  std::size_t anchors_ = 0;
  int in_flow_ = 0;
  int in_lines_ = 0;
  bool kept_literal_ = false;  // blank lines here would belong to the literal above
  bool keep_final_ = false;    // so does the final line end
  bool below_text_ = false;    // of any block scalar
};

}  // namespace

Sample generate(Random& random) {
  Sample sample;
  TextMaker maker(random, sample);
  maker.document();
  std::string text = maker.take();
  if (random.chance(20)) {
    for (std::size_t at = text.find('\n'); at != text.npos; at = text.find('\n', at + 2)) {
      text.replace(at, 1, "\r\n");
    }
  }
  sample.text = (random.chance(5) ? "\xEF\xBB\xBF" : "") + text;
  return sample;
}

}  // namespace kscpush::yaml
