#include "cli/stats/exposition.hpp"

#include <array>
#include <functional>

#include "core/json_text.hpp"
#include "core/prometheus.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;
using prometheus::Family;
using prometheus::Labels;

struct Metric {
  const char* name;
  const char* type;
  const char* help;
  const char* pointer;
};

constexpr std::array kHost{
    Metric{"kscpush_agent_uptime_seconds", "gauge", "Since the agent was started.",
           "/agent/uptime_s"},
    Metric{"kscpush_host_uptime_seconds", "gauge", "Since the machine was started.",
           "/host/uptime_s"},
    Metric{"kscpush_host_cpus", "gauge", "Processors.", "/host/cpus"},
    Metric{"kscpush_host_processes", "gauge", "Processes and threads.", "/host/processes"},
    Metric{"kscpush_host_load1", "gauge", "Load of the last minute.", "/host/load/0"},
    Metric{"kscpush_host_load5", "gauge", "Load of the last 5 minutes.", "/host/load/1"},
    Metric{"kscpush_host_load15", "gauge", "Load of the last 15 minutes.", "/host/load/2"},
    Metric{"kscpush_host_memory_bytes", "gauge", "Memory.", "/host/memory/total"},
    Metric{"kscpush_host_memory_available_bytes", "gauge", "Memory that programs may have.",
           "/host/memory/available"},
    Metric{"kscpush_host_swap_bytes", "gauge", "Swap space.", "/host/memory/swap_total"},
    Metric{"kscpush_host_swap_free_bytes", "gauge", "Swap space that is free.",
           "/host/memory/swap_free"},
};

constexpr std::array kDisk{
    Metric{"kscpush_host_disk_bytes", "gauge", "Size of a file system.", "/total"},
    Metric{"kscpush_host_disk_available_bytes", "gauge", "Free for users.", "/available"},
    Metric{"kscpush_host_disk_inodes", "gauge", "Inodes of a file system.", "/inodes"},
    Metric{"kscpush_host_disk_inodes_free", "gauge", "Inodes that are free.", "/inodes_free"},
};

constexpr std::array kNetwork{
    Metric{"kscpush_host_network_receive_bytes_total", "counter", "Received.", "/rx_bytes"},
    Metric{"kscpush_host_network_receive_packets_total", "counter", "Received.", "/rx_packets"},
    Metric{"kscpush_host_network_receive_errors_total", "counter", "Received.", "/rx_errors"},
    Metric{"kscpush_host_network_transmit_bytes_total", "counter", "Sent.", "/tx_bytes"},
    Metric{"kscpush_host_network_transmit_packets_total", "counter", "Sent.", "/tx_packets"},
    Metric{"kscpush_host_network_transmit_errors_total", "counter", "Sent.", "/tx_errors"},
};

// A number as the format has it; empty for what is none.
std::string number(const json& value) {
  if (value.is_number()) return value.dump();
  if (value.is_boolean()) return value.get<bool>() ? "1" : "0";
  return {};
}

const json* at(const json& object, const char* pointer) {
  const json::json_pointer path(pointer);
  return object.contains(path) ? &object.at(path) : nullptr;
}

class Exposition {
 public:
  void add(const json& row) {
    const Labels device{{"device", row.at("device").get<std::string>()}};
    const json& result = row.at("result");
    const bool answered = row.at("state") == "completed" && result.is_object();
    add("kscpush_device_answered", "gauge", "Whether the device gave its statistics.",
        answered ? "1" : "0", device, {});
    if (!answered) return;
    for (const Metric& metric : kHost) add(metric, result, device, {});
    add_versions(result, device);
    add_listed(result, "/host/disks", device, [&](const json& disk) {
      const Labels own{{"mount", text_of(disk, "mount")}, {"type", text_of(disk, "type")}};
      for (const Metric& metric : kDisk) add(metric, disk, device, own);
    });
    add_listed(result, "/host/network", device, [&](const json& interface) {
      const Labels own{{"interface", text_of(interface, "name")}};
      for (const Metric& metric : kNetwork) add(metric, interface, device, own);
    });
    add_listed(result, "/applications", device,
               [&](const json& application) { add_application(application, device); });
  }

  std::string render() { return prometheus::render(families_.take()); }

 private:
  void add(const char* name, const char* type, const char* help, std::string value,
           const Labels& labels, Labels own) {
    families_.add({Family{name, type, help, {{name, std::move(own), std::move(value)}}}}, labels);
  }
  void add(const Metric& metric, const json& object, const Labels& labels, Labels own) {
    const json* const value = at(object, metric.pointer);
    if (value == nullptr || number(*value).empty()) return;
    add(metric.name, metric.type, metric.help, number(*value), labels, std::move(own));
  }

  static void add_listed(const json& result, const char* pointer, const Labels& /*device*/,
                         const std::function<void(const json&)>& take) {
    const json* const list = at(result, pointer);
    if (list == nullptr || !list->is_array()) return;
    for (const json& item : *list) {
      if (item.is_object()) take(item);
    }
  }

  void add_versions(const json& result, const Labels& device) {
    const auto word = [&](const char* pointer) {
      const json* const value = at(result, pointer);
      return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
    };
    add("kscpush_device_info", "gauge", "Versions, as labels.", "1", device,
        {{"agent", word("/agent/version")},
         {"os", word("/host/os/id")},
         {"os_version", word("/host/os/version")},
         {"kernel", word("/host/kernel")},
         {"architecture", word("/host/architecture")}});
  }

  void add_application(const json& application, Labels labels) {
    labels.emplace_back("application", text_of(application, "name"));
    bool failed = application.contains("error");
    if (const auto metrics = application.find("metrics");
        metrics != application.end() && metrics->is_string()) {
      auto families = prometheus::parse(metrics->get_ref<const std::string&>());
      failed = failed || !families;
      if (families) families_.add(std::move(*families), labels);
    }
    if (const auto values = application.find("values"); values != application.end()) {
      add_values(*values, "", labels);
    }
    add("kscpush_application_failed", "gauge", "Whether a collector gave nothing that can be read.",
        failed ? "1" : "0", labels, {});
  }

  // The numbers of a JSON tree, by their paths: {"queue":{"length":3}} is key="queue.length".
  void add_values(const json& value, const std::string& path, const Labels& labels) {
    if (value.is_structured()) {
      const auto items = value.items();
      for (const auto& [key, member] : items) {
        add_values(member, path.empty() ? key : path + "." + key, labels);
      }
      return;
    }
    if (number(value).empty()) return;
    add("kscpush_application_value", "gauge", "A number that a collector gave as JSON.",
        number(value), labels, {{"key", path}});
  }

  prometheus::Collection families_;
};

}  // namespace

std::string exposition(const json& devices) {
  Exposition all;
  for (const json& row : devices) all.add(row);
  return all.render();
}

}  // namespace kscpush::cli
