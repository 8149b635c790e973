"""kscpush bench: registers a fleet, measures each step, and leaves nothing behind."""

import json
import signal
import subprocess
import unittest

from harness import AcceptanceTest, ServedTest
from processes import DEADLINE, KSCPUSH, Terminal, environment, wait_until


class Bench(ServedTest):
    @classmethod
    def prepare(cls, site):
        site.prepare_to_serve(f"plain_listener: 127.0.0.1:{site.plain_port}")

    def bench(self, *arguments):
        done = self.site.kscpush("bench", "-o", "json", *arguments)
        self.assertEqual(done.code, 0, done)
        return done.json()

    def devices(self):
        return self.site.request("GET", "/v1/devices")[1]["devices"]

    def steps(self, rows):
        for row in rows:
            self.assertEqual(row["failed"], 0, row)
        return [row["step"] for row in rows]

    def test_devices_with_certificates_connect_hold_get_pushes_and_come_back(self):
        rows = self.bench("-n", 20, "hold=0.1", "sweep=2", "storm")
        self.assertEqual(self.steps(rows), ["connect", "hold", "sweep", "sweep", "sweeps",
                                            "storm"])
        self.assertEqual(rows[4]["ms"]["max"], max(rows[2]["ms"]["max"], rows[3]["ms"]["max"]))
        for row in (rows[0], *rows[2:]):
            self.assertLessEqual(row["ms"]["p50"], row["ms"]["max"])
            self.assertGreater(row["ms"]["max"], 0)
        self.assertEqual(rows[-1]["resumed"], 0)
        self.assertIn("admin_ms", rows[-1])
        self.assertEqual(self.devices(), [])

    def test_sessions_are_resumed_when_asked_for(self):
        rows = self.bench("-n", 10, "--resume", "sweep", "storm")
        self.assertEqual(rows[-1]["resumed"], 10)

    def test_the_server_is_measured_by_its_process_id(self):
        rows = self.bench("-n", 50, "--plain", "--pid", self.server.process.pid, "hold=0.1",
                          "sweep")
        connect, hold, sweep = (row["server"] for row in rows)
        self.assertGreater(connect["cpu_us"], 0)
        self.assertIsInstance(connect["own_bytes"], int)
        self.assertIn("cpu_percent", hold)
        self.assertIsInstance(hold["own_bytes"], int)
        self.assertGreater(hold["process_bytes"], 1_000_000)
        self.assertGreater(sweep["threads"]["shard"], 0)
        self.assertGreater(sweep["threads"]["store"], 0)

    def test_pushes_that_are_not_stored(self):
        rows = self.bench("-n", 10, "--mqtt", "3.1.1", "--push", "ping", "sweep")
        self.assertEqual(self.steps(rows), ["connect", "sweep"])

    def test_kept_devices_are_used_again_and_stay(self):
        self.bench("-n", 3, "--keep", "--prefix", "kept-", "hold=0.1")
        done = self.site.kscpush("bench", "-n", "5", "--prefix", "kept-", "hold=0.1")
        self.assertEqual(done.code, 0, done)
        self.assertIn("3 of the devices are registered already and stay so", done.err)
        kept = [device["id"] for device in self.devices()]
        self.assertEqual(kept, ["kept-000001", "kept-000002", "kept-000003"])
        self.site.succeed("device", "remove", *kept)

    def test_the_table_has_a_line_a_step(self):
        out = self.site.succeed("bench", "-n", 3, "--plain", "hold=0.1", "sweep").out
        self.assertEqual([line.split()[0] for line in out.splitlines()],
                         ["STEP", "connect", "hold", "sweep"])

    def test_another_broker_by_its_address_and_topic(self):
        self.bench("-n", 4, "--keep", "--prefix", "other-", "hold=0.1")
        rows = self.bench("--broker", f"127.0.0.1:{self.site.plain_port}", "-n", 4, "--prefix",
                          "other-", "--topic", "ksc/v1/devices/{id}/push", "hold=0.1")
        self.assertEqual(self.steps(rows), ["connect", "hold"])
        self.site.succeed("device", "remove", *(f"other-{n:06}" for n in range(1, 5)))

    def test_a_refusal_is_told_in_the_server_s_words(self):
        done = self.site.kscpush("bench", "--broker", f"127.0.0.1:{self.site.plain_port}", "-n",
                                 "4", "--prefix", "nobody-", "hold=0.1")
        self.assert_error(done, 8, "no device can connect: CONNACK: not authorized")

    def test_steps_go_on_at_a_line_of_standard_input(self):
        with subprocess.Popen([KSCPUSH, "bench", "-n", "2", "-o", "json", "wait", "wait"],
                              cwd=self.site.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=environment()) as running:
            for _ in range(2):
                self.assertIn("waiting for a line", running.stderr.readline())
                running.stdin.write("\n")
                running.stdin.flush()
            out, err = running.communicate(timeout=DEADLINE)
        self.assertEqual(running.returncode, 0, err)
        self.assertEqual(self.steps(json.loads(out)), ["connect", "wait", "wait"])

    def test_interrupted_it_still_removes_its_devices(self):
        running = self.start(self.site, "bench", "-n", "5", "hold=1000")
        wait_until(lambda: sum(bool(d["connection"]) for d in self.devices()) == 5,
                   "the devices to connect")
        running.process.send_signal(signal.SIGINT)
        outcome = running.outcome()
        self.assertEqual(outcome.code, 130)
        self.assertIn("interrupted", outcome.err)
        self.assertEqual(self.devices(), [])

    def test_what_makes_no_sense_is_refused(self):
        done = self.site.kscpush("bench", "swep")
        self.assert_error(done, 2, "'swep' is no step", "did you mean 'sweep'")
        done = self.site.kscpush("bench", "-n", "9999999", "--first", "2")
        self.assert_error(done, 2, "numbered up to 9999999")
        done = self.site.kscpush("bench", "--broker", "nowhere")
        self.assert_error(done, 2, "--broker 'nowhere': no HOST:PORT")
        done = self.site.kscpush("bench", "--tls")
        self.assertEqual(done.code, 2)
        done = self.site.kscpush("bench", "--pid", "4000000")
        self.assert_error(done, 7, "there is no process 4000000")

    def test_more_devices_than_descriptors_says_how_to_allow_them(self):
        done = subprocess.run(["bash", "-c", f"ulimit -n 1000 && exec '{KSCPUSH}' bench -n 5000"],
                              cwd=self.site.folder, capture_output=True, text=True, check=False,
                              env=environment(), timeout=DEADLINE)
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("5000 devices need 5300 descriptors, this process may have 1000", done.stderr)
        self.assertIn("ulimit -n 5300", done.stderr)


class ServersThatGo(AcceptanceTest):
    def test_without_a_server_nothing_is_registered(self):
        site = self.new_site()
        site.prepare_to_serve()
        done = site.kscpush("bench", "-n", "3")
        self.assert_error(done, 8, "cannot be reached")
        self.assertEqual(site.succeed("device", "list", "-o", "name").out, "")

    def test_without_a_plain_listener_plain_is_refused(self):
        site = self.new_site()
        site.prepare_to_serve()
        done = site.kscpush("bench", "--plain")
        self.assert_error(done, 3, "'dp-1' has no plain listener")
        self.assert_hint(done, "plain_listener")

    def test_devices_come_back_to_a_server_that_was_killed(self):
        site = self.new_site()
        site.prepare_to_serve()
        first = self.serve(site)
        with Terminal("bench", "-n", "20", "outage", "sweep", folder=site.folder) as bench:
            # What the server has sent them the devices may not have read yet.
            bench.wait_to_show("waiting for the server to go")
            first.kill()
            self.serve(site)
            self.assertEqual(bench.code(), 0, bench.shown)
            self.assertIn("sweep", bench.shown)


if __name__ == "__main__":
    unittest.main()
