// A table of devices (CSV) as values: what `device import` reads.
//
// The first row names the columns, in any order: id, and group, tags, platform, address where
// there are any. Tags are separated by blanks, ';' or ','.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "core/site/model.hpp"
#include "server/store/device_record.hpp"

namespace kscpush::cli {

struct DeviceTable {
  struct Bad {
    std::size_t line = 0;  // where the row begins, from 1
    Error error;
  };
  std::vector<server::NewDevice> devices;
  std::vector<std::size_t> lines;  // of the devices
  std::vector<Bad> bad;            // rows that hold no device, in order of their lines

  // Takes out the devices with these ids and calls them bad, as they are registered already.
  void reject_existing(const std::vector<std::string>& ids);
};

// DEFAULT_GROUP: of devices without one; empty: that is an error. kUsage when the first row does
// not name the columns.
[[nodiscard]] Result<DeviceTable> read_device_table(std::string_view text, const site::Site& site,
                                                    const std::string& default_group);

}  // namespace kscpush::cli
