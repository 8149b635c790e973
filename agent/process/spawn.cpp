#include "agent/process/spawn.hpp"

#include <array>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.hpp"

namespace kscpush::agent {
namespace {

enum class Step : int { kSession, kOutput, kLimits, kUser, kFolder, kProgram };

struct Failure {
  Step step = Step::kSession;
  int error = 0;
};

struct Limit {
  int resource;
  rlim_t soft;
  rlim_t hard;
};

// All that the child needs, made before fork(): behind it only system calls are safe, as another
// thread may have held the lock of the heap.
struct Prepared {
  std::vector<char*> argv;
  std::vector<char*> envp;
  std::vector<Limit> limits;
  const char* program = nullptr;
  const char* folder = nullptr;
  const Account* account = nullptr;
  int input = -1;
  int output = -1;
  int report = -1;
  int most_descriptors = 0;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 2);
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  return result;
}

std::vector<Limit> limits_of(const ProcessLimits& limits) {
  std::vector<Limit> result{{RLIMIT_CORE, 0, 0}};
  // SIGXCPU first, so that it can say what it was doing.
  if (limits.cpu_s != 0) result.push_back({RLIMIT_CPU, limits.cpu_s, limits.cpu_s + 5});
  const rlim_t bytes = rlim_t{limits.memory_mib} << 20U;
  if (bytes != 0) result.push_back({RLIMIT_AS, bytes, bytes});
  if (limits.processes != 0) {
    result.push_back({RLIMIT_NPROC, limits.processes, limits.processes});
  }
  if (limits.files != 0) result.push_back({RLIMIT_NOFILE, limits.files, limits.files});
  return result;
}

// --- In the child: system calls only

bool use_limits(const Prepared& prepared) {
  for (const Limit& limit : prepared.limits) {
    rlimit now{};
    if (::prlimit(0, static_cast<__rlimit_resource>(limit.resource), nullptr, &now) != 0) {
      return false;
    }
    // Without privileges the hard limit can only come down.
    const rlimit next{limit.soft < now.rlim_max ? limit.soft : now.rlim_max,
                      limit.hard < now.rlim_max ? limit.hard : now.rlim_max};
    if (::prlimit(0, static_cast<__rlimit_resource>(limit.resource), &next, nullptr) != 0) {
      return false;
    }
  }
  return true;
}

// By the system calls themselves: the library's functions want to tell all threads.
bool become(const Account& account) {
  return ::syscall(SYS_setgroups, account.groups.size(), account.groups.data()) == 0 &&
         ::syscall(SYS_setresgid, account.group, account.group, account.group) == 0 &&
         ::syscall(SYS_setresuid, account.user, account.user, account.user) == 0;
}

void close_inherited(int most) {
  if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
  for (int i = 3; i < most; ++i) ::fcntl(i, F_SETFD, FD_CLOEXEC);
}

void usual_signals() {
  for (int i = 1; i < NSIG; ++i) ::signal(i, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void run_child(const Prepared& prepared) {
  const auto give_up = [&](Step step) {
    const Failure failure{step, errno};
    [[maybe_unused]] const ssize_t written = ::write(prepared.report, &failure, sizeof failure);
    ::_exit(127);
  };
  usual_signals();
  ::umask(022);
  if (::setsid() < 0) give_up(Step::kSession);
  if (::dup2(prepared.input, STDIN_FILENO) < 0 || ::dup2(prepared.output, STDOUT_FILENO) < 0 ||
      ::dup2(prepared.output, STDERR_FILENO) < 0) {
    give_up(Step::kOutput);
  }
  close_inherited(prepared.most_descriptors);
  if (!use_limits(prepared)) give_up(Step::kLimits);
  if (prepared.account != nullptr && !become(*prepared.account)) give_up(Step::kUser);
  if (::chdir(prepared.folder) != 0) give_up(Step::kFolder);
  ::execve(prepared.program, prepared.argv.data(), prepared.envp.data());
  give_up(Step::kProgram);
  ::_exit(127);
}

// --- In the agent

Error describe(const Failure& failure, const SpawnOrder& order) {
  const auto system_error = [&](std::string_view what, std::string hint) {
    return Error{ErrorCode::kFailed,
                 fmt::format("cannot {}: {}", what, std::generic_category().message(failure.error)),
                 std::move(hint)};
  };
  switch (failure.step) {
    case Step::kSession:
      return system_error("make a session", "");
    case Step::kOutput:
      return system_error("redirect the output", "");
    case Step::kLimits:
      return system_error("set the limits", "the agent's own limits may be lower");
    case Step::kUser:
      return system_error("become user " + order.account->name,
                          "the agent must run as root to run something as another user");
    case Step::kFolder:
      return file_error("enter", order.working_directory, failure.error);
    case Step::kProgram:
      if (failure.error == EAGAIN) {
        return system_error("run " + order.program, "its user has as many processes as it may");
      }
      return file_error("run", order.program, failure.error);
  }
  return {};
}

struct Pipe {
  Descriptor in;   // to read from
  Descriptor out;  // to write to
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return fail(file_error("make", "a pipe", errno));
  }
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

// What the child could not do; nothing when it runs the program.
std::optional<Failure> read_report(int descriptor) {
  Failure failure;
  for (;;) {
    const ssize_t count = ::read(descriptor, &failure, sizeof failure);
    if (count < 0 && errno == EINTR) continue;
    if (count != sizeof failure) return std::nullopt;
    return failure;
  }
}

}  // namespace

Result<Account> find_account(const std::string& name) {
  std::vector<char> buffer(16'384);
  passwd entry{};
  passwd* found = nullptr;
  const int error = name.empty()
                        ? ::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found)
                        : ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr && name.empty()) {
    return Account{std::to_string(::geteuid()), "/", ::geteuid(), ::getegid(), {}};
  }
  if (found == nullptr) {
    return fail({ErrorCode::kNotFound,
                 error == 0 ? fmt::format("there is no user '{}' on this device", name)
                            : fmt::format("cannot look up user '{}': {}", name,
                                          std::generic_category().message(error)),
                 fmt::format("look: getent passwd {}", name)});
  }
  Account account{found->pw_name, found->pw_dir, found->pw_uid, found->pw_gid, {}};
  int count = 64;
  account.groups.resize(static_cast<std::size_t>(count));
  if (::getgrouplist(found->pw_name, found->pw_gid, account.groups.data(), &count) < 0) {
    account.groups.resize(static_cast<std::size_t>(count));
    ::getgrouplist(found->pw_name, found->pw_gid, account.groups.data(), &count);
  }
  account.groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  return account;
}

Result<SpawnOrder> make_order(const Command& command, std::vector<std::string> args,
                              const std::vector<std::string>& extra) {
  auto account = find_account(command.user);
  if (!account) return fail(account.error());
  SpawnOrder order{command.program, std::move(args), {}, command.working_directory, command.limits};
  order.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                       "HOME=" + account->home, "USER=" + account->name,
                       "LOGNAME=" + account->name};
  // The last one of a name counts for no program in particular: each is set once.
  for (const auto& [name, value] : command.environment) {
    const std::string begin = name + "=";
    std::erase_if(order.environment,
                  [&](const std::string& text) { return text.starts_with(begin); });
    order.environment.push_back(begin + value);
  }
  order.environment.insert(order.environment.end(), extra.begin(), extra.end());
  if (account->user != ::geteuid()) order.account = std::move(*account);
  return order;
}

Result<Spawned> spawn(const SpawnOrder& order) {
  auto output = make_pipe();
  if (!output) return fail(output.error());
  auto report = make_pipe();
  if (!report) return fail(report.error());
  const Descriptor input(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!input) return fail(file_error("open", "/dev/null", errno));
  Prepared prepared{.argv = pointers(order.args),
                    .envp = pointers(order.environment),
                    .limits = limits_of(order.limits),
                    .program = order.program.c_str(),
                    .folder = order.working_directory.c_str(),
                    .account = order.account ? &*order.account : nullptr,
                    .input = input.get(),
                    .output = output->out.get(),
                    .report = report->out.get(),
                    .most_descriptors = static_cast<int>(::sysconf(_SC_OPEN_MAX))};
  prepared.argv.insert(prepared.argv.begin(), const_cast<char*>(order.program.c_str()));
  prepared.argv.push_back(nullptr);
  prepared.envp.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) run_child(prepared);
  if (pid < 0) return fail(file_error("run", order.program, errno));
  report->out = Descriptor();
  // glibc 2.36 declares pidfd_open() as a function of C++.
  Descriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const int no_handle = handle ? 0 : errno;
  auto failure = read_report(report->in.get());
  if (!failure && no_handle != 0) {
    ::kill(-pid, SIGKILL);
    failure = {Step::kSession, no_handle};
  }
  if (failure) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return fail(describe(*failure, order));
  }
  return Spawned{pid, std::move(handle), std::move(output->in)};
}

}  // namespace kscpush::agent
