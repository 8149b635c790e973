"""Agents with a file of their own, as they are installed on devices."""

import json
import os
import signal

from harness import AcceptanceTest
from processes import Daemon, wait_until


class ConfiguredAgent(Daemon):
    """`kscpush agent` with DEVICE's file, which holds LINES beside what it must."""

    def __init__(self, site, device, lines=""):
        self.site = site
        self.device = device
        self.folder = site.folder / "devices" / device
        self.file = self.folder / "agent.yaml"
        self.file.write_text(f"version: 1\nid: {device}\nservers: [localhost:{site.port}]\n"
                             f"state_directory: state\n{lines}")
        self.state = self.folder / "state"
        super().__init__("agent", "--config-file", self.file, folder=self.folder,
                         log_path=self.folder / "agent.log")

    def wait_for_connection(self):
        self.wait_until(lambda: (self.site.connected(self.device) or {}).get("subscribed"),
                        f"{self.device} to be connected")

    def status(self):
        return self.site.succeed("agent", "status", "--state-directory", self.state, "-o",
                                 "json").json()


class DeviceTest(AcceptanceTest):
    """A server, and agents to be connected to it."""

    def setUp(self):
        self.site = self.new_site()
        self.site.prepare_to_serve()
        self.server = self.serve(self.site)

    def add_agent(self, device, lines=""):
        self.site.add_device(device)
        return self.run_agent(device, lines)

    def run_agent(self, device, lines=""):
        agent = self.watch(ConfiguredAgent(self.site, device, lines))
        agent.wait_for_connection()
        return agent

    def begin_task(self, device, task, **params):
        """The push, once the task runs."""
        push = self.site.push(device, "task.start", params={"task": task, "params": params})
        return self.site.wait_for_push(push["id"], "started")

    def output_of(self, device, run):
        push = self.site.push(device, "task.output", params={"run": run, "wait_s": 20})
        return self.site.wait_for_push(push["id"], "completed")["result"]["output"]


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return ") Z " not in stat.read()
    except OSError:
        return False


def wait_until_gone(pid):
    wait_until(lambda: not is_running(pid), f"process {pid} to be gone")


def kill(agent):
    """As the kernel does when memory is short."""
    os.kill(agent.process.pid, signal.SIGKILL)
    agent.process.wait()


def as_yaml(value):
    """JSON is YAML."""
    return json.dumps(value)
