"""The agent as it is installed: its file, its state, its status, and what a crash costs."""

import stat
import unittest

from devices import ConfiguredAgent, DeviceTest, kill, wait_until_gone
from processes import Daemon, wait_until

TASKS = """tasks:
  - name: wait
    command: /bin/sh
    args: [-c, "echo $$; exec sleep 1000"]
"""


class Foundation(DeviceTest):
    def test_status_tells_of_the_connection_tasks_pushes_and_certificate(self):
        agent = self.add_agent("pc-1", TASKS)
        run = self.begin_task("pc-1", "wait")["id"]
        status = agent.status()
        self.assertEqual(status["device"], "pc-1")
        self.assertEqual(status["connection"]["state"], "connected")
        self.assertEqual(status["connection"]["server"], f"localhost:{self.site.port}")
        self.assertEqual([task["run"] for task in status["tasks"]], [run])
        self.assertEqual([push["id"] for push in status["pushes"]], [run])
        self.assertRegex(status["certificate"]["not_after"], r"^\d{4}-")
        shown = self.site.succeed("agent", "status", "--config-file", agent.file)
        for words in "connected", "Running tasks", run, "Last pushes", "task.start":
            self.assertIn(words, shown.out)
        self.server.kill()
        wait_until(lambda: agent.status()["connection"]["state"] == "waiting" or
                   agent.status()["connection"].get("last_failure"), "it to notice")
        self.assertTrue(agent.status()["connection"]["last_failure"])

    def test_a_file_to_begin_with_is_written_beside_the_certificate_or_elsewhere(self):
        site = self.site
        for device, config in ("pc-1", "one/agent.yaml"), ("pc-2", "elsewhere/pc-2.yaml"):
            site.succeed("device", "add", device)
            folder = config.split("/", maxsplit=1)[0] if device == "pc-1" else "two"
            given = site.succeed("device", "enroll", device, "--out", folder, "--write-config",
                                 config, "-o", "json").json()
            self.assertEqual(given["config"], str(site.folder / config))
            again = site.kscpush("device", "enroll", device, "--out", "other", "--write-config",
                                 config)
            self.assert_error(again, 1, "exists already")
        (site.folder / "one").rename(site.folder / "moved")
        for device, config, state in (("pc-1", "moved/agent.yaml", "moved/pc-1.state"),
                                      ("pc-2", "elsewhere/pc-2.yaml", "two/pc-2.state")):
            agent = self.watch(Daemon("agent", "--config-file", site.folder / config,
                                      folder=self.folder, log_path=self.folder / f"{device}.log"))
            agent.wait_until(lambda name=device: self.site.connected(name), "it to connect")
            self.assertTrue((site.folder / state / "agent.sock").exists())

    def test_its_state_is_its_own(self):
        agent = self.add_agent("pc-1")
        for name, mode in ("", 0o700), ("pushes", 0o600), ("agent.sock", 0o600):
            found = (agent.state / name).stat().st_mode
            self.assertEqual(stat.S_IMODE(found), mode, name)
        second = ConfiguredAgent(self.site, "pc-1")
        self.watch(second)
        self.assertEqual(second.process.wait(30), 1)
        self.assertIn(f"is in use by process {agent.process.pid}", second.log())
        self.assertEqual(agent.stop(), 0)
        away = self.site.kscpush("agent", "status", "--state-directory", agent.state)
        self.assert_error(away, 8, "agent.sock")

    def test_what_is_wrong_with_its_file_is_told_with_its_place(self):
        file = self.folder / "agent.yaml"
        file.write_text("version: 1\nid: pc-1\nserver: [a]\ntasks:\n  - name: x\n")
        done = self.site.kscpush("agent", "--config-file", file)
        self.assert_error(done, 3, f"{file}:3:1: unknown key 'server'", "did you mean 'servers'?",
                          f"{file}:5:5: a task has no command", "2 errors")
        file.write_text("version: 1\n")
        self.assert_error(self.site.kscpush("agent", "--config-file", file), 2, "which device")
        done = self.site.kscpush("agent", "--config-file", self.folder / "none.yaml")
        self.assert_error(done, 7, "none.yaml")

    def test_what_ran_when_it_was_killed_is_told_as_lost_and_its_processes_are_ended(self):
        agent = self.add_agent("pc-1", TASKS)
        run = self.begin_task("pc-1", "wait")["id"]
        pid = int(self.output_of("pc-1", run))
        kill(agent)
        again = self.run_agent("pc-1", TASKS)
        push = self.site.wait_for_push(run, "failed")
        self.assertIn("lost with the agent", push["result"]["error"])
        again.wait_to_log("was left by an agent that was killed: 1 processes ended")
        wait_until_gone(pid)
        wait_until(lambda: again.status()["pushes"][0]["told"], "the server to have the answer")
        self.assertEqual(again.status()["tasks"], [])

    def test_what_ran_when_it_was_stopped_is_told_at_its_next_start(self):
        agent = self.add_agent("pc-1", TASKS)
        run = self.begin_task("pc-1", "wait")["id"]
        pid = int(self.output_of("pc-1", run))
        self.assertEqual(agent.stop(), 0)
        wait_until_gone(pid)
        self.run_agent("pc-1", TASKS)
        push = self.site.wait_for_push(run, "failed")
        self.assertIn("lost with the agent", push["result"]["error"])


if __name__ == "__main__":
    unittest.main()
