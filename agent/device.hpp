// A device as a whole: its state directory, its connection, what it can do, and the socket that
// tells of it.
#pragma once

#include <memory>

#include "agent/agent.hpp"
#include "agent/renewal.hpp"
#include "agent/services.hpp"
#include "agent/status_socket.hpp"
#include "agent/sync/synchronizer.hpp"

namespace kscpush::agent {

class Device {
 public:
  // kUsage: no id or no server. kInvalidConfig: certificate, key or authority cannot be used.
  // kConflict: another agent runs on the state directory. CLOCK and LOG outlive it.
  [[nodiscard]] static Result<std::unique_ptr<Device>> create(asio::io_context& loop,
                                                              AgentConfig config,
                                                              const Clock& clock,
                                                              spdlog::logger& log);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  void start();
  // Ends what it can in good order; the io_context runs out of work within a few seconds.
  void stop();

 private:
  Device(asio::io_context& loop, AgentConfig config, StateDirectory state, const Clock& clock,
         spdlog::logger& log);
  [[nodiscard]] Status open(AgentOptions options);
  void add_status();

  const AgentConfig config_;
  const StateDirectory state_;
  asio::io_context& loop_;
  const Clock& clock_;
  spdlog::logger& log_;
  PushHandlers handlers_;
  StatusBoard board_;
  std::optional<PushJournal> journal_;
  std::optional<PushRunner> runner_;
  std::unique_ptr<Agent> agent_;
  std::unique_ptr<Renewal> renewal_;
  std::optional<Services> services_;
  std::optional<Synchronizer> synchronizer_;
  std::unique_ptr<StatusSocket> socket_;
};

}  // namespace kscpush::agent
