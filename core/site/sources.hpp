// The YAML files of one site configuration: the root file and what it includes.
//
//   include:                 # at the top level; a single text does as well
//     - groups/*.yaml        # relative to the including file; * and ? match within a name,
//     - policies.yaml        # in the order of the names
//
// An included file has the keys of the root file; its `version` may be left out. Lists (groups,
// distribution_points, policies) are those of the file itself, then of its includes in order,
// included files may include others. Names are relative to the folder of the root file, with '/'
// between folders, and never lead out of it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "core/diagnostic.hpp"
#include "core/result.hpp"
#include "core/yaml/document.hpp"
#include "core/yaml/editor.hpp"

namespace kscpush::site {

struct SourceFile {
  std::string name;
  std::string text;
};

// Where included files come from: a folder on disk (core/site/source_files.hpp), or a bundle.
class SourceFolder {
 public:
  struct Item {
    std::string name;  // without its folder
    bool is_folder = false;
  };

  virtual ~SourceFolder() = default;
  // Files only; kNotFound, kTooLarge beyond MAX_BYTES, and what else may be.
  [[nodiscard]] virtual Result<std::string> read(const std::string& name,
                                                 std::size_t max_bytes) const = 0;
  // Equal for two names of the same file.
  [[nodiscard]] virtual std::string identity(const std::string& name) const = 0;
  // Files and folders of a folder ("" is that of the root file); empty when there is none.
  [[nodiscard]] virtual std::vector<Item> list(const std::string& folder) const = 0;
};

// Copies share texts and trees, so they are cheap to hand around.
class Sources {
 public:
  static constexpr std::size_t kMaxFiles = 1'000;
  static constexpr std::size_t kMaxDepth = 10;           // files that include each other in a row
  static constexpr std::size_t kMaxBytes = 100'000'000;  // in all

  // Follows the includes of ROOT. Messages name a file as SHOWN_FOLDER and its name. An error
  // (kInvalidConfig) when the root file itself does not parse; everything else, also files that do
  // not parse, is among the diagnostics.
  [[nodiscard]] static Result<Sources> gather(SourceFile root, const SourceFolder& folder,
                                              const std::string& shown_folder);
  // The files of a bundle(), the root first.
  [[nodiscard]] static Result<Sources> from(std::vector<SourceFile> bundle);
  // One file; there is nothing that it could include.
  [[nodiscard]] static Sources alone(yaml::Document root);

  [[nodiscard]] std::size_t size() const { return files_.size(); }
  [[nodiscard]] const yaml::Document& root() const { return files_.front().document; }
  // In the order in which their lists are joined: 0 is the root.
  [[nodiscard]] const yaml::Document& document(std::size_t index) const {
    return files_[index].document;
  }
  [[nodiscard]] const std::string& name(std::size_t index) const { return files_[index].name; }
  [[nodiscard]] std::vector<SourceFile> bundle() const;
  // What is wrong with the includes and with the files as YAML.
  [[nodiscard]] const Diagnostics& diagnostics() const { return diagnostics_; }

  // The same files, one of them edited.
  [[nodiscard]] Result<Sources> edit(
      std::size_t index, const std::function<yaml::Edited(const yaml::Document&)>& change) const;
  // The files whose text is another than in BEFORE, of which this is an edit.
  [[nodiscard]] std::vector<std::size_t> changed_since(const Sources& before) const;

 private:
  struct File {
    std::string name;
    yaml::Document document;
  };
  class Gatherer;

  std::vector<File> files_;
  Diagnostics diagnostics_;
};

// What edits of a site give; errors as in core/yaml/editor.hpp.
using Edited = Result<Sources>;

}  // namespace kscpush::site
