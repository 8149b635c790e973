// tunnel.open: connects to a target of this device's and brings the push server the connection,
// which the server makes one with the operator's.
//
// Nothing is allowed that 'tunnels.allow' of the agent's file does not name.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "agent/handlers.hpp"
#include "agent/services.hpp"
#include "agent/tunnels/join.hpp"
#include "agent/tunnels/relay.hpp"

namespace kscpush::agent {

// RULES as TunnelRules has them.
[[nodiscard]] bool allows(const std::vector<std::string>& rules, const Endpoint& target);

class Tunnels : public std::enable_shared_from_this<Tunnels> {
 public:
  explicit Tunnels(Services& services) : services_(services) {}
  // {"tunnel", "token", "host", "port"}. Answers kCompleted when the server has this side.
  void open(const PushMessage& push, const Answer& answer);
  void stop();
  [[nodiscard]] nlohmann::json status() const;

 private:
  struct Opening {
    std::string id;
    std::string token;
    Endpoint target;
    Answer answer;
    Cancel cancel{};  // the step that is under way
  };
  [[nodiscard]] Status check(const Endpoint& target) const;
  void join(const std::shared_ptr<Opening>& opening, Descriptor target);
  void relay(const Opening& opening, Descriptor target, std::unique_ptr<Stream> server);
  void refuse(const Opening& opening, const Error& error);

  Services& services_;
  std::set<std::shared_ptr<Opening>> opening_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Relay>> open_;
  bool stopped_ = false;
};

}  // namespace kscpush::agent
