// Whom a question about effective policies is about: a device of the registry, or a group as such.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/App.hpp>
#include <nlohmann/json.hpp>

#include "cli/support/site_file.hpp"
#include "policy/condition.hpp"
#include "policy/resolve.hpp"

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
// NOLINTNEXTLINE(bugprone-exception-escape): JSON is moved without any
struct Subject {
  std::string title;  // "device 'pc-1' of group 'Managed devices/Berlin'"
  std::string id;
  std::string group;
  std::string platform;
  std::string address;
  std::vector<std::string> tags;
  policy::LocalSettings local;  // as the device reported them
  nlohmann::json reported;      // {"revision", "result", "since"}; null: never

  [[nodiscard]] policy::DeviceFacts facts() const { return {id, group, platform, address, tags}; }
};

// A device's properties come from the registry; options overwrite them, to try what would be. With
// a group among them the device need not be registered. kNotFound: a group that is not declared.
[[nodiscard]] Result<Subject> find_subject(const SubjectOptions& options, const SiteFile& file,
                                           const Context& context);

// DEVICE: as server/admin/json.hpp has it.
[[nodiscard]] Subject subject_of(const nlohmann::json& device);
// "connected", "offline" or "revoked".
[[nodiscard]] std::string state_of(const nlohmann::json& device);

// The policy that the device should have against the one that it says it has:
// {"desired", "reported", "state": "never" | "same" | "older", "result", "since"}
[[nodiscard]] nlohmann::json policy_state(const Subject& subject, const std::string& desired);
// "reported: the same, applied, since 2026-..."
[[nodiscard]] std::string describe_reported(const Subject& subject, const std::string& desired);

}  // namespace kscpush::cli
