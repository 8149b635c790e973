"""Forced synchronization: a policy goes from the file to the devices, and they say what they made
of it. Real agents, and a stock client that knows nothing of policies."""

import json
import re
import time
import unittest

from clients import MosquittoSub
from harness import AcceptanceTest
from mqtt import connect_device
from processes import Agent, Daemon, wait_until

UDP_PORT = "connectivity.network.udp_port"
INTERVAL = "connectivity.schedule.synchronization_interval"


class SyncTest(AcceptanceTest):
    hold = True

    def setUp(self):
        self.site = self.new_site()
        self.site.prepare_to_serve(hold=self.hold)
        self.server = self.serve(self.site)

    def run_agent(self, device, *options):
        """As DEVICE, registered when it is not yet."""
        folder = self.site.folder / "devices" / device
        if not folder.exists():
            self.site.add_device(device)
        return self.watch(Agent(device, folder, [f"localhost:{self.site.port}"], *options))

    def apply(self, *settings, lock="--lock", options=()):
        """Each of SETTINGS: name and value. What apply printed, as JSON."""
        for name, value in settings:
            self.site.succeed("policy", "set", name, value, lock)
        return self.site.succeed("apply", "-o", "json", *options).json()

    def status(self, device):
        return self.site.succeed("status", device, "-o", "json").json()[0]

    def wait_for(self, device, state):
        def reached():
            row = self.status(device)
            return row if row["state"] == state else None
        return wait_until(reached, f"{device} to be {state}")

    def wait_for_settings(self, device, path, value):
        file = self.site.folder / "devices" / device / f"{device}.state" / "settings.json"
        wait_until(lambda: file.exists() and json.loads(file.read_text()).get(path) == value,
                   f"{device} to have {path} = {value}")

    def pushes(self, device):
        return self.site.succeed("push", "list", "--device", device, "-o", "json").json()


class Synchronization(SyncTest):
    def test_a_device_without_a_policy_synchronizes_first(self):
        self.run_agent("pc-1")
        row = self.wait_for("pc-1", "in_sync")
        self.assertEqual((row["result"], row["reported"]), ("applied", row["desired"]))
        self.wait_for_settings("pc-1", UDP_PORT, "15000")
        self.assertEqual(self.pushes("pc-1"), [])
        self.assertEqual(self.site.metric("kscpush_policy_failures_total"), 0)

    def test_apply_reaches_those_whose_policy_changes_and_no_others(self):
        self.site.succeed("policy", "add", "Berlin", "--group", "Managed devices/Berlin")
        self.apply()
        self.site.succeed("device", "add", "pc-b", "--group", "Managed devices/Berlin")
        self.site.enroll("pc-b")
        self.run_agent("pc-b")
        self.run_agent("pc-1")
        for device in "pc-b", "pc-1":
            self.wait_for(device, "in_sync")
        self.site.succeed("policy", "set", UDP_PORT, "15002", "--lock", "--policy", "Berlin")
        done = self.site.succeed("apply", "--watch", "--rate", "100", "--canary", "1")
        self.assertIn("Synchronizing 1 device: ", done.err)
        self.wait_for_settings("pc-b", UDP_PORT, "15002")
        row = self.wait_for("pc-b", "in_sync")
        [push] = self.pushes("pc-b")
        self.assertEqual((push["kind"], push["state"]), ("sync", "completed"))
        self.assertEqual(push["result"], {"revision": row["desired"], "result": "applied"})
        self.assertEqual(self.pushes("pc-1"), [])
        back = self.site.succeed("rollback", "2", "-o", "json").json()
        self.assertEqual(back["sync"]["devices"], 1)
        self.wait_for_settings("pc-b", UDP_PORT, "15000")

    def test_a_device_that_is_moved_or_tagged_synchronizes_if_its_policy_is_another_then(self):
        berlin = "Managed devices/Berlin"
        self.site.succeed("policy", "add", "Berlin", "--group", berlin)
        self.site.succeed("policy", "set", UDP_PORT, "15002", "--lock", "--policy", "Berlin")
        self.apply()
        self.run_agent("pc-1")
        self.wait_for("pc-1", "in_sync")
        tagged = self.site.succeed("device", "tag", "pc-1", "--add", "vip")
        self.assertEqual(tagged.err, "")
        self.assertEqual(self.pushes("pc-1"), [])
        moved = self.site.succeed("device", "move", "pc-1", "--group", berlin)
        self.assertIn("Synchronizing 1 device: 'kscpush status pc-1' shows", moved.err)
        self.wait_for_settings("pc-1", UDP_PORT, "15002")
        self.wait_for("pc-1", "in_sync")
        [push] = self.pushes("pc-1")
        self.assertEqual(push["kind"], "sync")
        back = self.site.succeed("device", "move", "pc-1", "--group", "Managed devices",
                                 "--no-sync")
        self.assertEqual(back.err, "")
        self.assertEqual(len(self.pushes("pc-1")), 1)
        self.assertEqual(self.status("pc-1")["state"], "pending")

    def test_a_spare_push_server_is_made_known_to_those_who_are_connected(self):
        self.run_agent("pc-1")
        self.wait_for("pc-1", "in_sync")
        self.site.succeed("dp", "add", "spare", "--address", "spare.example.com", "--group",
                          "Managed devices")
        self.site.succeed("dp", "enable", "spare", "--port", "13295")
        done = self.site.succeed("apply", "--dp", "dp-1", "--watch")
        self.assertIn("Synchronizing 1 device: ", done.err)
        kept = self.site.folder / "devices" / "pc-1" / "pc-1.state" / "policy.json"
        wait_until(lambda: "spare.example.com:13295" in json.loads(kept.read_text())["servers"],
                   "the agent to know the spare")

    def test_what_was_missed_is_healed_by_the_next_connection(self):
        agent = self.run_agent("pc-1")
        self.wait_for("pc-1", "in_sync")
        plan = self.apply((UDP_PORT, "15002"), options=["--no-sync"])
        self.assertIsNone(plan["sync"])
        self.assertEqual(self.status("pc-1")["state"], "pending")
        agent.kill()
        self.wait_for("pc-1", "offline")
        self.run_agent("pc-1")
        self.wait_for("pc-1", "in_sync")
        self.wait_for_settings("pc-1", UDP_PORT, "15002")
        self.assertEqual(self.pushes("pc-1"), [])

    def test_an_agent_that_missed_a_synchronization_makes_up_for_it_by_itself(self):
        self.site.add_device("pc-1")
        for _ in range(50):
            self.site.push("pc-1", kind="ping", ttl=300)
        refused, _ = self.site.request("POST", "/v1/devices/pc-1/pushes", {"kind": "sync"})
        self.assertEqual(refused, 429)
        self.assertEqual(self.status("pc-1")["resync_required"]["reason"], "overflow")
        self.assertIn("RESYNC SINCE", self.site.succeed("status", "-o", "wide").out)
        self.run_agent("pc-1")
        self.wait_for("pc-1", "in_sync")
        wait_until(lambda: self.status("pc-1")["resync_required"] is None, "it to be level")
        self.assertEqual({push["kind"] for push in self.pushes("pc-1")}, {"ping"})

    def test_sync_tells_acknowledged_from_completed_and_says_who_waits(self):
        self.run_agent("pc-1")
        self.wait_for("pc-1", "in_sync")
        done = self.site.succeed("sync", "pc-1", "-o", "json").json()
        self.assertEqual((done["state"], done["result"]["result"]), ("completed", "unchanged"))
        self.assertIsNotNone(done["acked"])
        stock = self.site.add_device("pc-2")
        self.site.add_device("pc-3")
        with MosquittoSub(self.site, "pc-2", stock) as device:
            acked = self.site.kscpush("sync", "pc-2", "--timeout", "1")
            self.assertEqual(acked.code, 6, acked)
            self.assertRegex(acked.out, r"(?m)^pc-2 +acked .*no answer yet")
            away = self.site.kscpush("sync", "pc-3", "--timeout", "0.1")
            self.assertEqual(away.code, 5, away)
            self.assertIn("waits for it until", away.err)
            many = self.site.kscpush("sync", "--all", "--yes", "--timeout", "2")
            self.assertEqual(many.code, 4, many)
            self.assertRegex(many.out, r"(?m)^pc-1 +completed .*unchanged")
            self.assertRegex(many.out, r"(?m)^3 devices: 1 acked, 1 completed, 1 stored$")
            self.assertIn("2 of 3 devices have not completed it", many.err)
            # A stock client is told nothing that it has not asked for.
            self.assertEqual({push["kind"] for push in device.pushes()}, {"sync"})
        self.assertEqual(self.status("pc-2")["reported"], None)
        self.assertEqual(self.site.kscpush("push", "send", "pc-1", "--kind", "policy").code, 2)

    def test_status_of_groups_states_and_conditions(self):
        self.run_agent("pc-1")
        self.wait_for("pc-1", "in_sync")
        stock = self.site.add_device("pc-2")
        self.site.add_device("pc-3")
        with connect_device(self.site, "pc-2", stock):
            done = self.site.succeed("status")
            self.assertRegex(done.out, r"(?m)^pc-2 +Managed devices +pending +- ")
            self.assertRegex(done.out, r"(?m)^1 in sync, 1 pending, 0 failed, 1 offline$")
            only = self.site.succeed("status", "--state", "offline", "-o", "name")
            self.assertEqual(only.out, "pc-3\n")
        chosen = self.site.succeed("status", "--select", "id matches 'pc-[13]' or id == pc-1")
        self.assertRegex(chosen.out, r"(?m)^1 in sync, 0 pending, 0 failed, 0 offline$")
        self.assertEqual(self.site.kscpush("status", "nobody").code, 7)


class WhatGoesWrong(SyncTest):
    def run_agent_with(self, *local):
        """An agent whose file has these LOCAL settings."""
        folder = self.site.folder / "devices" / "pc-1"
        if not folder.exists():
            self.site.add_device("pc-1")
        (folder / "agent.yaml").write_text("\n".join(
            ["version: 1", "id: pc-1", f"servers: ['localhost:{self.site.port}']",
             "state_directory: pc-1.state", "local:", *[f"  {line}" for line in local]]) + "\n")
        return self.watch(Daemon("agent", "--config-file", folder / "agent.yaml", folder=folder,
                                 log_path=folder / "agent.log"))

    def test_a_policy_that_cannot_be_applied_is_reported_and_the_one_before_kept(self):
        agent = self.run_agent_with(f"{UDP_PORT}: 15009")
        self.wait_for("pc-1", "in_sync")
        self.wait_for_settings("pc-1", UDP_PORT, "15009")
        # What is in force cannot be written any more.
        settings = self.site.folder / "devices" / "pc-1" / "pc-1.state" / "settings.json"
        kept = settings.read_text()
        settings.unlink()
        settings.mkdir()
        (settings / "in-the-way").touch()
        self.apply((INTERVAL, "30"))
        row = self.wait_for("pc-1", "failed")
        self.assertIn("settings.json", row["result"])
        failed = self.site.kscpush("sync", "pc-1")
        self.assertEqual(failed.code, 1, failed)
        self.assertIn("cannot be applied", failed.err)
        (settings / "in-the-way").unlink()
        settings.rmdir()
        settings.write_text(kept)
        self.site.succeed("sync", "pc-1")
        self.wait_for("pc-1", "in_sync")
        self.wait_for_settings("pc-1", INTERVAL, "30")
        self.assertEqual(agent.stop(), 0)

    def test_local_settings_stand_until_they_are_locked(self):
        self.run_agent_with(f"{INTERVAL}: 99999")
        row = self.wait_for("pc-1", "failed")
        self.assertIn(INTERVAL, row["result"])
        shown = self.site.succeed("device", "show", "pc-1", "-o", "json").json()
        self.assertEqual(shown["local_settings"], {INTERVAL: "99999"})
        self.apply((INTERVAL, "30"))
        self.wait_for("pc-1", "in_sync")
        self.wait_for_settings("pc-1", INTERVAL, "30")

    def test_a_damaged_revision_is_asked_for_again(self):
        agent = self.run_agent("pc-1")
        self.wait_for("pc-1", "in_sync")
        agent.kill()
        policy = self.site.folder / "devices" / "pc-1" / "pc-1.state" / "policy.json"
        whole = policy.read_text()
        policy.write_text(whole[:40])
        again = self.run_agent("pc-1")
        again.wait_to_log("asked for again")
        wait_until(lambda: policy.read_text() == whole, "the policy to be kept again")


class ComingAndGoing(SyncTest):
    hold = False

    def test_off_the_agent_comes_and_goes_and_on_it_stays(self):
        agent = self.run_agent("pc-1", "--minute", "0.05")

        def leaves():
            return agent.log().count("as its policy wants it")
        wait_until(lambda: leaves() >= 2, "it to come and go twice")
        self.assertIn("connected to", agent.log())
        self.wait_for("pc-1", "in_sync")
        self.apply(("force-via-dp", "on"))
        self.wait_for("pc-1", "in_sync")
        wait_until(lambda: self.status("pc-1")["connected"], "it to hold its connection")
        before = leaves()
        since = self.site.connected("pc-1")["since"]
        for _ in range(3):  # each would be its last word
            done = self.site.succeed("sync", "pc-1", "-o", "json").json()
            self.assertEqual(done["result"]["result"], "unchanged")
        self.site.succeed("ping", "pc-1")
        self.assertEqual((leaves(), self.site.connected("pc-1")["since"]), (before, since))
        self.apply(("force-via-dp", "off"))
        wait_until(lambda: leaves() >= before + 2, "it to come and go again")
        self.wait_for("pc-1", "in_sync")

    def test_at_given_intervals_it_does_not_come_outside_of_them(self):
        agent = self.run_agent("pc-1", "--minute", "0.05")
        self.wait_for("pc-1", "in_sync")
        opens = (time.localtime().tm_hour + 3) % 24
        self.apply(("connectivity.schedule.intervals", f"{opens:02}:00-{opens:02}:30"),
                   ("connectivity.schedule.connect", "at_given_intervals"))
        agent.wait_to_log("by its connection schedule")
        self.wait_for("pc-1", "in_sync")
        closed = re.search(r"for (\d+) min, by", agent.log()).group(1)
        self.assertTrue(119 <= int(closed) <= 181, closed)
        self.assertIsNone(self.site.connected("pc-1"))
        # Not at its next start either.
        agent.kill()
        before = agent.log()
        again = self.run_agent("pc-1", "--minute", "0.05")

        def since():
            return again.log()[len(before):]
        wait_until(lambda: "by its connection schedule" in since(), "it to stay away")
        self.assertNotIn("connected to", since())


if __name__ == "__main__":
    unittest.main()
