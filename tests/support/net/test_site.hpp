// The files of a site, and push servers on real sockets.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "core/pki.hpp"
#include "server/push_server.hpp"
#include "tests/support/temp_dir.hpp"

namespace kscpush::test {

// Real time: what runs on threads of its own waits for real deadlines.
[[nodiscard]] const SystemClock& system_clock();
[[nodiscard]] spdlog::logger& silent_log();

// A port of 127.0.0.1 that was free a moment ago. Below the range that the kernel takes outgoing
// ports from, so that no client of a test that runs at the same time takes it in the meantime.
[[nodiscard]] Port free_port();

// Calls POST while SERVER's store is held up, after a change of DEVICE: what it posts is stored
// together.
void while_store_waits(server::PushServer& server, const DeviceId& device,
                       const std::function<void()>& post);

struct DeviceFiles {
  std::filesystem::path certificate;
  std::filesystem::path key;
};

// A folder as `kscpush init` makes it: authority, server certificate for localhost and 127.0.0.1,
// admin token; and a distribution point with its push server on, with two shards.
class TestSite {
 public:
  TestSite();

  // Writes the files of a device. AGE: how long ago the certificate was issued.
  [[nodiscard]] DeviceFiles enroll(std::string_view id, std::chrono::days age = {},
                                   std::chrono::days validity = std::chrono::days(10)) const;
  [[nodiscard]] DeviceFiles write(const std::string& name, const pki::KeyPair& pair) const;
  // A server certificate of the site's authority for NAMES takes the place of the present one.
  void certify_server(const std::vector<std::string>& names);

  // Registers pc-1, pc-2 and pc-3 in the store first. A port taken meanwhile is exchanged.
  [[nodiscard]] std::unique_ptr<server::PushServer> start();
  [[nodiscard]] Result<std::unique_ptr<server::PushServer>> try_start();

  TempDir folder;
  pki::KeyPair authority;
  server::ServerConfig config;
  std::string admin_token;

 private:
  void register_devices() const;
};

// Another authority, with which nobody here has to do.
[[nodiscard]] pki::KeyPair foreign_authority();

}  // namespace kscpush::test
