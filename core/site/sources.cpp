#include "core/site/sources.hpp"

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/site/include_path.hpp"

namespace kscpush::site {
namespace {

namespace fs = std::filesystem;

class BundleFolder final : public SourceFolder {
 public:
  explicit BundleFolder(const std::vector<SourceFile>& files) {
    for (const SourceFile& file : files) texts_.emplace(file.name, file.text);
  }

  Result<std::string> read(const std::string& name, std::size_t max_bytes) const override {
    const auto found = texts_.find(name);
    if (found == texts_.end()) return fail(ErrorCode::kNotFound, "there is no such file");
    if (found->second.size() > max_bytes) return fail(ErrorCode::kTooLarge, "the file is too big");
    return std::string(found->second);
  }

  std::string identity(const std::string& name) const override { return name; }

  std::vector<Item> list(const std::string& folder) const override {
    const std::string prefix = folder.empty() ? "" : folder + "/";
    std::vector<Item> items;
    for (const auto& [name, text] : texts_) {
      if (!name.starts_with(prefix)) continue;
      const std::string_view rest = name.substr(prefix.size());
      const std::size_t slash = rest.find('/');
      Item item{std::string(rest.substr(0, slash)), slash != std::string_view::npos};
      const auto same = [&](const Item& other) { return other.name == item.name; };
      if (std::ranges::none_of(items, same)) items.push_back(std::move(item));
    }
    return items;
  }

 private:
  std::map<std::string_view, std::string_view> texts_;
};

}  // namespace

// Walks the includes depth first, each file once.
class Sources::Gatherer {
 public:
  Gatherer(const SourceFolder& folder, fs::path shown_folder, Sources& sources)
      : folder_(folder), shown_folder_(std::move(shown_folder)), sources_(sources) {}

  [[nodiscard]] std::string shown(const std::string& name) const {
    return (shown_folder_ / name).string();
  }

  void add(std::string name, yaml::Document document, const Origin& included_at) {
    bytes_ += document.text().size();
    first_.emplace(folder_.identity(name), included_at);
    chain_.push_back(name);
    sources_.files_.push_back({std::move(name), document});
    // A merge key may bring in any key, so this looks as the reader of the site does.
    for (const yaml::Entry* const entry : document.entries(document.root())) {
      if (entry->key.value == "include") includes(document, entry->value);
    }
    chain_.pop_back();
  }

 private:
  void finding(Severity severity, const Origin& origin, std::string message, std::string hint) {
    sources_.diagnostics_.push_back({severity, origin, std::move(message), std::move(hint)});
  }

  void error(const Origin& origin, std::string message, std::string hint) {
    finding(Severity::kError, origin, std::move(message), std::move(hint));
  }

  void includes(const yaml::Document& document, const yaml::Node& written) {
    const yaml::Node& node = document.resolve(written);
    if (node.kind == yaml::Kind::kNull) return;
    if (node.kind != yaml::Kind::kSequence) return include(document, written);
    for (const yaml::Node& item : node.items) include(document, item);
  }

  void include(const yaml::Document& document, const yaml::Node& written) {
    const yaml::Node& node = document.resolve(written);
    const Origin origin{document.name(), written.mark.line, written.mark.column};
    if (node.kind != yaml::Kind::kScalar || node.value.empty()) {
      return error(origin, "include must be the path of a file, or a list of paths",
                   "for example: include: [groups.yaml, policies/*.yaml]");
    }
    const auto pattern = resolve_include(chain_.back(), node.value);
    if (!pattern) return error(origin, pattern.error().message, pattern.error().hint);
    if (!is_pattern(*pattern)) return include_file(*pattern, origin);
    const std::vector<std::string> names = expand_pattern(folder_, *pattern);
    if (names.empty()) {
      finding(Severity::kWarning, origin, fmt::format("no file is named like '{}'", node.value),
              "the path is relative to the file that includes; * does not match a '.' at the "
              "front of a name");
    }
    for (const std::string& name : names) include_file(name, origin);
  }

  void include_file(const std::string& name, const Origin& origin) {
    if (full_) return;
    const std::string identity = folder_.identity(name);
    if (const auto seen = first_.find(identity); seen != first_.end()) {
      return included_before(name, identity, seen->second, origin);
    }
    if (chain_.size() == kMaxDepth || sources_.files_.size() == kMaxFiles) {
      full_ = true;
      return error(origin,
                   chain_.size() == kMaxDepth
                       ? fmt::format("includes are nested deeper than {} files", kMaxDepth)
                       : fmt::format("more than {} files are included", kMaxFiles),
                   "name the files in fewer, larger ones");
    }
    auto text = folder_.read(name, std::min(kMaxBytes - bytes_, yaml::Document::kMaxBytes));
    if (!text) return cannot_read(name, origin, text.error());
    auto document = yaml::Document::parse(std::move(*text), shown(name));
    if (!document) {
      first_.emplace(identity, origin);
      sources_.diagnostics_.push_back(to_diagnostic(document.error(), shown(name)));
      return;
    }
    add(name, std::move(*document), origin);
  }

  void included_before(const std::string& name, const std::string& identity, const Origin& first,
                       const Origin& origin) {
    const auto at = std::ranges::find_if(
        chain_, [&](const std::string& other) { return folder_.identity(other) == identity; });
    if (at == chain_.end()) {
      return error(origin, fmt::format("'{}' is included twice", name),
                   fmt::format("included before at {}; leave one of them out", to_string(first)));
    }
    const std::vector<std::string> circle(at, chain_.end());
    error(origin,
          fmt::format("the includes go in a circle: {} -> {}", fmt::join(circle, " -> "), *at),
          "a file must not include itself, directly or through others; a pattern such as *.yaml "
          "matches the including file too: keep included files in a folder of their own");
  }

  void cannot_read(const std::string& name, const Origin& origin, const Error& reason) {
    if (reason.code == ErrorCode::kTooLarge) {
      const bool alone = kMaxBytes - bytes_ > yaml::Document::kMaxBytes;
      return error(
          origin,
          alone ? fmt::format("'{}' has more than {} MiB", name, yaml::Document::kMaxBytes >> 20)
                : fmt::format("with '{}' the files of the configuration have more than "
                              "{} MB in all",
                              name, kMaxBytes / 1'000'000),
          "is it the right file?");
    }
    if (reason.code != ErrorCode::kNotFound) {
      return error(origin, fmt::format("cannot include '{}': {}", name, reason.message),
                   reason.hint);
    }
    const fs::path path(name);
    std::vector<std::string> names;
    for (const auto& item : folder_.list(path.parent_path().string())) {
      if (!item.is_folder) names.push_back((path.parent_path() / item.name).string());
    }
    error(origin,
          fmt::format("the included file '{}' does not exist{}", name, suggestion(name, names)),
          name.find('\\') != std::string::npos
              ? "write / between folders, not a backslash"
              : "the path is relative to the file that includes it");
  }

  const SourceFolder& folder_;
  const fs::path shown_folder_;
  Sources& sources_;
  std::map<std::string, Origin> first_;  // by identity: where it was included
  std::vector<std::string> chain_;       // names from the root to the file at work
  std::size_t bytes_ = 0;
  bool full_ = false;
};

Result<Sources> Sources::gather(SourceFile root, const SourceFolder& folder,
                                const std::string& shown_folder) {
  Sources sources;
  Gatherer gatherer(folder, shown_folder, sources);
  auto document = yaml::Document::parse(std::move(root.text), gatherer.shown(root.name));
  if (!document) return fail(document.error());
  const Origin start{document->name(), 0, 0};
  gatherer.add(std::move(root.name), std::move(*document), start);
  return sources;
}

Result<Sources> Sources::from(std::vector<SourceFile> bundle) {
  if (bundle.empty()) return fail(ErrorCode::kInvalidConfig, "a configuration without files");
  const BundleFolder folder(bundle);
  return gather(bundle.front(), folder, "");
}

Sources Sources::alone(yaml::Document root) {
  const BundleFolder nothing({});
  Sources sources;
  const std::string name = root.name();
  Gatherer(nothing, "", sources).add(name, std::move(root), {name, 0, 0});
  return sources;
}

std::vector<SourceFile> Sources::bundle() const {
  std::vector<SourceFile> files;
  for (const File& file : files_) files.push_back({file.name, file.document.text()});
  return files;
}

Result<Sources> Sources::edit(
    std::size_t index, const std::function<yaml::Edited(const yaml::Document&)>& change) const {
  auto edited = change(document(index));
  if (!edited) return fail(edited.error());
  Sources result = *this;
  result.files_[index].document = std::move(*edited);
  return result;
}

std::vector<std::size_t> Sources::changed_since(const Sources& before) const {
  std::vector<std::size_t> changed;
  for (std::size_t i = 0; i < size(); ++i) {
    if (document(i).text() != before.document(i).text()) changed.push_back(i);
  }
  return changed;
}

}  // namespace kscpush::site
