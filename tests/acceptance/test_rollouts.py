"""push send to many devices, and rollout: as an operator uses them."""

import unittest

from harness import ServedTest
from mqtt import connect_device


class Rollouts(ServedTest):
    def test_to_many_with_progress_until_all_have_acknowledged(self):
        credentials = {name: self.site.add_device(name) for name in ("roll-1", "roll-2")}
        with connect_device(self.site, "roll-1", credentials["roll-1"]) as first, \
                connect_device(self.site, "roll-2", credentials["roll-2"]) as second:
            select = ("--select", "id matches 'roll-*'")
            counted = self.site.succeed("push", "send", *select, "--dry-run", "-o", "json").json()
            self.assertEqual(counted, {"targets": 2})
            unsure = self.site.kscpush("push", "send", *select)
            self.assert_error(unsure, 2, "2 devices are meant, and nobody can be asked")
            self.assert_hint(unsure, "--yes")
            sending = self.start(self.site, "push", "send", *select, "--yes", "--watch",
                                 "--canary", "1", "--rate", "1000", "-o", "json")
            first.push()
            second.push()
            outcome = sending.outcome()
            self.assertEqual(outcome.code, 0, outcome)
            rollout = outcome.json()
            self.assertEqual((rollout["state"], rollout["counts"]), ("done", {"acked": 2}))
        self.assertIn(rollout["id"], self.site.succeed("rollout", "list").out)
        self.assertIn("acked", self.site.succeed("rollout", "show", rollout["id"]).out)
        pushes = self.site.succeed("push", "list", "--rollout", rollout["id"], "-o", "json").json()
        self.assertEqual({push["device"] for push in pushes}, {"roll-1", "roll-2"})

    def test_what_fails_halts_it_and_is_exit_4(self):
        for name in ("away-1", "away-2", "away-3"):
            self.site.add_device(name)
        halted = self.site.kscpush("push", "send", "away-1", "away-2", "away-3", "--kind", "ping",
                                   "--canary", "1", "--yes", "--watch")
        self.assertEqual(halted.code, 4, halted)
        self.assertIn("was halted: of the first, 1 failed, 0 may", halted.err)
        self.assert_hint(halted, "kscpush push list --rollout")

    def test_cancelled_what_waits_is_taken_back(self):
        self.site.add_device("late-1")
        self.site.add_device("late-2")
        begun = self.site.succeed("push", "send", "late-1", "late-2", "--yes", "-o", "name")
        rollout = begun.out.strip()
        self.assertIn(f"kscpush rollout watch {rollout}", begun.err)
        done = self.site.succeed("rollout", "cancel", rollout, "-o", "json").json()
        self.assertEqual(done["state"], "cancelled")
        self.assert_error(self.site.kscpush("rollout", "cancel", rollout), 1, "cancelled already")
        self.assertEqual(self.site.kscpush("rollout", "watch", rollout).code, 0)
        self.assertEqual(self.site.kscpush("rollout", "show", "0" * 26).code, 7)
        self.assertEqual(self.site.kscpush("rollout", "show", "x").code, 2)


if __name__ == "__main__":
    unittest.main()
