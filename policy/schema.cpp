#include "policy/schema.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/diagnostic.hpp"

namespace kscpush::policy {
namespace {

constexpr SettingRow boolean(std::string_view path, std::string_view short_name,
                             std::string_view otherwise, std::string_view english,
                             std::string_view german, std::string_view help) {
  return {path, short_name, Type::kBoolean, 0, 1, otherwise, english, german, help};
}

constexpr SettingRow integer(std::string_view path, std::int64_t least, std::int64_t most,
                             std::string_view otherwise, std::string_view english,
                             std::string_view german, std::string_view help) {
  return {path, "", Type::kInteger, least, most, otherwise, english, german, help};
}

constexpr std::array kSettings{
    boolean(kForceViaDp, "force-via-dp", "false",
            "Use distribution point to force connection to the Administration Server",
            "Verteilungspunkt zum Erzwingen der Verbindung mit dem Administrationsserver verwenden",
            "The agent keeps a continuous connection to the push server of its distribution "
            "point. Off: it connects at its synchronization interval and leaves."),
    boolean("connectivity.network.compress_network_traffic", "", "true", "Compress network traffic",
            "Netzwerkverkehr komprimieren", "Smaller transfers for some processor time."),
    boolean("connectivity.network.open_ports_in_firewall", "", "true",
            "Open Network Agent ports in Microsoft Windows Firewall",
            "Ports des Administrationsagenten in der Microsoft Windows-Firewall öffnen",
            "Windows devices only."),
    boolean("connectivity.network.use_ssl", "", "true", "Use SSL connection",
            "SSL-Verbindung verwenden", "Connections to the Administration Server use TLS."),
    boolean("connectivity.network.use_connection_gateway", "", "true",
            "Use connection gateway on distribution point (if available) under default connection "
            "settings",
            "Verbindungs-Gateway des Verteilungspunkts verwenden, falls verfügbar",
            "Agents behind a gateway reach the Administration Server through it."),
    boolean("connectivity.network.use_udp_port", "", "true", "Use UDP port", "UDP-Port verwenden",
            "Listens for packets that bring the next synchronization forward; fails behind NAT."),
    integer("connectivity.network.udp_port", 1, 65535, "15000", "UDP port number",
            "Nummer des UDP-Ports", "The port of those packets."),
    integer("connectivity.schedule.synchronization_interval", 1, 1440, "15",
            "Synchronization interval (min)", "Synchronisierungsintervall (Min.)",
            "How often an agent without a continuous connection synchronizes, in minutes."),
    boolean("connectivity.connection_profiles.out_of_office_when_server_unavailable", "", "false",
            "Enable out-of-office mode when Administration Server is not available",
            "Out-of-Office-Modus aktivieren, wenn der Administrationsserver nicht verfügbar ist",
            "The device changes to its out-of-office policy when it cannot synchronize."),
    boolean("settings.distribute_files_through_distribution_points_only", "", "false",
            "Distribute files through distribution points only",
            "Dateien nur über Verteilungspunkte verteilen",
            "Updates never come from the Administration Server directly."),
    integer("settings.event_queue_max_mb", 1, 2048, "2", "Maximum size of event queue, in MB",
            "Maximale Größe der Ereigniswarteschlange, in MB",
            "How much disk events may take while the device is offline."),
    boolean("settings.application_may_retrieve_extended_policy_data", "", "false",
            "Application is allowed to retrieve policy's extended data on device",
            "Programm darf erweiterte Richtliniendaten auf dem Gerät abrufen",
            "The managed application sees the policy's extended data."),
    boolean("settings.protect_network_agent_service", "", "false",
            "Protect the Network Agent service against unauthorized removal or termination, and "
            "to prevent changes to the settings",
            "Dienst des Administrationsagenten vor unbefugtem Entfernen oder Beenden schützen",
            "The service cannot be removed or stopped without rights."),
    boolean("settings.use_uninstallation_password", "", "false", "Use uninstallation password",
            "Deinstallationskennwort verwenden", "Uninstalling the agent asks for a password."),
};

}  // namespace

std::span<const SettingRow> settings() {
  return kSettings;
}

const SettingRow* find_setting(std::string_view name) {
  for (const SettingRow& row : kSettings) {
    if (row.path == name || (!row.short_name.empty() && row.short_name == name)) return &row;
  }
  return nullptr;
}

std::vector<std::string> setting_names() {
  std::vector<std::string> names;
  for (const SettingRow& row : kSettings) {
    if (!row.short_name.empty()) names.emplace_back(row.short_name);
    names.emplace_back(row.path);
  }
  return names;
}

Result<const SettingRow*> require_setting(std::string_view name) {
  if (const SettingRow* row = find_setting(name)) return row;
  // Someone who leaves the sections out means the one setting that ends like that.
  std::string meant = suggestion(name, setting_names());
  for (const SettingRow& row : kSettings) {
    const bool ends = row.path.size() > name.size() && row.path.ends_with(name) &&
                      row.path[row.path.size() - name.size() - 1] == '.';
    if (ends) meant = fmt::format("; did you mean '{}'?", row.path);
  }
  return fail({ErrorCode::kNotFound, fmt::format("no setting '{}'{}", name, meant),
               "'kscpush policy show --all-settings' lists the settings"});
}

std::string describe_type(const SettingRow& row) {
  switch (row.type) {
    case Type::kBoolean:
      return "true or false";
    case Type::kInteger:
      return fmt::format("a number from {} to {}", row.least, row.most);
    case Type::kText:
      return fmt::format("a text of at most {} bytes", row.most);
  }
  return "";
}

std::string settings_page() {
  std::string page =
      "# Settings of the Network Agent policy\n\n"
      "Generated from the table of settings (`kscpush completion settings`); do not edit. Defaults "
      "are as\nthe product's console is remembered to show them.\n\n"
      "| setting | type | default | in the product |\n|---|---|---|---|\n";
  for (const SettingRow& row : kSettings) {
    page += fmt::format("| `{}`{} | {} | {} | *{}* (*{}*). {} |\n", row.path,
                        row.short_name.empty() ? "" : fmt::format(", short `{}`", row.short_name),
                        describe_type(row), row.default_value, row.english, row.german, row.help);
  }
  return page;
}

Result<std::string> parse_value(const SettingRow& row, std::string_view value) {
  const auto wrong = [&] {
    return fail(ErrorCode::kUsage, "{} must be {}, not '{}'", row.path, describe_type(row),
                value.substr(0, 80));
  };
  switch (row.type) {
    case Type::kBoolean:
      if (value == "true" || value == "on" || value == "yes") return std::string("true");
      if (value == "false" || value == "off" || value == "no") return std::string("false");
      return wrong();
    case Type::kInteger: {
      std::int64_t number = 0;
      const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
      const bool whole = code == std::errc() && end == value.data() + value.size();
      if (!whole || number < row.least || number > row.most) return wrong();
      return std::to_string(number);
    }
    case Type::kText:
      if (value.size() > static_cast<std::size_t>(row.most)) return wrong();
      return std::string(value);
  }
  return wrong();
}

}  // namespace kscpush::policy
