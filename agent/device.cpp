#include "agent/device.hpp"

#include "agent/modules.hpp"
#include "core/file.hpp"
#include "core/pki.hpp"
#include "core/version.hpp"

namespace kscpush::agent {
namespace {

using nlohmann::json;

constexpr std::size_t kMostCertificateBytes = 1 << 16;
constexpr std::size_t kShownPushes = 10;

Result<AgentOptions> agent_options(const AgentConfig& config) {
  if (!config.id) {
    return fail({ErrorCode::kUsage, "which device is this?", "give --id, or 'id' in its file"});
  }
  if (config.servers.empty()) {
    return fail({ErrorCode::kUsage, "which push server?",
                 "give --server HOST:PORT, or 'servers' in the agent's file"});
  }
  const auto files = CredentialFiles::in(config.files, *config.id);
  return AgentOptions{.id = *config.id,
                      .servers = config.servers,
                      .certificate = files.certificate,
                      .key = files.key,
                      .authority = files.authority};
}

json certificate_status(const AgentConfig& config) {
  const auto path = CredentialFiles::in(config.files, *config.id).certificate;
  const auto pem = read_file(path, kMostCertificateBytes);
  if (!pem) return {{"error", pem.error().message}};
  const auto info = pki::inspect(*pem);
  if (!info) return {{"error", info.error().message}};
  return {{"file", path.string()}, {"not_after", to_rfc3339(info->not_after)}};
}

json push_status(const PushJournal& journal) {
  json pushes = json::array();
  const auto& entries = journal.entries();
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (pushes.size() == kShownPushes) break;
    const bool open = !is_final(entry->state);
    pushes.push_back({{"id", entry->id.str()},
                      {"kind", entry->kind},
                      {"at", to_rfc3339(entry->begun)},
                      {"state", open ? "running" : std::string(to_string(entry->state))},
                      {"told", entry->told}});
  }
  return pushes;
}

}  // namespace

Device::Device(asio::io_context& loop, AgentConfig config, StateDirectory state, const Clock& clock,
               spdlog::logger& log)
    : config_(std::move(config)), state_(std::move(state)), loop_(loop), clock_(clock), log_(log) {}

Result<std::unique_ptr<Device>> Device::create(asio::io_context& loop, AgentConfig config,
                                               const Clock& clock, spdlog::logger& log) {
  auto options = agent_options(config);
  if (!options) return fail(options.error());
  auto state = StateDirectory::open(config.state_directory);
  if (!state) return fail(state.error());
  std::unique_ptr<Device> device(
      new Device(loop, std::move(config), std::move(*state), clock, log));
  if (auto opened = device->open(std::move(*options)); !opened) return fail(opened.error());
  return device;
}

Status Device::open(AgentOptions options) {
  auto journal = PushJournal::open(state_);
  if (!journal) return fail(journal.error());
  journal_.emplace(std::move(*journal));
  if (!journal_->problem().empty()) {
    log_.error("no push will be run until the state directory can be written: {}",
               journal_->problem());
  }
  runner_.emplace(handlers_, *journal_, clock_, log_);
  const auto files = CredentialFiles::in(config_.files, *config_.id);
  if (auto settled = settle(files); !settled) return settled;
  auto agent = Agent::create(loop_, std::move(options), *runner_, clock_, log_);
  if (!agent) return fail(agent.error());
  agent_ = std::move(*agent);
  renewal_ = std::make_unique<Renewal>(
      loop_, [this] { return agent_->servers(); }, files, clock_, log_,
      [this] {
        if (auto used = agent_->use_files(); !used) {
          log_.error("the renewed certificate cannot be used: {}", used.error().message);
        }
      });
  services_.emplace(Services{loop_, clock_, log_, config_, state_, *agent_, board_});
  add_status();
  synchronizer_.emplace(*services_, *agent_, SyncOptions{.minute = config_.minute});
  synchronizer_->add_to(handlers_);
  agent_->hold_off([this] { return synchronizer_->closed_for(); });
  add_modules(handlers_, *services_);
  agent_->when_connected([this] {
    for (const auto& call : services_->on_connected) call();
  });
  auto socket =
      StatusSocket::listen(loop_, state_ / kStatusSocket, [this] { return board_.collect(); });
  if (socket) {
    socket_ = std::move(*socket);
  } else {
    // A device that cannot be asked on the spot is still one that can be reached.
    log_.warn("no status on this device: {}", socket.error().message);
  }
  return {};
}

void Device::add_status() {
  board_.add("device", [this] { return json(config_.id->str()); });
  board_.add("agent", [] { return json(kVersion); });
  board_.add("connection", [this] {
    const ConnectionStatus& status = agent_->status();
    json part{{"state", to_string(status.state)},
              {"server", status.server},
              {"since", to_rfc3339(status.since)}};
    if (!status.last_failure.empty()) part["last_failure"] = status.last_failure;
    return part;
  });
  board_.add("certificate", [this] { return certificate_status(config_); });
  board_.add("pushes", [this] { return push_status(*journal_); });
}

void Device::start() {
  agent_->start();
  renewal_->start();
}

void Device::stop() {
  if (socket_ != nullptr) socket_->stop();
  for (const auto& call : services_->on_stop) call();
  renewal_->stop();
  agent_->stop();
}

}  // namespace kscpush::agent
