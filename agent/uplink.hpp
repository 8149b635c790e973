// The way from a module of the agent to the server, beside the answers to pushes.
#pragma once

#include <string>

#include "agent/endpoint.hpp"
#include "core/mqtt/topics.hpp"
#include "core/result.hpp"

namespace kscpush::agent {

class Uplink {
 public:
  virtual ~Uplink() = default;
  // At QoS 1: kept until the server has it, also while there is no connection. kOverloaded: too
  // much waits already. kTooLarge: the server does not take so much.
  [[nodiscard]] virtual Status publish(mqtt::UpTopic topic, std::string payload) = 0;
  // Whose pushes come, or came last.
  [[nodiscard]] virtual const Endpoint& server() const = 0;
};

}  // namespace kscpush::agent
