"""Tasks as an operator runs them, on real agents."""

import os
import signal
import unittest

from devices import DeviceTest, wait_until_gone
from processes import wait_until

TASKS = """tasks:
  - name: greet
    description: Says hello
    command: /bin/echo
    args: [hello, "{whom}"]
    parameters: {whom: {enum: [you, all], default: you}}
  - name: fail
    command: /bin/sh
    args: [-c, "echo it broke; exit 3"]
  - name: gate
    command: /bin/sh
    args: [-c, "echo one; while [ ! -e {gate} ]; do sleep 0.05; done; echo two"]
    parameters: {gate: {pattern: "[a-z0-9/_.A-Z-]+"}}
  - name: wait
    command: /bin/sh
    args: [-c, "echo $$; trap '' TERM; sleep 1000 & wait; wait"]
    grace_s: 1
  - name: endless
    command: /usr/bin/yes
  - name: bomb
    command: /bin/sh
    args: [-c, "b() {{ b | b & }}; b; sleep 1000"]
    user: nobody
    timeout_s: 2
    grace_s: 0
    limits: {processes: 30, cpu_s: 2}
"""


class Tasks(DeviceTest):
    def test_one_is_started_and_waited_for(self):
        self.add_agent("pc-1", TASKS)
        done = self.site.succeed("task", "start", "pc-1", "greet", "--param", "whom=all")
        self.assertIn("completed", done.out)
        self.assertTrue(done.out.endswith("hello all\n"), done.out)
        result = self.site.succeed("task", "start", "pc-1", "greet", "-o", "json").json()["result"]
        self.assertEqual((result["output"], result["exit_code"]), ("hello you\n", 0))
        failed = self.site.kscpush("task", "start", "pc-1", "fail")
        self.assertEqual(failed.code, 1, failed)
        self.assertIn("exit code 3", failed.err)
        self.assertIn("it broke", failed.out)

    def test_what_is_not_declared_or_does_not_fit_is_refused_with_the_reason(self):
        self.add_agent("pc-1", TASKS)
        for arguments, why in ((["gret"], "did you mean 'greet'?"),
                               (["greet", "--param", "whom=them"], "cannot be 'them'"),
                               (["greet", "--param", "who=all"], "did you mean 'whom'?"),
                               (["gate", "--param", "gate=$(reboot)"], "cannot be '$(reboot)'"),
                               (["gate"], "needs parameter 'gate'")):
            done = self.site.kscpush("task", "start", "pc-1", *arguments)
            self.assertEqual(done.code, 1, done)
            self.assertIn(why, done.err)
        self.assertEqual(self.site.kscpush("task", "start", "pc-1").code, 2)
        self.assertEqual(self.site.kscpush("task", "start", "pc-1", "greet", "--param", "x").code, 2)

    def test_list_and_status(self):
        self.add_agent("pc-1", TASKS)
        listed = self.site.succeed("task", "list", "pc-1").out
        self.assertRegex(listed, r"(?m)^pc-1 +greet +0 +whom of you, all \(you\) +Says hello")
        self.site.succeed("task", "start", "pc-1", "greet")
        run = self.begin_task("pc-1", "wait")["id"]
        shown = self.site.succeed("task", "status", "pc-1").out
        self.assertRegex(shown, r"(?m)^pc-1 +greet +\S+ +completed ")
        self.assertRegex(shown, rf"(?m)^pc-1 +wait +{run} +running ")
        one = self.site.succeed("task", "status", "pc-1", "--task", "wait", "-o", "json").json()
        self.assertEqual([found["run"] for found in one["result"]["runs"]], [run])

    def test_stop_ends_the_whole_group_whether_it_hears_or_not(self):
        self.add_agent("pc-1", TASKS)
        run = self.begin_task("pc-1", "wait")["id"]
        pid = int(self.output_of("pc-1", run))
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = wait_until(lambda: file.seek(0) or file.read().split(), "its child")
        stopped = self.site.succeed("task", "stop", "pc-1", "wait").out
        self.assertRegex(stopped, rf"(?m)^pc-1 +wait +{run} +stopped +SIGKILL")
        for process in pid, *map(int, children):
            wait_until_gone(process)
        push = self.site.wait_for_push(run, "failed")
        self.assertEqual(push["result"]["error"], "stopped on request")

    def test_follow_prints_what_comes_when_it_comes(self):
        self.add_agent("pc-1", TASKS)
        gate = self.folder / "gate"
        following = self.start(self.site, "task", "start", "pc-1", "gate", "--param",
                               f"gate={gate}", "--follow")
        self.assertEqual(following.process.stdout.readline(), "one\n")
        gate.touch()
        done = following.outcome()
        self.assertEqual((done.code, done.out), (0, "two\n"), done)
        self.assertIn("completed after", done.err)

    def test_ctrl_c_leaves_a_followed_task_running(self):
        self.add_agent("pc-1", TASKS)
        following = self.start(self.site, "task", "start", "pc-1", "gate", "--param",
                               f"gate={self.folder / 'never'}", "--follow")
        self.assertEqual(following.process.stdout.readline(), "one\n")
        following.process.send_signal(signal.SIGINT)
        done = following.outcome()
        self.assertEqual(done.code, 130, done)
        self.assertIn("task stop pc-1 --run", done.err)
        shown = self.site.succeed("task", "status", "pc-1", "--task", "gate").out
        self.assertIn("running", shown)
        self.site.succeed("task", "stop", "pc-1", "gate")

    def test_a_task_goes_on_while_the_server_is_away_and_is_told_afterwards(self):
        agent = self.add_agent("pc-1", TASKS)
        gate = self.folder / "gate"
        run = self.begin_task("pc-1", "gate", gate=str(gate))["id"]
        self.server.kill()
        gate.touch()
        wait_until(lambda: agent.status()["tasks"] == [], "the task to end")
        self.server = self.serve(self.site)
        push = self.site.wait_for_push(run, "completed")
        self.assertEqual(push["result"]["output"], "one\ntwo\n")

    def test_output_without_end_is_bounded(self):
        agent = self.add_agent("pc-1", TASKS)
        run = self.begin_task("pc-1", "endless")["id"]
        wait_until(lambda: agent.status()["tasks"][0]["output_bytes"] > 10_000_000, "much output")
        with open(f"/proc/{agent.process.pid}/status", encoding="ascii") as status:
            kib = int([line.split()[1] for line in status if line.startswith("VmRSS")][0])
        self.site.succeed("task", "stop", "pc-1", "--run", run)
        result = self.site.wait_for_push(run, "failed")["result"]
        self.assertGreater(result["output_bytes"], 10_000_000)
        self.assertTrue(result["output_cut"])
        self.assertLessEqual(len(result["output"]), 65536)
        self.assertLess(kib, 256 * 1024)

    @unittest.skipIf(os.geteuid() != 0, "only root can run a task as another user")
    def test_a_fork_bomb_stays_within_its_limits_and_ends(self):
        agent = self.add_agent("pc-1", TASKS)
        run = self.begin_task("pc-1", "bomb")["id"]
        result = self.site.wait_for_push(run, "failed")["result"]
        self.assertIn(result["state"], ("timed out", "failed"))
        self.assertEqual(agent.status()["connection"]["state"], "connected")

        def bombs():
            found = []
            for entry in os.listdir("/proc"):
                try:
                    with open(f"/proc/{entry}/environ", "rb") as file:
                        if f"KSCPUSH_RUN={run}".encode() in file.read():
                            found.append(entry)
                except OSError:
                    pass
            return found
        wait_until(lambda: bombs() == [], "all of its processes to be gone")

    def test_of_many_each_has_its_row_and_exit_4_says_that_some_failed(self):
        self.add_agent("pc-1", TASKS)
        self.add_agent("pc-2", "tasks: [{name: greet, command: /bin/false}]\n")
        done = self.site.kscpush("task", "start", "pc-1", "pc-2", "greet", "--yes")
        self.assertEqual(done.code, 4, done)
        self.assertRegex(done.out, r"(?m)^pc-1 +completed ")
        self.assertRegex(done.out, r"(?m)^pc-2 +failed .*exit code 1$")
        self.assertIn("2 devices: 1 completed, 1 failed", done.out)
        listed = self.site.succeed("task", "list", "pc-1", "pc-2", "--yes").out
        self.assertRegex(listed, r"(?m)^pc-2 +greet ")

    def test_a_device_that_is_away_is_exit_5(self):
        self.site.add_device("pc-away")
        self.assertEqual(self.site.kscpush("task", "list", "pc-away").code, 5)
        self.assertEqual(self.site.kscpush("task", "start", "pc-away", "greet", "--follow").code, 5)


if __name__ == "__main__":
    unittest.main()
