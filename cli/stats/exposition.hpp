// Statistics of many devices in Prometheus' text format.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace kscpush::cli {

// DEVICES: as OperationReport::devices. Each series has the label "device", those of applications
// "application" as well; a device that has not answered is kscpush_device_answered 0. What devices
// send is read as strictly as what comes from anybody: of an application whose metrics do not hold
// only kscpush_application_failed 1 is shown.
[[nodiscard]] std::string exposition(const nlohmann::json& devices);

}  // namespace kscpush::cli
