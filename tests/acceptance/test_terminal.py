"""What is asked and shown on a terminal, and what Ctrl-C leaves there."""

import unittest

from harness import ServedTest
from mqtt import connect_device
from processes import Terminal

CTRL_C = "\x03"


class OnATerminal(ServedTest):
    def setUp(self):
        group = self._testMethodName.split("_")[1]
        self.many = ("--select", f"id matches '{group}-*'")
        self.names = [f"{group}-{number}" for number in (1, 2)]
        self.credentials = [self.site.add_device(name) for name in self.names]

    def terminal(self, *arguments):
        return Terminal(*arguments, folder=self.site.folder)

    def pushes(self):
        listed = self.site.succeed("push", "list", "-o", "json").json()
        return [push for push in listed if push["device"] in self.names]

    def test_nays_are_taken_as_such(self):
        for answer in ("n\n", "\n", CTRL_C):
            with self.terminal("sync", *self.many) as terminal:
                terminal.wait_to_show("2 devices? [y/N]")
                terminal.type(answer)
                self.assertNotEqual(terminal.code(), 0, terminal.shown)
            self.assertEqual(self.pushes(), [])

    def test_yeas_begin_it_with_its_progress_shown(self):
        with connect_device(self.site, self.names[0], self.credentials[0]) as first, \
                connect_device(self.site, self.names[1], self.credentials[1]) as second, \
                self.terminal("push", "send", "--kind", "sync", *self.many, "--watch") as terminal:
            terminal.wait_to_show("2 devices? [y/N]")
            terminal.type("y\n")
            terminal.wait_to_show("of 2:")
            first.push()
            second.push()
            self.assertEqual(terminal.code(), 0, terminal.shown)
        self.assertEqual([push["state"] for push in self.pushes()], ["acked", "acked"])

    def test_left_with_ctrl_c_it_goes_on_and_says_how_to_follow_it(self):
        with self.terminal("sync", *self.many, "--yes") as terminal:
            terminal.wait_to_show("of 2:")
            terminal.type(CTRL_C)
            self.assertEqual(terminal.code(), 130, terminal.shown)
        self.assertIn("goes on", terminal.shown)
        self.assertIn("kscpush rollout watch", terminal.shown)
        self.assertIn("kscpush rollout cancel", terminal.shown)
        self.assertEqual([push["state"] for push in self.pushes()], ["stored", "stored"])


if __name__ == "__main__":
    unittest.main()
