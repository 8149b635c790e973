// Runs what the server pushes, each once, and sees to it that the server gets the answer: also when
// the connection, or the agent itself, goes in the meantime.
//
//   take()          a push that is known is given its old answer, or none while it still runs
//   acknowledged()  the server has the answer
//   connected()     what it has not is said again
//
// What an earlier run of the agent began and did not answer was lost with it, and is said to be.
// One thread: that of the agent's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include <spdlog/logger.h>

#include "agent/handlers.hpp"
#include "agent/push_journal.hpp"
#include "core/clock.hpp"

namespace kscpush::agent {

enum class Sending : std::uint8_t { kQueued, kLater, kTooLarge };

class PushRunner {
 public:
  // TOKEN comes back in acknowledged(), once, if it was queued; 0 does not.
  using Send = std::function<Sending(const PushAnswer& answer, std::uint64_t token)>;

  // All outlive the runner.
  PushRunner(const PushHandlers& handlers, PushJournal& journal, const Clock& clock,
             spdlog::logger& log);
  PushRunner(const PushRunner&) = delete;
  PushRunner& operator=(const PushRunner&) = delete;

  void send_with(Send send) { send_ = std::move(send); }

  void take(const PushMessage& push);
  enum class Taken : std::uint8_t { kTaken, kRefused, kTooLarge };
  void acknowledged(std::uint64_t token, Taken taken);
  void connected();

  [[nodiscard]] const PushJournal& journal() const { return journal_; }

 private:
  void answer(const Ulid& id, bool once, PushState state, nlohmann::json result);
  void tell(const PushAnswer& answer);
  void tell_untold();

  const PushHandlers& handlers_;
  PushJournal& journal_;
  const Clock& clock_;
  spdlog::logger& log_;
  Send send_;
  std::map<std::uint64_t, Ulid> sent_;  // answers that are on their way, by token
  std::uint64_t last_token_ = 0;
};

}  // namespace kscpush::agent
