#include "cli/store/state_directory.hpp"

#include <memory>

#include "cli/support/progress.hpp"
#include "cli/support/site_file.hpp"

namespace kscpush::cli {

Result<std::filesystem::path> state_directory(const std::string& dp, const Context& context) {
  const auto file = load_site(context);
  if (!file) return fail(file.error());
  const auto point = choose_distribution_point(*file, dp);
  if (!point) return fail(point.error());
  return site::server_paths(**point, file->folder()).state_directory;
}

server::UpkeepProgress shown_progress(std::string what, const Context& context) {
  const auto shown = std::make_shared<std::unique_ptr<Progress>>();
  return [shown, what = std::move(what), &context](std::size_t done, std::size_t total) {
    if (*shown == nullptr) *shown = std::make_unique<Progress>(what, total, context);
    (*shown)->at(done);
  };
}

std::string mebibytes(std::int64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20U));
}

}  // namespace kscpush::cli
