"""Statistics of real agents: for people, for programs, for Prometheus."""

import re
import unittest

from devices import DeviceTest, as_yaml

COLLECTORS = [
    {"name": "queue", "command": "/bin/echo", "args": ['{"queue": {"length": 3}, "name": "q"}']},
    {"name": "web", "command": "/bin/echo", "format": "prometheus",
     "args": ['# HELP hits_total Hits.\n# TYPE hits_total counter\n'
              'hits_total{device="eth0",path="a\\"b\\\\c"} 7']},
    {"name": "broken", "command": "/bin/echo", "args": ["hits_total{x=y} 1"],
     "format": "prometheus"},
]

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
                    r',?)*)\} (\S+)$')


class Statistics(DeviceTest):
    def add(self, device):
        return self.add_agent(device, f"collectors: {as_yaml(COLLECTORS)}\n")

    def test_of_one_for_people_and_programs(self):
        self.add("pc-1")
        shown = self.site.succeed("stats", "pc-1").out
        for words in "Load:", "Memory:", "MOUNT", "INTERFACE", "APPLICATION", "broken":
            self.assertIn(words, shown)
        result = self.site.succeed("stats", "pc-1", "-o", "json").json()["result"]
        self.assertGreater(result["host"]["memory"]["total"], 0)
        self.assertEqual(len(result["host"]["load"]), 3)
        by_name = {one["name"]: one for one in result["applications"]}
        self.assertEqual(by_name["queue"]["values"]["queue"]["length"], 3)
        self.assertTrue(by_name["web"]["metrics"].startswith("# HELP hits_total Hits.\n"))
        self.assertIn("line 1", by_name["broken"]["error"])

    def test_of_many_one_exposition(self):
        self.add("pc-1")
        self.add("pc-2")
        self.site.add_device("pc-away")
        done = self.site.kscpush("stats", "--all", "--yes", "--prometheus")
        self.assertEqual(done.code, 4, done)
        self.assertIn("1 of 3 devices have not completed it", done.err)
        self.assert_hint(done, "shows why")
        self.assertNotIn("beside it", done.err)
        samples, described = {}, []
        for line in done.out.splitlines():
            if line.startswith("# "):
                described.append(tuple(line.split()[1:3]))
                continue
            found = SAMPLE.match(line)
            self.assertTrue(found, line)
            self.assertNotIn((found[1], found[2]), samples)
            samples[found[1], found[2]] = float(found[3])
        self.assertEqual(len(described), len(set(described)))
        self.assertEqual(samples["kscpush_device_answered", 'device="pc-away"'], 0)
        for device in "pc-1", "pc-2":
            self.assertEqual(samples["kscpush_device_answered", f'device="{device}"'], 1)
            self.assertIn(("kscpush_host_load1", f'device="{device}"'), samples)
            self.assertEqual(samples["hits_total", f'device="{device}",application="web",'
                                     r'exported_device="eth0",path="a\"b\\c"'], 7)
            self.assertEqual(samples["kscpush_application_value",
                                     f'device="{device}",application="queue",key="queue.length"'], 3)
            self.assertEqual(samples["kscpush_application_failed",
                                     f'device="{device}",application="broken"'], 1)

    def test_of_a_device_that_is_away_no_option_is_asked_for_that_there_is_not(self):
        self.site.add_device("pc-away")
        for command in (["stats"], ["task", "list"], ["task", "start", "--follow"]):
            task = ["backup"] if "start" in command else []
            done = self.site.kscpush(*command, "pc-away", *task)
            self.assert_error(done, 5, "device 'pc-away' is not connected", "kscpush device list")
            self.assertNotIn("time to live", done.err)
        done = self.site.kscpush("push", "send", "pc-away", "--kind", "ping")
        self.assert_error(done, 5, "without a time to live", "--ttl")

    def test_of_many_a_table_with_a_summary(self):
        self.add("pc-1")
        self.add("pc-2")
        done = self.site.succeed("stats", "pc-1", "pc-2", "--yes")
        self.assertRegex(done.out, r"(?m)^pc-2 +completed .*3, 1 failed")
        self.assertIn("2 devices: 2 completed", done.out)


if __name__ == "__main__":
    unittest.main()
