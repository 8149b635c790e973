// Whom a question about effective policies is about: a device of the registry, or a group as such.
#pragma once

#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "cli/support/site_file.hpp"
#include "policy/condition.hpp"

namespace kscpush::cli {

struct SubjectOptions {
  std::string device;
  std::string group;
  std::string platform;
  std::string address;
  std::vector<std::string> tags;
  std::string dp;

  void add_to(CLI::App& command);
};

// What is known of the subject. The strings are its own.
struct Subject {
  std::string title;  // "device 'pc-1' of group 'Managed devices/Berlin'"
  std::string id;
  std::string group;
  std::string platform;
  std::string address;
  std::vector<std::string> tags;

  [[nodiscard]] policy::DeviceFacts facts() const { return {id, group, platform, address, tags}; }
};

// A device's properties come from the registry; options overwrite them, to try what would be.
[[nodiscard]] Result<Subject> find_subject(const SubjectOptions& options, const SiteFile& file,
                                           const Context& context);

}  // namespace kscpush::cli
