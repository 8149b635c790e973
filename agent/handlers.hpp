// What the agent does with a push: one function a kind.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "core/push.hpp"

namespace kscpush::agent {

class PushHandlers {
 public:
  // The answer's result; an error makes it "failed" and is told to the server.
  using Handler = std::function<Result<nlohmann::json>(const PushMessage&)>;

  void add(std::string kind, Handler handler) {
    handlers_.insert_or_assign(std::move(kind), std::move(handler));
  }
  // A kind that nobody handles is answered as failed, with the reason.
  [[nodiscard]] PushAnswer handle(const PushMessage& push) const;

 private:
  std::map<std::string, Handler, std::less<>> handlers_;
};

}  // namespace kscpush::agent
