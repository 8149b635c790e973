"""From an empty folder to a push server that reaches a stock MQTT client, with the commands that
the manual gives."""

import unittest

from clients import MosquittoSub
from harness import AcceptanceTest, ServedTest
from mqtt import connect_device
from processes import kscpush, wait_until


class MainJob(AcceptanceTest):
    def test_init_enable_policy_add_enroll_serve_subscribe_ping(self):
        site = self.new_site()
        site.use_free_ports()

        enabled = site.succeed("dp", "enable", "--port", "13295")
        self.assertIn("push server of 'dp-1' is on, port 13295", enabled.out)
        self.assertIn("other half is missing", enabled.err)
        self.assertIn("kscpush policy set force-via-dp", enabled.err)
        option = site.succeed("policy", "set", "force-via-dp")
        self.assertIn("use_distribution_point_to_force_connection = true, locked", option.out)
        self.assertIn("other half is in place", option.err)
        self.assertIn("!locked true   # kscpush policy set force-via-dp", site.text)
        site.succeed("dp", "set", "--port", site.port)  # a free one for this test

        site.succeed("device", "add", "pc-1", "--group", "Managed devices/Berlin")
        credentials = site.enroll("pc-1")
        server = self.serve(site)
        self.assertNotIn("half is missing", server.log())
        with MosquittoSub(site, "pc-1", credentials):
            ping = site.succeed("ping", "pc-1")
            self.assertIn("pc-1 at dp-1, connected since ", ping.out)
            self.assertRegex(ping.out, r"(?m)^seq 1: PUBACK \d+\.\d\d ms$")
        self.assertEqual(server.stop(), 0)

    def test_init_writes_a_site_whose_keys_and_token_are_private(self):
        site = self.new_site()
        modes = {path.name: path.stat().st_mode & 0o777 for path in site.folder.glob("pki/*")}
        self.assertEqual(modes, {"ca.crt": 0o644, "ca.key": 0o600, "dp-1.crt": 0o644,
                                 "dp-1.key": 0o600, "admin.token": 0o600})
        self.assertGreaterEqual(len(site.token), 32)
        self.assertIn("/pki/*.key", (site.folder / ".gitignore").read_text())
        self.assertIn("kscpush.yaml: valid", site.succeed("validate").out)

    def test_init_tells_the_next_steps_from_where_the_user_is(self):
        done = kscpush("init", "--dir", "site", folder=self.folder)
        self.assertEqual(done.code, 0, done)
        steps = [line.strip() for line in done.out.splitlines() if line.startswith("  ")]
        self.assertEqual(steps[0], "cd site")
        self.assertIn("kscpush serve", steps)

    def test_init_refuses_to_overwrite_and_leaves_every_file_as_it_was(self):
        site = self.new_site()

        def files():
            return {p: p.read_bytes() for p in site.folder.rglob("*") if p.is_file()}

        before = files()
        again = site.kscpush("init")
        self.assert_error(again, 1, "exists already", "nothing was written")
        self.assertEqual(files(), before)

    def test_init_refuses_when_one_of_its_files_is_there(self):
        folder = self.folder / "half"
        (folder / "pki").mkdir(parents=True)
        (folder / "pki" / "admin.token").write_text("mine")
        done = kscpush("init", folder=folder)
        self.assert_error(done, 1, "admin.token exists already")
        self.assertEqual((folder / "pki" / "admin.token").read_text(), "mine")
        self.assertFalse((folder / "kscpush.yaml").exists())

    def test_enroll_writes_a_private_key_and_refuses_to_overwrite_it(self):
        site = self.new_site()
        site.use_free_ports()  # no server of somebody else's answers
        credentials = site.add_device("pc-1")
        self.assertEqual(credentials.key.stat().st_mode & 0o777, 0o600)
        key = credentials.key.read_bytes()
        again = site.kscpush("device", "enroll", "pc-1", "--out", credentials.key.parent)
        self.assert_error(again, 1, "pc-1.key exists already")
        self.assertEqual(credentials.key.read_bytes(), key)

    def test_enroll_of_a_device_that_was_not_added_says_how_to_add_it(self):
        site = self.new_site()
        site.use_free_ports()  # no server of somebody else's answers
        done = site.kscpush("device", "enroll", "pc-1", "--out", "devices")
        self.assert_error(done, 7, "no device 'pc-1'")
        self.assert_hint(done, "kscpush device add pc-1")
        self.assertEqual(list((site.folder / "devices").glob("*")), [])


class StockClients(ServedTest):
    def ping(self, version, protocol):
        device = f"pc-{version}"
        credentials = self.site.add_device(device)
        with MosquittoSub(self.site, device, credentials, version) as subscriber:
            done = self.site.succeed("ping", device)
            self.assertIn(f", {protocol}\n", done.out)
            self.assertEqual(done.err, "")
            probe = wait_until(subscriber.pushes, "mosquitto_sub to print the probe")[0]
            self.assertEqual((probe["v"], probe["kind"], probe["attempt"]), (1, "ping", 1))

    def test_mosquitto_sub_with_mqtt_311_is_pinged(self):
        self.ping("mqttv311", "MQTT 3.1.1")

    def test_mosquitto_sub_with_mqtt_5_is_pinged(self):
        self.ping("mqttv5", "MQTT 5")

    def test_ping_prints_json_on_request(self):
        credentials = self.site.add_device("pc-json")
        with MosquittoSub(self.site, "pc-json", credentials):
            probe = self.site.succeed("ping", "pc-json", "-o", "json").json()
            self.assertEqual((probe["device"], probe["server"]), ("pc-json", "dp-1"))
            self.assertGreater(probe["puback_ms"], 0)
            self.assertIsNone(probe["agent"])
            several = self.site.succeed("ping", "pc-json", "-o", "json", "-c", "2", "-i", "0")
            self.assertEqual(len(several.json()), 2)

    def test_ping_c_3_sends_three_probes_and_sums_them_up(self):
        credentials = self.site.add_device("pc-c3")
        with MosquittoSub(self.site, "pc-c3", credentials) as subscriber:
            done = self.site.succeed("ping", "pc-c3", "-c", "3", "-i", "0.01")
            lines = done.out.splitlines()
            self.assertEqual([line[:13] for line in lines[1:4]],
                             ["seq 1: PUBACK", "seq 2: PUBACK", "seq 3: PUBACK"])
            self.assertTrue(lines[4].startswith("3 sent, 3 answered; PUBACK "), lines)
            wait_until(lambda: len(subscriber.pushes()) == 3, "three probes to be printed")
            self.assertEqual(len({probe["id"] for probe in subscriber.pushes()}), 3)

    def test_device_list_shows_who_is_connected(self):
        self.site.add_device("pc-away")
        credentials = self.site.add_device("pc-here")
        with connect_device(self.site, "pc-here", credentials):
            rows = {row.split()[0]: row for row in
                    self.site.succeed("device", "list").out.splitlines()}
            self.assertRegex(rows["pc-here"], r"Managed devices +- +- +connected +20\S+Z +127\.0\.0\.1 +20\S+Z")
            self.assertRegex(rows["pc-away"], r"Managed devices +- +- +offline +- +- +-$")
            shown = {d["id"]: d for d in self.site.succeed("device", "list", "-o", "json").json()}
            self.assertEqual(shown["pc-here"]["connection"]["protocol"], "MQTT 5")
            self.assertTrue(shown["pc-here"]["connection"]["subscribed"])
            self.assertIsNone(shown["pc-away"]["connection"])
        wait_until(lambda: self.site.connected("pc-here") is None, "the device to be away")
        row = next(line for line in self.site.succeed("device", "list").out.splitlines()
                   if line.startswith("pc-here"))
        self.assertRegex(row, r"Managed devices +- +- +offline +- +127\.0\.0\.1 +20\S+Z$")

    def test_devices_can_be_added_and_enrolled_while_the_server_runs(self):
        self.site.succeed("device", "add", "pc-new")
        credentials = self.site.enroll("pc-new")
        with MosquittoSub(self.site, "pc-new", credentials):
            self.site.succeed("ping", "pc-new")

    def test_a_device_is_added_once(self):
        self.site.succeed("device", "add", "pc-once")
        self.assert_error(self.site.kscpush("device", "add", "pc-once"), 1,
                          "device 'pc-once' exists already")

    def test_a_device_is_added_to_a_group_that_there_is(self):
        done = self.site.kscpush("device", "add", "pc-x", "--group", "Managed devices/Berlim")
        self.assert_error(done, 7, "did you mean 'Managed devices/Berlin'?")


if __name__ == "__main__":
    unittest.main()
