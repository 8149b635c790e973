// Starts a program in a session and process group of its own, with nothing of the agent's but what
// the order says: no shell, no inherited descriptors, no inherited environment.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "agent/tasks/declaration.hpp"
#include "core/descriptor.hpp"
#include "core/result.hpp"

namespace kscpush::agent {

struct Account {
  std::string name;
  std::string home;
  uid_t user = 0;
  gid_t group = 0;
  std::vector<gid_t> groups;  // all of them
};
// kNotFound: no such user. Empty: the agent's own.
[[nodiscard]] Result<Account> find_account(const std::string& name);

struct SpawnOrder {
  std::string program;
  std::vector<std::string> args;         // behind the program's own name
  std::vector<std::string> environment;  // "NAME=VALUE", all of it
  std::string working_directory = "/";
  ProcessLimits limits{};
  std::optional<Account> account{};  // nothing: as the agent
};

// PATH, HOME, USER and LOGNAME, the command's own variables, then EXTRA.
[[nodiscard]] Result<SpawnOrder> make_order(const Command& command, std::vector<std::string> args,
                                            const std::vector<std::string>& extra);

struct Spawned {
  pid_t pid = -1;     // and of the group, and of the session
  Descriptor handle;  // a pidfd: readable once the process has ended
  Descriptor output;  // standard output and standard error
};
// Errors say which step failed: kNotFound, kDenied, kFailed. The program then never ran.
[[nodiscard]] Result<Spawned> spawn(const SpawnOrder& order);

}  // namespace kscpush::agent
