// What the agent does with a push: one function a kind.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "core/push.hpp"

namespace kscpush::agent {

// The device's answer to a push, as it comes: kStarted any number of times, then kCompleted or
// kFailed exactly once. On the agent's loop; it may come while the handler still runs, or hours
// later. RESULT is of the kind's own shape; of kFailed it has "error", a text.
using Answer = std::function<void(PushState status, nlohmann::json result)>;
using Handler = std::function<void(const PushMessage& push, Answer answer)>;

// The last answer: what was found out, or why not.
void finish(const Answer& answer, Result<nlohmann::json> result);

// What a push that comes a second time means (DUP, a further attempt, after a restart).
enum class Repeated : std::uint8_t {
  kAnsweredAgain,  // it runs once: the answer of the first time is given again
  kRunsAgain,      // it changes nothing, and a new answer is better than an old one
};

class PushHandlers {
 public:
  void add(std::string kind, Handler handler, Repeated repeated = Repeated::kAnsweredAgain);
  // A kind that nobody handles is answered as failed, with the reason.
  void handle(const PushMessage& push, const Answer& answer) const;
  [[nodiscard]] bool runs_once(std::string_view kind) const;

 private:
  struct Entry {
    Handler handler;
    Repeated repeated;
  };
  std::map<std::string, Entry, std::less<>> handlers_;
};

}  // namespace kscpush::agent
