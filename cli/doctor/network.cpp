// Names of distribution points, and what may stand between them and the devices.
#include "core/network.hpp"

#include <algorithm>
#include <fstream>
#include <set>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>

#include "cli/doctor/checks.hpp"
#include "cli/doctor/deadline.hpp"

namespace kscpush::cli {
namespace {

using Level = Finding::Level;
using Addresses = std::set<std::string>;

std::string text_of(const sockaddr* address) {
  std::array<char, NI_MAXHOST> text{};
  const socklen_t size =
      address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  const int failed =
      ::getnameinfo(address, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
  return failed == 0 ? text.data() : "";
}

struct Lookup {
  int error = 0;  // getaddrinfo's
  Addresses addresses;
};

Lookup look_up(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  Lookup found;
  found.error = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (found.error != 0) return found;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    found.addresses.insert(text_of(at->ai_addr));
  }
  ::freeaddrinfo(list);
  return found;
}

Addresses own_addresses() {
  Addresses own;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return own;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    const bool is_ip = at->ifa_addr != nullptr &&
                       (at->ifa_addr->sa_family == AF_INET || at->ifa_addr->sa_family == AF_INET6);
    if (is_ip) own.insert(text_of(at->ifa_addr));
  }
  ::freeifaddrs(list);
  return own;
}

Finding judge_name(const site::DistributionPoint& dp, bool own,
                   const std::optional<Lookup>& lookup) {
  const std::string mend = fmt::format(
      "put it into DNS, or give an address that is there: kscpush dp set {} --address HOST",
      dp.name);
  // Devices need not ask the DNS server that this machine asks, but the own name must be right.
  const Level bad = own ? Level::kError : Level::kWarning;
  if (!lookup) {
    return {bad, "name",
            fmt::format("no answer for '{}' within {} s", dp.address, kCheckDeadline.count()),
            "look at /etc/resolv.conf"};
  }
  if (lookup->error != 0) {
    return {bad, "name",
            fmt::format("'{}' of '{}': {}", dp.address, dp.name, ::gai_strerror(lookup->error)),
            mend};
  }
  const std::string shown =
      fmt::format("'{}' is {}", dp.address, fmt::join(lookup->addresses, ", "));
  if (!own) return {Level::kOk, "name", shown};
  const Addresses here = own_addresses();
  const bool is_here = std::ranges::any_of(
      lookup->addresses, [&](const std::string& address) { return here.contains(address); });
  if (is_here) return {Level::kOk, "name", shown + ", this machine"};
  return {Level::kOk, "name", shown + ", none of this machine's addresses",
          fmt::format("where that is a load balancer or NAT, let it forward TCP {}",
                      dp.push_server.port.value())};
}

bool contains_line(const std::filesystem::path& path, std::string_view beginning) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(beginning)) return true;
  }
  return false;
}

}  // namespace

Findings check_names(const site::Site& site, const site::DistributionPoint& own) {
  struct Asked {
    const site::DistributionPoint* dp;
    std::future<Lookup> lookup;
  };
  std::vector<Asked> all;
  for (const site::DistributionPoint& dp : site.distribution_points) {
    const bool wanted = dp.name == own.name || dp.push_server.enabled;
    if (!wanted || dp.address.empty()) continue;
    all.push_back({&dp, begin([name = dp.address] { return look_up(name); })});
  }
  const auto end = std::chrono::steady_clock::now() + kCheckDeadline;
  Findings findings;
  for (Asked& asked : all) {
    findings.push_back(
        judge_name(*asked.dp, asked.dp->name == own.name, value_by(std::move(asked.lookup), end)));
  }
  return findings;
}

Findings check_firewall(const Host& host, const site::DistributionPoint& dp) {
  const unsigned port = dp.push_server.port.value();
  const auto hint = [&](std::string_view filter, const std::string& command) {
    return Findings{
        {Level::kOk, "firewall",
         fmt::format("{} is in use; this cannot tell whether TCP {} is let in", filter, port),
         fmt::format("if devices cannot connect: {}", command)}};
  };
  std::error_code error;
  if (std::filesystem::exists("/run/firewalld", error)) {
    return hint("firewalld", fmt::format("firewall-cmd --permanent --add-port={}/tcp && "
                                         "firewall-cmd --reload",
                                         port));
  }
  if (contains_line("/etc/ufw/ufw.conf", "ENABLED=yes")) {
    return hint("ufw", fmt::format("ufw allow {}/tcp", port));
  }
  if (contains_line(host.proc / "net/ip_tables_names", "filter")) {
    return hint("iptables", fmt::format("iptables -I INPUT -p tcp --dport {} -j ACCEPT", port));
  }
  if (contains_line(host.proc / "modules", "nf_tables ")) {
    return hint("nftables",
                fmt::format("nft insert rule inet filter input tcp dport {} accept", port));
  }
  return {{Level::kOk, "firewall",
           fmt::format("none was found on this machine; those on the way must let TCP {} through",
                       port)}};
}

}  // namespace kscpush::cli
