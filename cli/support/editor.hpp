// The user's editor on a temporary file.
#pragma once

#include <filesystem>
#include <string>

#include "cli/context.hpp"
#include "core/result.hpp"

namespace kscpush::cli {

// A file in a folder of its own that only the user can read. It goes away with the object unless
// it is kept.
class EditedFile {
 public:
  [[nodiscard]] static Result<EditedFile> create(const std::string& name, const Context& context);
  EditedFile(EditedFile&& other) noexcept;
  EditedFile& operator=(EditedFile&&) = delete;
  EditedFile(const EditedFile&) = delete;
  EditedFile& operator=(const EditedFile&) = delete;
  ~EditedFile();

  // Writes TEXT, waits for the editor to end, gives what it left. $VISUAL, else $EDITOR, both with
  // arguments if need be, else sensible-editor or vi on a terminal.
  [[nodiscard]] Result<std::string> edit(const std::string& text, const Context& context) const;

  // Leaves the file for the user, and says where it is.
  [[nodiscard]] const std::filesystem::path& keep();

 private:
  explicit EditedFile(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
  bool kept_ = false;
};

}  // namespace kscpush::cli
