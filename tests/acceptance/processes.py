"""The program as a user runs it: to its end, in the background, as a server, as an agent.

It is the one that the environment variable KSCPUSH names. Nothing here waits for a fixed time:
wait_until() waits for an event and gives up at a deadline that only a failure reaches. The object
that starts a process ends it, by its id.
"""

import fcntl
import json
import os
import pty
import random
import select
import signal
import socket
import subprocess
import termios
import time
from typing import NamedTuple

KSCPUSH = os.environ["KSCPUSH"]
# Seconds. Longer than a busy machine takes, and than a shared disk may hold up an fsync (20 s).
DEADLINE = 90.0


def wait_until(condition, what, deadline=DEADLINE):
    """The first true value of CONDITION()."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline:g} s in vain for {what}")
        time.sleep(0.01)


_ports_given = set()


def free_port():
    """A loopback port that nobody listens on. Below the range that the kernel takes outgoing ports
    from, so that no client of a test that runs at the same time takes it in the meantime."""
    while True:
        port = random.randrange(20000, 32000)
        if port in _ports_given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _ports_given.add(port)
        return port


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)


def environment(**extra):
    """The caller's, without what would change what the program does."""
    result = {k: v for k, v in os.environ.items() if k not in ("KSCPUSH_CONFIG", "NO_COLOR")}
    return {**result, **extra}


def kscpush(*arguments, folder, timeout=DEADLINE, **extra_environment):
    done = subprocess.run([KSCPUSH, *map(str, arguments)], cwd=folder, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          env=environment(**extra_environment), check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


def openssl(*arguments, folder):
    subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, timeout=DEADLINE,
                   stdin=subprocess.DEVNULL, capture_output=True)


class Running:
    """A command that runs at the same time as the test."""

    def __init__(self, *arguments, folder):
        self.process = subprocess.Popen([KSCPUSH, *map(str, arguments)], cwd=folder, text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=environment())

    def outcome(self):
        """Waits for its end."""
        out, err = self.process.communicate(timeout=DEADLINE)
        return Outcome(self.process.returncode, out, err)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Terminal:
    """A program on a terminal of its own, as a person has it. A context manager."""

    def __init__(self, *arguments, folder, program=KSCPUSH, **extra_environment):
        self.shown = ""
        self.terminal, its_end = pty.openpty()
        self.process = subprocess.Popen([program, *map(str, arguments)], cwd=folder,
                                        stdin=its_end, stdout=its_end, stderr=its_end,
                                        preexec_fn=_own_the_terminal,
                                        env=environment(**{"TERM": "xterm", **extra_environment}))
        os.close(its_end)

    def type(self, text):
        os.write(self.terminal, text.encode())

    def wait_to_show(self, text):
        self._read_until(lambda: text in self.shown, f"'{text}'")

    def code(self):
        """Waits for its end, and gives its exit code."""
        self._read_until(lambda: False, "its end")
        return self.process.wait(DEADLINE)

    def _read_until(self, condition, what):
        end = time.monotonic() + DEADLINE
        while not condition():
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.terminal], [], [], left)[0]:
                raise AssertionError(f"waited {DEADLINE:g} s in vain for {what}: {self.shown}")
            try:
                part = os.read(self.terminal, 65536)
            except OSError:  # the other end is closed, on Linux
                part = b""
            if not part and what != "its end":
                raise AssertionError(f"it ended before it showed {what}: {self.shown}")
            if not part:
                return
            self.shown += part.decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.terminal)


def _own_the_terminal():
    # Ctrl-C reaches those whose controlling terminal it is typed at.
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Daemon:
    """A command that runs until it is told to stop. Its output goes to LOG_PATH."""

    def __init__(self, *arguments, folder, log_path):
        self.log_path = log_path
        with open(log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([KSCPUSH, *map(str, arguments)], cwd=folder,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment())

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_until(self, condition, what):
        """As wait_until(), but fails as soon as the process has ended."""
        def lives_and_condition():
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.log()}")
            return condition()
        try:
            return wait_until(lives_and_condition, what)
        except BaseException:
            self.kill()
            raise

    def wait_to_log(self, text):
        self.wait_until(lambda: text in self.log(), f"it to log {text!r}")

    def stop(self, with_signal=signal.SIGTERM):
        """The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        return self.process.wait(DEADLINE)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Server(Daemon):
    """`kscpush serve`, ready to be used."""

    def __init__(self, site, *options):
        super().__init__("serve", *options, folder=site.folder,
                         log_path=site.folder / "serve.log")

        def is_ready():
            try:
                return site.request("GET", "/readyz")[0] == 200
            except OSError:
                return False
        self.wait_until(is_ready, "the server to be ready")


class Agent(Daemon):
    """`kscpush agent` as DEVICE, with the files in FOLDER. SERVERS: "HOST:PORT"."""

    def __init__(self, device, folder, servers, *options):
        super().__init__("agent", "--id", device, "--files", folder, *servers_of(servers),
                         *options, folder=folder, log_path=folder / "agent.log")


def servers_of(servers):
    return [word for server in servers for word in ("--server", server)]
