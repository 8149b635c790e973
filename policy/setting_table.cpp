#include <array>

#include "policy/schema.hpp"

namespace kscpush::policy {
namespace {

constexpr Type kBoolean{.kind = Kind::kBoolean};
constexpr Type kPort{.kind = Kind::kInteger, .least = 1, .most = 65'535};

constexpr std::array<std::string_view, 2> kConnectChoices{"when_necessary", kAtGivenIntervals};

constexpr std::array kConnectionProfile{
    FieldRow{.name = "name",
             .type = {.kind = Kind::kText, .most = 256},
             .required = true,
             .help = "What the profile is called; unique in the list."},
    FieldRow{.name = "administration_server",
             .type = {.kind = Kind::kText, .most = 253, .form = Form::kHost},
             .required = true,
             .help = "Address of the server that the agent connects to while the profile is used."},
    FieldRow{
        .name = "port", .type = kPort, .default_value = "14000", .help = "Its port without TLS."},
    FieldRow{.name = "tls_port", .type = kPort, .default_value = "13000", .help = "Its TLS port."},
    FieldRow{.name = "use_tls",
             .type = kBoolean,
             .default_value = "true",
             .help = "Connect to the TLS port; off: to the other."},
    FieldRow{.name = "use_only_for_updates",
             .type = kBoolean,
             .default_value = "false",
             .help = "Only updates come from that server; the device stays managed by its own."},
    FieldRow{.name = "out_of_office_when_server_unavailable",
             .type = kBoolean,
             .default_value = "false",
             .help = "The out-of-office policy acts while that server cannot be reached."},
    FieldRow{.name = "subnets",
             .type = {.kind = Kind::kTexts, .most = 100, .form = Form::kNetwork},
             .default_value = "[]",
             .help = "The network location: the profile is used while the device has an address in "
                     "one of them. Empty: it is used only where the administrator chooses it."},
};

constexpr std::array kSettings{
    SettingRow{
        .path = kForceViaDp,
        .short_name = "force-via-dp",
        .type = kBoolean,
        .default_value = "false",
        .english = "Use distribution point to force connection to the Administration Server",
        .german =
            "Verteilungspunkt zum Erzwingen der Verbindung mit dem Administrationsserver verwenden",
        .help = "The agent keeps a continuous connection to the push server of its distribution "
                "point. Off: it connects at its synchronization interval and leaves. It takes "
                "both halves: lock it, and switch the push server on (`kscpush dp enable`)."},
    SettingRow{.path = "connectivity.network.compress_network_traffic",
               .type = kBoolean,
               .default_value = "true",
               .english = "Compress network traffic",
               .german = "Netzwerkverkehr komprimieren",
               .help = "Smaller transfers for some processor time on device and server."},
    SettingRow{
        .path = "connectivity.network.open_ports_in_firewall",
        .type = kBoolean,
        .default_value = "true",
        .english = "Open Network Agent ports in Microsoft Windows Firewall",
        .german = "Ports des Administrationsagenten in der Microsoft Windows-Firewall öffnen",
        .help = "Windows devices only. Without it UDP packets to the agent are dropped "
                "unless another rule lets them in; the push server needs no open port."},
    SettingRow{.path = "connectivity.network.use_ssl",
               .type = kBoolean,
               .default_value = "true",
               .english = "Use SSL connection",
               .german = "SSL-Verbindung verwenden",
               .help = "Connections to the Administration Server use TLS (port 13000). Off: port "
                       "14000, unencrypted. The push server is reached by TLS in any case."},
    SettingRow{.path = "connectivity.network.use_connection_gateway",
               .type = kBoolean,
               .default_value = "true",
               .english = "Use connection gateway on distribution point (if available) under "
                          "default connection settings",
               .german = "Verbindungs-Gateway des Verteilungspunkts verwenden, falls verfügbar",
               .help = "Agents reach the Administration Server through the gateway of their "
                       "distribution point where one is enabled, up to 10,000 a gateway."},
    SettingRow{.path = kUseUdpPort,
               .type = kBoolean,
               .default_value = "true",
               .english = "Use UDP port",
               .german = "UDP-Port verwenden",
               .help = "The agent listens for packets that bring the next synchronization forward. "
                       "They fail behind NAT, and are not needed with a push server."},
    SettingRow{.path = kUdpPort,
               .type = kPort,
               .default_value = "15000",
               .default_documented = true,
               .english = "UDP port number",
               .german = "Nummer des UDP-Ports",
               .help = "The port of those packets; open towards the devices."},
    SettingRow{.path = kConnect,
               .type = {.kind = Kind::kChoice, .choices = kConnectChoices},
               .default_value = "when_necessary",
               .english = "Connection schedule: connect when necessary / at given intervals",
               .german = "Verbindungszeitplan: bei Bedarf verbinden / in bestimmten Zeiträumen",
               .help = "`when_necessary`: whenever the agent has something to send or to fetch. "
                       "`at_given_intervals`: only within `connectivity.schedule.intervals`; "
                       "outside of them nothing is synchronized."},
    SettingRow{.path = kIntervals,
               .type = {.kind = Kind::kTexts, .most = 24, .form = Form::kPeriod},
               .default_value = "[]",
               .english = "Connection schedule: time intervals",
               .german = "Verbindungszeitplan: Zeiträume",
               .help =
                   "When agents may connect, as `22:00-06:00` in the device's own time; used "
                   "with `connect: at_given_intervals` alone. While there is none they may at any "
                   "time."},
    SettingRow{.path = kSynchronizationInterval,
               .type = {.kind = Kind::kInteger, .least = 1, .most = 1440},
               .default_value = "15",
               .default_documented = true,
               .english = "Synchronization interval (min)",
               .german = "Synchronisierungsintervall (Min.)",
               .help = "How often an agent without a continuous connection synchronizes, in "
                       "minutes. Short intervals of many devices load the Administration Server."},
    SettingRow{.path = "connectivity.connection_profiles.profiles",
               .type = {.kind = Kind::kRecords, .most = 100, .fields = kConnectionProfile},
               .default_value = "[]",
               .english = "Connection profiles",
               .german = "Verbindungsprofile",
               .help = "Other Administration Servers for devices that are elsewhere; the first "
                       "profile whose network location holds is used. Fields below."},
    SettingRow{
        .path = "connectivity.connection_profiles.out_of_office_when_server_unavailable",
        .type = kBoolean,
        .default_value = "false",
        .english = "Enable out-of-office mode when Administration Server is not available",
        .german =
            "Out-of-Office-Modus aktivieren, wenn der Administrationsserver nicht verfügbar ist",
        .help = "The device changes to its out-of-office policy when it cannot synchronize. Such a "
                "policy does not act through the hierarchy: the group itself must have one."},
    SettingRow{.path = "settings.distribute_files_through_distribution_points_only",
               .type = kBoolean,
               .default_value = "false",
               .english = "Distribute files through distribution points only",
               .german = "Dateien nur über Verteilungspunkte verteilen",
               .help = "Updates and packages never come from the Administration Server directly; "
                       "a device in no scope then gets none."},
    SettingRow{.path = "settings.event_queue_max_mb",
               .type = {.kind = Kind::kInteger, .least = 1, .most = 2048},
               .default_value = "2",
               .english = "Maximum size of event queue, in MB",
               .german = "Maximale Größe der Ereigniswarteschlange, in MB",
               .help = "How much disk events may take while the device is offline; then the oldest "
                       "are lost."},
    SettingRow{.path = "settings.application_may_retrieve_extended_policy_data",
               .type = kBoolean,
               .default_value = "false",
               .english = "Application is allowed to retrieve policy's extended data on device",
               .german = "Programm darf erweiterte Richtliniendaten auf dem Gerät abrufen",
               .help = "The managed application sees the policy's extended data."},
    SettingRow{.path = "settings.protect_network_agent_service",
               .type = kBoolean,
               .default_value = "false",
               .english = "Protect the Network Agent service against unauthorized removal or "
                          "termination, and to prevent changes to the settings",
               .german = "Dienst des Administrationsagenten vor unbefugtem Entfernen oder Beenden "
                         "schützen",
               .help = "The service cannot be removed or stopped without rights, not even by a "
                       "local administrator."},
    SettingRow{.path = "settings.use_uninstallation_password",
               .type = kBoolean,
               .default_value = "false",
               .english = "Use uninstallation password",
               .german = "Deinstallationskennwort verwenden",
               .help = "Uninstalling the agent asks for a password. The password itself is set in "
                       "the product and never stands in this file."},
};

}  // namespace

std::span<const SettingRow> settings() {
  return kSettings;
}

}  // namespace kscpush::policy
