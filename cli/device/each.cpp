#include "cli/device/each.hpp"

#include "cli/app.hpp"

namespace kscpush::cli {

Status for_each_device(const std::vector<std::string>& ids,
                       const std::function<Status(const DeviceId&)>& action,
                       const Context& context) {
  std::vector<DeviceId> parsed;
  for (const std::string& text : ids) {
    auto id = DeviceId::parse(text);
    if (!id) return fail(id.error());
    parsed.push_back(std::move(*id));
  }
  std::vector<Error> errors;
  for (const DeviceId& id : parsed) {
    auto done = action(id);
    if (!done) errors.push_back(done.error());
  }
  if (errors.empty()) return {};
  if (parsed.size() == 1) return fail(errors.front());
  for (const Error& error : errors) print_error(error, context);
  return fail({errors.size() == parsed.size() ? ErrorCode::kFailed : ErrorCode::kPartial,
               fmt::format("{} of {} devices failed", errors.size(), parsed.size()), ""});
}

}  // namespace kscpush::cli
