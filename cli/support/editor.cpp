#include "cli/support/editor.hpp"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "core/file.hpp"

namespace kscpush::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxBytes = std::size_t{16} << 20;
constexpr int kCommandNotFound = 127;  // the shell's

// What the shell runs, the file as its "$@".
Result<std::string> editor_command(const Context& context) {
  for (const char* const name : {"VISUAL", "EDITOR"}) {
    if (const auto editor = context.environment(name); editor && !editor->empty()) {
      return *editor + " \"$@\"";
    }
  }
  if (::isatty(STDIN_FILENO) == 0) {
    return fail({ErrorCode::kUsage, "there is no terminal for an editor",
                 "set $EDITOR to a command that edits the file it is given"});
  }
  return std::string(
      "command -v sensible-editor >/dev/null && exec sensible-editor \"$@\"; exec vi \"$@\"");
}

// As system() does it: interrupts are for the editor, not for who waits for it.
class IgnoredInterrupts {
 public:
  IgnoredInterrupts() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;  // NOLINT(cppcoreguidelines-pro-type-union-access): POSIX
    ::sigaction(SIGINT, &ignore, &interrupt_);
    ::sigaction(SIGQUIT, &ignore, &quit_);
  }
  IgnoredInterrupts(const IgnoredInterrupts&) = delete;
  IgnoredInterrupts& operator=(const IgnoredInterrupts&) = delete;
  ~IgnoredInterrupts() { restore(); }
  void restore() const {
    ::sigaction(SIGINT, &interrupt_, nullptr);
    ::sigaction(SIGQUIT, &quit_, nullptr);
  }

 private:
  struct sigaction interrupt_ {};
  struct sigaction quit_ {};
};

Result<int> run_shell(const std::string& command, const fs::path& file) {
  const std::string path = file.string();
  const std::vector<const char*> arguments{"sh",     "-c",         command.c_str(),
                                           "editor", path.c_str(), nullptr};
  const IgnoredInterrupts ignored;
  const pid_t child = ::fork();
  if (child < 0) return fail(ErrorCode::kFailed, "cannot start an editor: no more processes");
  if (child == 0) {
    ignored.restore();
    ::execv("/bin/sh", const_cast<char* const*>(arguments.data()));
    ::_exit(kCommandNotFound);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return fail(ErrorCode::kFailed, "lost sight of the editor");
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Result<EditedFile> EditedFile::create(const std::string& name, const Context& context) {
  const auto given = context.environment("TMPDIR");
  const fs::path base = given && !given->empty() ? fs::path(*given) : fs::path("/tmp");
  std::string folder = (base / "kscpush-edit-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) {
    return fail(file_error("create a folder in", base, errno));
  }
  return EditedFile(fs::path(folder) / name);
}

EditedFile::EditedFile(EditedFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), kept_(other.kept_) {}

EditedFile::~EditedFile() {
  if (kept_ || path_.empty()) return;
  std::error_code ignored;
  fs::remove_all(path_.parent_path(), ignored);
}

Result<std::string> EditedFile::edit(const std::string& text, const Context& context) const {
  const auto command = editor_command(context);
  if (!command) return fail(command.error());
  std::error_code ignored;
  fs::remove(path_, ignored);
  if (auto written = write_new_file(path_, text, 0600); !written) return fail(written.error());
  const auto status = run_shell(*command, path_);
  if (!status) return fail(status.error());
  if (*status != 0) {
    return fail(
        {ErrorCode::kFailed,
         fmt::format("the editor ended with status {}; nothing was written", *status),
         *status == kCommandNotFound ? "is $VISUAL or $EDITOR a command that there is?" : ""});
  }
  return read_file(path_, kMaxBytes);
}

const fs::path& EditedFile::keep() {
  kept_ = true;
  return path_;
}

}  // namespace kscpush::cli
