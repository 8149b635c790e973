#include "core/site/source_files.hpp"

#include "core/file.hpp"

namespace kscpush::site {
namespace {

namespace fs = std::filesystem;

class DiskFolder final : public SourceFolder {
 public:
  explicit DiskFolder(fs::path folder) : folder_(std::move(folder)) {}

  Result<std::string> read(const std::string& name, std::size_t max_bytes) const override {
    // Asked first, as opening a pipe would wait for its other end.
    std::error_code error;
    const fs::file_status status = fs::status(folder_ / name, error);
    if (status.type() == fs::file_type::directory) {
      return fail({ErrorCode::kInvalidConfig, "it is a folder",
                   fmt::format("include the files in it: {}/*.yaml", name)});
    }
    const bool unknown = status.type() == fs::file_type::none;
    if (fs::exists(status) && status.type() != fs::file_type::regular && !unknown) {
      return fail({ErrorCode::kInvalidConfig, "it is not a regular file", ""});
    }
    return read_file(folder_ / name, max_bytes);
  }

  std::string identity(const std::string& name) const override {
    std::error_code error;
    const fs::path real = fs::canonical(folder_ / name, error);
    return error ? (folder_ / name).string() : real.string();
  }

  std::vector<Item> list(const std::string& folder) const override {
    std::vector<Item> items;
    std::error_code error;
    for (fs::directory_iterator at(folder_ / folder, error), end; !error && at != end;
         at.increment(error)) {
      std::error_code ignored;
      items.push_back({at->path().filename().string(), at->is_directory(ignored)});
      if (items.size() == kMostItems) break;
    }
    return items;
  }

 private:
  static constexpr std::size_t kMostItems = 100'000;
  fs::path folder_;
};

}  // namespace

Result<Sources> read_sources(const fs::path& root, const fs::path& directory) {
  auto text = read_file(root, yaml::Document::kMaxBytes);
  if (!text) return fail(text.error());
  return Sources::gather({root.filename().string(), std::move(*text)}, DiskFolder(folder_of(root)),
                         root.lexically_proximate(directory).parent_path().string());
}

Status write_sources(const fs::path& root, const Sources& before, const Sources& edited) {
  const std::vector<std::size_t> changed = edited.changed_since(before);
  const auto path = [&](std::size_t i) { return i == 0 ? root : folder_of(root) / edited.name(i); };
  for (const std::size_t i : changed) {
    if (auto status = check_replaceable(path(i), before.document(i).text()); !status) return status;
  }
  std::vector<std::string> written;
  for (const std::size_t i : changed) {
    auto status = replace_file(path(i), edited.document(i).text(), before.document(i).text());
    if (status) {
      written.push_back(edited.document(i).name());
      continue;
    }
    if (written.empty()) return status;
    return fail(
        {ErrorCode::kPartial,
         fmt::format("{}; written already: {}", status.error().message, fmt::join(written, ", ")),
         "run the command again for the rest, or take back what was written "
         "(git checkout)"});
  }
  return {};
}

}  // namespace kscpush::site
