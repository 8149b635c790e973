"""push send, list, show, cancel; events; device show: as an operator uses them."""

import json
import signal
import socket
import unittest

from harness import AcceptanceTest, ServedTest
from mqtt import PUBLISH, connect_device, publish, up
from processes import DEADLINE, wait_until


class PushCommands(ServedTest):
    def test_send_prints_the_push_that_was_stored(self):
        self.site.add_device("cmd-send")
        done = self.site.succeed("push", "send", "cmd-send", "--param", "reason=update",
                                 "--param", "n=3", "--ttl", "60", "-o", "json")
        push = done.json()
        self.assertEqual((push["kind"], push["state"]), ("sync", "stored"))
        self.assertEqual(push["params"], {"reason": "update", "n": 3})
        shown = self.site.succeed("push", "show", push["id"])
        for words in "stored", "cmd-send", "sync":
            self.assertIn(words, shown.out)

    def test_wait_until_the_device_has_acknowledged_or_answered(self):
        credentials = self.site.add_device("cmd-wait")
        with connect_device(self.site, "cmd-wait", credentials) as client:
            acked = self.start(self.site, "push", "send", "cmd-wait", "--wait", "acked", "-o", "json")
            client.push()
            outcome = acked.outcome()
            self.assertEqual(outcome.code, 0, outcome)
            push = outcome.json()
            self.assertEqual(push["state"], "acked")
            completed = self.start(self.site, "push", "show", push["id"], "--wait", "completed")
            answer = json.dumps({"id": push["id"], "status": "completed"}).encode()
            client.send(publish(up("cmd-wait"), answer))
            self.assertEqual(completed.outcome().code, 0)

    def test_what_ends_otherwise_or_does_not_come_in_time_has_its_own_exit_code(self):
        credentials = self.site.add_device("cmd-ends")
        away = self.site.kscpush("push", "send", "cmd-ends", "--wait", "acked", "--timeout", "0.1")
        self.assertEqual(away.code, 5, away)
        self.assertIn("waits for it", away.err)
        self.assertEqual(self.site.kscpush("push", "send", "cmd-ends", "--kind", "ping").code, 5)
        with connect_device(self.site, "cmd-ends", credentials) as client:
            client.expect(PUBLISH)
            slow = self.site.kscpush("push", "send", "cmd-ends", "--wait", "acked",
                                     "--timeout", "0.1")
            self.assertEqual(slow.code, 6, slow)
        wait_until(lambda: self.site.connected("cmd-ends") is None, "the device to be away")
        with connect_device(self.site, "cmd-ends", credentials) as client:
            failing = self.start(self.site, "push", "send", "cmd-ends", "--wait", "completed")
            push = [client.push() for _ in range(3)][-1].json()
            client.send(publish(up("cmd-ends"),
                                json.dumps({"id": push["id"], "status": "failed"}).encode()))
            outcome = failing.outcome()
            self.assertEqual(outcome.code, 1, outcome)
            self.assertIn("is failed: the device reported a failure", outcome.err)
        self.assertEqual(self.site.kscpush("push", "send", "nobody").code, 7)
        self.assertEqual(self.site.kscpush("push", "show", "0" * 26).code, 7)
        for wrong in (["cmd-ends", "--kind", "dance"], ["cmd-ends", "--param", "x"],
                      ["cmd-ends", "--ttl", "172801"], ["a b"]):
            self.assertEqual(self.site.kscpush("push", "send", *wrong).code, 2, wrong)

    def test_ctrl_c_ends_the_waiting_only_with_exit_130(self):
        credentials = self.site.add_device("cmd-cut")
        with connect_device(self.site, "cmd-cut", credentials) as client:
            waiting = self.start(self.site, "push", "send", "cmd-cut", "--wait", "completed",
                                 "--timeout", "600")
            push = client.push().json()
            # Before it waits, the signal just ends it.
            wait_until(lambda: self.site.metric("kscpush_push_waits") == 1, "it to wait")
            waiting.process.send_signal(signal.SIGINT)
            done = waiting.outcome()
            self.assert_error(done, 130, f"push {push['id']} goes on", "--wait completed' waits on")

    def test_cancel_takes_back_what_was_not_sent(self):
        self.site.add_device("cmd-cancel")
        push = self.site.succeed("push", "send", "cmd-cancel", "-o", "name").out.strip()
        cancelled = self.site.succeed("push", "cancel", push, "-o", "json").json()
        self.assertEqual(cancelled["state"], "cancelled")
        again = self.site.kscpush("push", "cancel", push)
        self.assert_error(again, 1, "is cancelled already")

    def test_list_by_device_and_state(self):
        self.site.add_device("cmd-list")
        pushes = [self.site.succeed("push", "send", "cmd-list", "--kind", "ping", "--ttl", "60",
                                    "-o", "name").out.strip() for _ in range(3)]
        self.site.succeed("push", "cancel", pushes[1])
        names = self.site.succeed("push", "list", "--device", "cmd-list", "-o", "name").out.split()
        self.assertEqual(names, pushes[::-1])
        stored = self.site.succeed("push", "list", "--device", "cmd-list", "--state", "stored",
                                   "-o", "name").out.split()
        self.assertEqual(stored, [pushes[2], pushes[0]])
        one = self.site.succeed("push", "list", "--device", "cmd-list", "--limit", "1",
                                "-o", "name").out.split()
        self.assertEqual(one, [pushes[2]])
        self.assertIn("DEVICE", self.site.succeed("push", "list").out)

    def test_the_same_command_twice_with_a_key_is_one_push(self):
        self.site.add_device("cmd-once")
        command = ["push", "send", "cmd-once", "--idempotency-key", "nightly", "-o", "name"]
        self.assertEqual(self.site.succeed(*command).out, self.site.succeed(*command).out)
        other = self.site.kscpush(*command, "--ttl", "60")
        self.assert_error(other, 1, "used for another request")

    def test_what_is_not_there_is_named_with_the_command_that_lists_it(self):
        unknown = "0" * 26
        for command, kind, lists in ((["history", "9999"], "revision", "history"),
                                     (["rollback", "9999"], "revision", "history"),
                                     (["push", "list", "--rollout", unknown], "rollout",
                                      "rollout list"),
                                     (["push", "show", unknown], "push", "push list"),
                                     (["push", "cancel", unknown], "push", "push list"),
                                     (["rollout", "show", unknown], "rollout", "rollout list"),
                                     (["rollout", "watch", unknown], "rollout", "rollout list"),
                                     (["rollout", "cancel", unknown], "rollout", "rollout list"),
                                     (["tunnel", "close", unknown], "tunnel", "tunnel list --all")):
            self.assert_error(self.site.kscpush(*command), 7, f"no {kind} '{command[-1]}'",
                              f"'kscpush {lists}' lists")
        for command, kind in ((["push", "show"], "push"), (["rollout", "show"], "rollout"),
                              (["push", "list", "--rollout"], "rollout"),
                              (["tunnel", "close"], "tunnel")):
            self.assert_error(self.site.kscpush(*command, "abc"), 2, f"'abc' is not a {kind} id")

    def test_device_show_has_the_queue_and_the_last_disconnects(self):
        credentials = self.site.add_device("cmd-show")
        with connect_device(self.site, "cmd-show", credentials):
            pass
        wait_until(lambda: self.site.connected("cmd-show") is None, "the device to be away")
        self.site.push("cmd-show")
        shown = self.site.succeed("device", "show", "cmd-show")
        self.assertRegex(shown.out, r"Pushes pending:? +1\n")
        self.assertIn("connection_lost", shown.out)
        device = self.site.succeed("device", "show", "cmd-show", "-o", "json").json()
        self.assertEqual(device["queue"]["pending"], 1)
        self.assertEqual(device["disconnects"][0]["reason"], "connection_lost")


class Events(AcceptanceTest):
    def test_events_line_by_line_over_a_restart_until_ctrl_c(self):
        site = self.new_site()
        site.prepare_to_serve()
        credentials = site.add_device("pc-1")
        site.add_device("pc-2")
        server = self.serve(site)
        running = self.start(site, "events", "--device", "pc-1", "-o", "json")
        lines = []

        def follow():
            lines.append(json.loads(running.process.stdout.readline()))
            return lines[-1]

        wait_until(lambda: site.metric("kscpush_event_listeners") == 1, "it to listen")
        site.push("pc-2")
        with connect_device(site, "pc-1", credentials) as client:
            self.assertEqual(follow()["type"], "device.connected")
            push = site.push("pc-1")
            client.push()
            seen = [follow() for _ in range(3)]
            self.assertEqual([event["type"] for event in seen],
                             ["push.stored", "push.sent", "push.acked"])
            self.assertEqual({event["data"]["id"] for event in seen}, {push["id"]})
            self.assertEqual(server.stop(), 0)
        self.assertEqual(follow()["data"]["reason"], "server_shutdown")
        self.serve(site)
        self.assertEqual(follow()["type"], "reset")
        site.push("pc-1")
        self.assertEqual(follow()["type"], "push.stored")
        running.process.send_signal(signal.SIGINT)
        outcome = running.outcome()
        self.assertEqual(outcome.code, 0, outcome)
        self.assertIn("connecting again", outcome.err)

    def test_filters_formats_and_a_count(self):
        site = self.new_site()
        site.prepare_to_serve()
        site.add_device("pc-1")
        self.serve(site)
        running = self.start(site, "events", "--type", "push.stored,push.cancelled", "--count", "2")
        wait_until(lambda: site.metric("kscpush_event_listeners") == 1, "it to listen")
        push = site.push("pc-1")
        site.request("DELETE", f"/v1/pushes/{push['id']}")
        outcome = running.outcome()
        self.assertEqual(outcome.code, 0, outcome)
        first, second = outcome.out.splitlines()
        self.assertRegex(first, r"^\S+Z +push.stored +pc-1 .*kind=sync")
        self.assertIn("push.cancelled", second)
        wrong = site.kscpush("events", "--type", "push.lost")
        self.assert_error(wrong, 2, "no event is of the type 'push.lost'")

    def test_what_would_never_come_is_not_waited_for(self):
        site = self.new_site()
        site.prepare_to_serve()
        site.succeed("group", "add", "Managed devices/Berlin/Plant A")
        self.serve(site)
        site.succeed("device", "add", "pc-1", "--group", "Managed devices/Berlin/Plant A")
        for command in (["events"], ["push", "list"]):
            self.assert_error(site.kscpush(*command, "--device", "pc-7"), 7, "no device 'pc-7'",
                              "'kscpush device list'")
        self.assert_error(site.kscpush("events", "--group", "Managed devices/Berlim"), 7,
                          "no group 'Managed devices/Berlim'", "did you mean", "kscpush group list")
        # Not declared any more, but there are devices in it.
        site.replace("  - Managed devices/Berlin\n  - Managed devices/Berlin/Plant A\n",
                     "  - Managed devices/Hamburg\n")
        site.succeed("apply")
        running = self.start(site, "events", "--group", "Managed devices/Berlin", "--count", "1")
        wait_until(lambda: site.metric("kscpush_event_listeners") == 1, "it to listen")
        site.push("pc-1")
        self.assertIn("push.stored", running.outcome().out)

    def test_without_a_server_it_fails_at_once(self):
        site = self.new_site()
        site.prepare_to_serve()
        self.assert_error(site.kscpush("events"), 8, "cannot be reached")


class WaitingThroughARestart(AcceptanceTest):
    """What waits for a device outlasts a restart of the push server."""

    def setUp(self):
        self.site = self.new_site()
        self.site.prepare_to_serve()
        self.server = self.serve(self.site)
        self.credentials = self.site.add_device("pc-1")

    def ask_in_vain(self):
        """Stops the server, and goes on when somebody has asked in its place."""
        self.server.stop()
        with socket.create_server(("127.0.0.1", self.site.admin_port)) as place:
            place.settimeout(DEADLINE)
            place.accept()[0].close()

    def check(self, *command):
        waiting = self.start(self.site, "push", "send", *command)
        wait_until(lambda: self.site.succeed("push", "list", "-o", "json").json(), "the push")
        self.ask_in_vain()
        self.serve(self.site)
        with connect_device(self.site, "pc-1", self.credentials) as client:
            client.push()
            outcome = waiting.outcome()
        self.assertEqual(outcome.code, 0, outcome)

    def test_one_push(self):
        self.check("pc-1", "--wait", "acked", "--timeout", "100")

    def test_a_rollout(self):
        self.check("--all", "--watch")

    def test_who_gives_up_says_how_to_go_on(self):
        waiting = self.start(self.site, "push", "send", "pc-1", "--wait", "acked", "--timeout", "8")
        wait_until(lambda: self.site.succeed("push", "list", "-o", "json").json(), "the push")
        self.server.stop()
        outcome = waiting.outcome()
        self.assert_error(outcome, 8, "cannot be reached")
        self.assertIn("--wait acked' waits on", outcome.err)
        again = self.site.kscpush("push", "show", "0" * 26, "--wait", "acked")
        self.assert_error(again, 8, "cannot be reached")


if __name__ == "__main__":
    unittest.main()
