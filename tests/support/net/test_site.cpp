#include "tests/support/net/test_site.hpp"

#include <future>
#include <random>
#include <set>
#include <stdexcept>

#include <spdlog/sinks/null_sink.h>

#include "core/file.hpp"
#include "server/net/listener.hpp"

namespace kscpush::test {
namespace {

constexpr std::chrono::days kAuthorityAge{30};
constexpr std::chrono::days kYear{365};

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

void must(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message);
}

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::remove(path);
  must(write_new_file(path, text, 0600));
}

}  // namespace

const SystemClock& system_clock() {
  static const SystemClock clock;
  return clock;
}

spdlog::logger& silent_log() {
  static spdlog::logger log("test", std::make_shared<spdlog::sinks::null_sink_mt>());
  return log;
}

Port free_port() {
  static std::mt19937 random(std::random_device{}());
  static std::set<int> given;
  for (;;) {
    const int number = std::uniform_int_distribution(20'000, 31'999)(random);
    const Port port = Port::from(number).value();
    if (server::check_port_free("127.0.0.1", port) && given.insert(number).second) return port;
  }
}

void while_store_waits(server::PushServer& server, const DeviceId& device,
                       const std::function<void()>& post) {
  // Shared, as the writer may still be at them when this returns.
  const auto waits = std::make_shared<std::promise<void>>();
  const auto posted = std::make_shared<std::promise<void>>();
  server.change_device(device, {}, [waits, posted](const Result<server::ChangedDevice>&) {
    waits->set_value();
    posted->get_future().wait();
  });
  waits->get_future().wait();
  post();
  posted->set_value();
}

pki::KeyPair foreign_authority() {
  return must(pki::create_authority("foreign", system_clock().wall(), kYear));
}

TestSite::TestSite()
    : authority(must(
          pki::create_authority("test authority", system_clock().wall() - kAuthorityAge, kYear))),
      admin_token(pki::random_token().str()) {
  site::DistributionPoint& dp = config.dp;
  dp.name = "dp-1";
  dp.address = "localhost";
  dp.scope_groups.push_back({std::string(site::kRootGroup), {}});
  dp.push_server.enabled = true;
  dp.push_server.listen = "127.0.0.1";
  dp.push_server.port = free_port();
  dp.push_server.limits.shards = 2;
  std::filesystem::create_directory(folder / "pki");
  config.paths = site::server_paths(dp, folder.path());
  write_file(config.paths.client_ca, authority.certificate);
  write_file(config.paths.authority_key, authority.key.str());
  write_file(config.paths.admin_token, admin_token + "\n");
  certify_server({"localhost", "127.0.0.1"});
}

void TestSite::certify_server(const std::vector<std::string>& names) {
  const auto pair = must(pki::issue_server(authority, "dp-1", names, system_clock().wall(), kYear));
  write_file(config.paths.certificate, pair.certificate);
  write_file(config.paths.key, pair.key.str());
}

DeviceFiles TestSite::enroll(std::string_view id, std::chrono::days age,
                             std::chrono::days validity) const {
  return write(std::string(id),
               must(pki::issue_device(authority, id, system_clock().wall() - age, validity)));
}

DeviceFiles TestSite::write(const std::string& name, const pki::KeyPair& pair) const {
  DeviceFiles files{folder / (name + ".crt"), folder / (name + ".key")};
  write_file(files.certificate, pair.certificate);
  write_file(files.key, pair.key.str());
  return files;
}

void TestSite::register_devices() const {
  const auto store = must(server::Store::open(config.paths.state_directory, system_clock()));
  for (const char* id : {"pc-1", "pc-2", "pc-3"}) {
    const auto added =
        store->add_device({DeviceId::parse(id).value(), std::string(site::kRootGroup)});
    if (!added && added.error().code != ErrorCode::kConflict) must(added);
  }
}

Result<std::unique_ptr<server::PushServer>> TestSite::try_start() {
  auto store = server::Store::open(config.paths.state_directory, system_clock(),
                                   server::store_limits(config.dp.push_server));
  if (!store) return fail(store.error());
  return server::PushServer::start(config, std::move(*store), system_clock(), silent_log());
}

std::unique_ptr<server::PushServer> TestSite::start() {
  register_devices();
  for (int attempt = 0; attempt < 5; ++attempt) {
    auto started = try_start();
    if (started) return std::move(*started);
    if (started.error().code != ErrorCode::kConflict) must(std::move(started));
    config.dp.push_server.port = free_port();
    if (config.dp.push_server.plain_listener)
      config.dp.push_server.plain_listener->port = free_port();
  }
  throw std::runtime_error("no free port");
}

}  // namespace kscpush::test
