// The devices of a registry, as the questions about all of them need them.
#pragma once

#include <string>
#include <vector>

#include "cli/context.hpp"
#include "cli/policy/subject.hpp"
#include "policy/capacity.hpp"
#include "policy/condition.hpp"

namespace kscpush::cli {

class Fleet {
 public:
  // Of the distribution point named, else of every registry that can be asked without a fuss: a
  // device that several know counts once. kNotFound: there is none; else why none can be asked.
  [[nodiscard]] static Result<Fleet> from_registry(const SiteFile& file, const std::string& dp,
                                                   const Context& context);

  // As if the device were like that; one that is not there is added. Its index.
  std::size_t assume(const Subject& subject);

  [[nodiscard]] std::size_t size() const { return devices_.size(); }
  [[nodiscard]] std::vector<policy::DeviceFacts> facts() const;  // views into this
  [[nodiscard]] policy::DevicesByGroup counts() const;

 private:
  struct Device {
    std::string id;
    std::string group;
    std::string platform;
    std::string address;
  };
  std::vector<Device> devices_;
};

}  // namespace kscpush::cli
