// What devices are answered when they synchronize: their effective policy in the configuration that
// runs. It is worked out and written once for all that have the same; a further device costs a look
// at the profiles' conditions and a copy.
//
// Not thread safe: whoever asks has one of its own.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/site/model.hpp"
#include "policy/resolve.hpp"
#include "server/store/device_record.hpp"

namespace kscpush::server {

// Views into DEVICE.
[[nodiscard]] policy::DeviceFacts facts_of(const DeviceRecord& device);

class PolicyBook {
 public:
  // SITE has been checked.
  explicit PolicyBook(std::shared_ptr<const site::Site> site);

  [[nodiscard]] std::shared_ptr<const policy::EffectivePolicy> policy(const DeviceRecord& device);
  // The params of the push "policy" (core/sync.hpp) to a device that HAS this revision: with its
  // push servers, best first, and with the settings when it should have another revision.
  [[nodiscard]] std::string answer(const DeviceRecord& device, std::string_view has);
  // Whether they are answered the same: the same policy, and the same push servers.
  [[nodiscard]] bool same_answer(const DeviceRecord& one, const DeviceRecord& other);
  [[nodiscard]] std::size_t distinct() const { return resolver_.distinct_results(); }

 private:
  struct Written {
    std::string same;  // without the brace at the end
    std::string full;
  };
  [[nodiscard]] std::vector<std::string> servers(const DeviceRecord& device) const;

  const std::shared_ptr<const site::Site> site_;
  policy::Resolver resolver_;
  // The resolver keeps the policies for as long as it lives.
  std::unordered_map<const policy::EffectivePolicy*, Written> written_;
};

}  // namespace kscpush::server
