#include "cli/device/device_table.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include "core/csv.hpp"
#include "core/diagnostic.hpp"

namespace kscpush::cli {
namespace {

constexpr std::array<std::string_view, 5> kColumns{"id", "group", "tags", "platform", "address"};

std::string_view trim(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// Which column of kColumns each field of a row belongs to.
Result<std::vector<std::size_t>> read_header(const CsvReader::Row& row) {
  std::vector<std::size_t> columns;
  for (const std::string& field : row) {
    const std::string name = lower(trim(field));
    const auto found = std::ranges::find(kColumns, name);
    if (found == kColumns.end()) {
      const std::vector<std::string> known(kColumns.begin(), kColumns.end());
      return fail({ErrorCode::kUsage,
                   fmt::format("the first row names an unknown column '{}'{}", name.substr(0, 40),
                               suggestion(name.substr(0, 40), known)),
                   "the first row names the columns: id,group,tags,platform,address"});
    }
    const auto column = static_cast<std::size_t>(found - kColumns.begin());
    if (std::ranges::find(columns, column) != columns.end()) {
      return fail(ErrorCode::kUsage, "the first row names the column '{}' twice", name);
    }
    columns.push_back(column);
  }
  if (std::ranges::find(columns, std::size_t{0}) != columns.end()) return columns;
  return fail({ErrorCode::kUsage, "the first row names no column 'id'",
               "the first row names the columns: id,group,tags,platform,address"});
}

class TableReader {
 public:
  TableReader(const site::Site& site, const std::string& default_group)
      : default_group_(default_group) {
    groups_.insert(std::string(site::kRootGroup));
    for (const site::Group& group : site.groups) groups_.insert(group.path);
  }

  Result<server::NewDevice> device(const CsvReader::Row& row,
                                   const std::vector<std::size_t>& columns) {
    if (row.size() != columns.size()) {
      return fail(ErrorCode::kUsage, "the row has {} fields, the first row {}", row.size(),
                  columns.size());
    }
    std::array<std::string_view, kColumns.size()> cells;
    for (std::size_t i = 0; i < row.size(); ++i) cells.at(columns[i]) = trim(row[i]);
    const auto& [id_cell, group_cell, tags_cell, platform_cell, address_cell] = cells;
    auto id = DeviceId::parse(id_cell);
    if (!id) return fail(id.error());
    auto group = find_group(*id, group_cell);
    if (!group) return fail(group.error());
    auto tags = parse_tags(tags_cell);
    if (!tags) return fail(tags.error());
    auto platform = parse_platform(platform_cell);
    if (!platform) return fail(platform.error());
    auto address = parse_address(address_cell);
    if (!address) return fail(address.error());
    return server::NewDevice{std::move(*id), std::move(*group), std::move(*tags),
                             std::move(*platform), std::move(*address)};
  }

 private:
  Result<std::string> find_group(const DeviceId& id, std::string_view cell) const {
    std::string group(cell.empty() ? default_group_ : cell);
    if (group.empty()) {
      return fail({ErrorCode::kUsage, fmt::format("device '{}' is in no group", id.str()),
                   "give it one, or --group GROUP for all that have none"});
    }
    if (groups_.contains(group)) return group;
    return fail({ErrorCode::kNotFound,
                 fmt::format("device '{}': no group '{}'{}", id.str(), group.substr(0, 100),
                             suggestion(group, {groups_.begin(), groups_.end()})),
                 "declare it: kscpush group add; 'kscpush group list' lists the groups"});
  }

  std::unordered_set<std::string> groups_;
  const std::string_view default_group_;
};

}  // namespace

void DeviceTable::reject_existing(const std::vector<std::string>& ids) {
  const std::unordered_set<std::string_view> existing(ids.begin(), ids.end());
  std::vector<server::NewDevice> fresh;
  std::vector<std::size_t> fresh_lines;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const std::string& id = devices[i].id.str();
    if (existing.contains(id)) {
      bad.push_back(
          {lines[i],
           {ErrorCode::kConflict, fmt::format("device '{}' is registered already", id), ""}});
    } else {
      fresh.push_back(std::move(devices[i]));
      fresh_lines.push_back(lines[i]);
    }
  }
  devices = std::move(fresh);
  lines = std::move(fresh_lines);
  std::ranges::stable_sort(bad, {}, &Bad::line);
}

Result<DeviceTable> read_device_table(std::string_view text, const site::Site& site,
                                      const std::string& default_group) {
  CsvReader csv(text);
  const auto header = csv.next();
  if (!header) return fail(header.error());
  if (!header->has_value()) {
    return fail({ErrorCode::kUsage, "the table is empty",
                 "its first row names the columns: id,group,tags,platform,address"});
  }
  const auto columns = read_header(**header);
  if (!columns) return fail(columns.error());
  TableReader reader(site, default_group);
  DeviceTable table;
  std::unordered_map<std::string, std::size_t> line_of;
  for (;;) {
    const auto row = csv.next();
    if (row && !row->has_value()) return table;
    auto device = row ? reader.device(**row, *columns) : fail(row.error());
    if (!device) {
      table.bad.push_back({csv.line(), device.error()});
      continue;
    }
    const auto [first, fresh] = line_of.emplace(device->id.str(), csv.line());
    if (!fresh) {
      table.bad.push_back(
          {csv.line(),
           {ErrorCode::kConflict,
            fmt::format("device '{}' stands in line {} already", first->first, first->second),
            ""}});
      continue;
    }
    table.devices.push_back(std::move(*device));
    table.lines.push_back(csv.line());
  }
}

}  // namespace kscpush::cli
