#include "agent/sync/schedule.hpp"

#include "core/numbers.hpp"
#include "policy/schema.hpp"

namespace kscpush::agent {
namespace {

// Lists were checked where they were written: on a device there is no way to change one.
bool is_scalar(policy::Kind kind) {
  return kind != policy::Kind::kTexts && kind != policy::Kind::kRecords;
}

Result<std::string> value_of(const Settings& settings, const policy::SettingRow& row) {
  const auto found = settings.find(std::string(row.path));
  if (found == settings.end()) return std::string(row.default_value);
  if (!is_scalar(row.type.kind)) return found->second;
  return policy::parse_value(row, found->second);
}

}  // namespace

Result<SyncSchedule> read_schedule(const Settings& settings) {
  SyncSchedule schedule;
  for (const policy::SettingRow& row : policy::settings()) {
    const auto value = value_of(settings, row);
    if (!value) return fail(within(row.path, value.error()));
    if (row.path == policy::kForceViaDp) schedule.stay = *value == "true";
    if (row.path == policy::kSynchronizationInterval) {
      schedule.interval = std::chrono::minutes(to_number<int>(*value).value_or(0));
    }
  }
  return schedule;
}

}  // namespace kscpush::agent
