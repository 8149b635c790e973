#include "core/yaml/reconcile.hpp"

#include <algorithm>
#include <unordered_map>

#include "core/yaml/trail.hpp"
#include "core/yaml/verify.hpp"

namespace kscpush::yaml {
namespace {

class Reconciler {
 public:
  Reconciler(const Document& document, const Path& path, const SetFunction& set, int& edits)
      : document_(document), path_(path), set_(set), edits_(edits) {}

  bool run(const NewNode& value) {
    if (node().tag != value.tag && !take(set_tag(document_, path_, value.tag))) return false;
    return value.kind == Kind::kMapping ? mapping(value) : sequence(value);
  }
  [[nodiscard]] const Document& result() const { return document_; }

 private:
  [[nodiscard]] const Node& node() const { return follow(document_, path_).last(); }

  [[nodiscard]] Path below(Step step) const {
    Path path = path_;
    path.push_back(std::move(step));
    return path;
  }

  // Goes on from what an edit gave.
  bool take(const Edited& edited) {
    if (!edited || --edits_ < 0) return false;
    document_ = *edited;
    return true;
  }

  bool put(Step step, const NewNode& value) {
    const Path path = below(std::move(step));
    return edits_ > 0 && take(set_(document_, path, value, edits_));
  }
  bool drop(Step step) { return take(remove(document_, below(std::move(step)), path_.size())); }

  bool mapping(const NewNode& value) {
    std::unordered_map<std::string_view, const NewNode*> wanted;
    for (const auto& [key, each] : value.entries) wanted.emplace(key, &each);
    std::vector<std::string> gone;
    std::vector<std::string> changed;
    std::size_t kept = 0;
    for (const Entry& entry : node().entries) {
      const auto found = wanted.find(entry.key.value);
      if (entry.key.kind != Kind::kScalar) return false;
      if (found == wanted.end()) {
        gone.push_back(entry.key.value);
        continue;
      }
      // New entries go to the end, so the others must come first and in this order.
      if (value.entries[kept++].first != entry.key.value) return false;
      if (!reads_as(document_, entry.value, *found->second)) changed.push_back(entry.key.value);
    }
    for (; kept < value.entries.size(); ++kept) changed.push_back(value.entries[kept].first);
    return std::ranges::all_of(changed, [&](const auto& key) { return put(key, *wanted[key]); }) &&
           std::ranges::all_of(gone, [&](const auto& key) { return drop(key); });
  }

  bool sequence(const NewNode& value) {
    const std::vector<Node>& old_items = node().items;
    const std::vector<NewNode>& items = value.items;
    const std::size_t shorter = std::min(old_items.size(), items.size());
    std::size_t head = 0;  // equal ones at the begin and at the end
    while (head < shorter && reads_as(document_, old_items[head], items[head])) ++head;
    std::size_t tail = 0;
    // Items can be added at the end only.
    while (old_items.size() >= items.size() && tail + head < shorter &&
           reads_as(document_, old_items[old_items.size() - 1 - tail],
                    items[items.size() - 1 - tail])) {
      ++tail;
    }
    const std::size_t old_end = old_items.size() - tail;
    const std::size_t end = items.size() - tail;
    for (std::size_t i = head; i < end; ++i) {
      if (!put(i, items[i])) return false;
    }
    for (std::size_t i = old_end; i > end; --i) {
      if (!drop(i - 1)) return false;
    }
    return true;
  }

  Document document_;
  const Path& path_;
  const SetFunction& set_;
  int& edits_;
};

}  // namespace

std::optional<Document> reconcile(const Document& document, const Path& path, const NewNode& value,
                                  const SetFunction& set, int& edits) {
  Reconciler reconciler(document, path, set, edits);
  if (!reconciler.run(value)) return std::nullopt;
  return reconciler.result();
}

}  // namespace kscpush::yaml
