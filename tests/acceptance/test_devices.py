"""The registry of devices by its commands: with a running server and without one."""

import http.client
import json
import resource
import subprocess
import unittest

from harness import AcceptanceTest
from mqtt import V5, RawClient, connect_device, tls_context, up
from processes import DEADLINE, KSCPUSH, environment, wait_until

BERLIN = "Managed devices/Berlin"
DISCONNECT = 14
PUBACK = 4


class Commands:
    """The same tests for both ways to the registry; the subclasses start a server, or none."""

    def setUp(self):
        self.site = self.new_site()
        self.site.prepare_to_serve()
        self.prepare()

    def write(self, text, name="devices.csv"):
        data = text if isinstance(text, bytes) else text.encode()
        (self.site.folder / name).write_bytes(data)
        return name

    def show(self, device):
        return self.site.succeed("device", "show", device, "-o", "json").json()

    def ids(self, *options):
        return self.site.succeed("device", "list", "-o", "name", *options).out.split()

    def test_add_and_show(self):
        self.site.succeed("device", "add", "--group", BERLIN, "--tag", "vip", "--tag",
                          "laptop", "pc-1", "--platform", "Windows", "--address", "192.0.2.1")
        shown = self.show("pc-1")
        self.assertEqual((shown["group"], shown["tags"], shown["platform"], shown["address"]),
                         (BERLIN, ["laptop", "vip"], "windows", "192.0.2.1"))
        self.assertEqual((shown["state"], shown["group_declared"], shown["policy"]["state"]),
                         ("offline", True, "never"))
        out = self.site.succeed("device", "show", "pc-1").out
        self.assertRegex(out, r"Tags: +laptop vip\n")
        self.assertRegex(out, r"Policy reported: +never\n")

    def test_for_programs_a_change_is_told_as_data(self):
        for device in "pc-1", "pc-2":
            added = self.site.succeed("device", "add", device, "-o", "json").json()
            self.assertEqual((added["id"], added["group"]), (device, "Managed devices"))
        for command, key, value in ((["move", "--group", BERLIN], "group", BERLIN),
                                    (["tag", "--add", "vip"], "tags", ["vip"]),
                                    (["revoke"], "revoked", True), (["restore"], "revoked", False)):
            changed = self.site.succeed("device", command[0], "pc-1", "pc-2", *command[1:],
                                        "-o", "json").json()
            self.assertEqual([(one["id"], one[key]) for one in changed],
                             [("pc-1", value), ("pc-2", value)])
        given = self.site.succeed("device", "enroll", "pc-1", "--out", "files", "-o", "json").json()
        self.assertTrue(given["key"].endswith("/files/pc-1.key"), given)
        self.assertEqual(self.site.succeed("device", "remove", "pc-1", "-o", "name").out, "pc-1\n")
        self.assert_error(self.site.kscpush("device", "remove", "pc-1", "-o", "json"), 7, "pc-1")

    def test_add_refuses_what_makes_no_sense(self):
        def add(*options):
            return self.site.kscpush("device", "add", *options)
        self.site.succeed("device", "add", "pc-1")
        self.assert_error(add("pc-1"), 1, "device 'pc-1' exists already")
        self.assert_error(add("pc-2", "--group", "Managed devices/Belin"), 7,
                          f"did you mean '{BERLIN}'?")
        self.assert_error(add("pc 2"), 2, "'pc 2'")
        self.assert_error(add("pc-2", "--tag", "two words"), 2, "'two words' is no tag")
        self.assert_error(add("pc-2", "--platform", "a/b"), 2, "is no platform")
        self.assert_error(add("pc-2", "--address", "pc-2.example.com"), 2, "is no IP address")
        self.assertEqual(self.ids(), ["pc-1"])

    def test_show_of_an_unknown_device(self):
        self.assert_error(self.site.kscpush("device", "show", "pc-9"), 7, "no device 'pc-9'")

    def test_move_several(self):
        for device in "pc-1", "pc-2":
            self.site.succeed("device", "add", device)
        self.site.succeed("device", "move", "pc-1", "pc-2", "--group", BERLIN)
        self.assertEqual(self.ids("--group", BERLIN), ["pc-1", "pc-2"])
        self.assert_error(self.site.kscpush("device", "move", "pc-1", "--group", "Nowhere"), 7,
                          "no group 'Nowhere'")
        done = self.site.kscpush("device", "move", "pc-1", "pc-9", "--group", "Managed devices")
        self.assertEqual(done.code, 4, done)
        self.assertIn("no device 'pc-9'", done.err)
        self.assertIn("1 of 2 devices failed", done.err)
        self.assertEqual(self.show("pc-1")["group"], "Managed devices")
        self.assert_error(self.site.kscpush("device", "move", "pc-9", "--group", BERLIN), 7)
        self.assert_error(self.site.kscpush("device", "move", "pc-1", "a b", "--group", BERLIN), 2)

    def test_tag(self):
        self.site.succeed("device", "add", "pc-1", "--tag", "a")
        done = self.site.succeed("device", "tag", "pc-1", "--add", "b", "--add", "c", "--remove",
                                 "a")
        self.assertEqual(done.out, "device 'pc-1' has the tags b c\n")
        self.assertEqual(self.ids("--tag", "b"), ["pc-1"])
        self.assertEqual(self.ids("--tag", "a"), [])
        self.assert_error(self.site.kscpush("device", "tag", "pc-1"), 2, "neither --add")
        self.assert_error(self.site.kscpush("device", "tag", "pc-1", "--add", "x,y"), 2)

    def test_revoke_restore_remove(self):
        for device in "pc-1", "pc-2":
            self.site.succeed("device", "add", device)
        self.site.succeed("device", "revoke", "pc-1")
        self.assertEqual(self.show("pc-1")["state"], "revoked")
        self.assertEqual(self.ids("--revoked"), ["pc-1"])
        out = self.site.folder / "x"
        self.assert_error(self.site.kscpush("device", "enroll", "pc-1", "--out", out), 9, "revoked")
        self.site.succeed("device", "restore", "pc-1")
        self.assertEqual(self.ids("--revoked"), [])
        self.site.succeed("device", "remove", "pc-1", "pc-2")
        self.assertEqual(self.ids(), [])
        self.assert_error(self.site.kscpush("device", "remove", "pc-1"), 7, "no device 'pc-1'")

    def test_list_shows_columns_and_filters(self):
        self.site.succeed("device", "add", "pc-1", "--group", BERLIN, "--tag", "vip", "--platform",
                          "linux")
        self.site.succeed("device", "add", "pc-2", "--platform", "windows")
        lines = self.site.succeed("device", "list").out.splitlines()
        self.assertEqual(lines[0].split()[:5], ["ID", "GROUP", "TAGS", "PLATFORM", "STATE"])
        self.assertRegex(lines[1], rf"^pc-1 +{BERLIN} +vip +linux +offline ")
        self.assertRegex(lines[2], r"^pc-2 +Managed devices +- +windows +offline ")
        self.assertEqual(self.ids("--platform", "Windows"), ["pc-2"])
        self.assertEqual(self.ids("--group", "Managed devices"), ["pc-1", "pc-2"])
        self.assert_error(self.site.kscpush("device", "list", "--group", "Managed devices/Berlim"),
                          7, "no group 'Managed devices/Berlim'", "did you mean")
        empty = self.site.succeed("device", "list", "--tag", "none", "-o", "json")
        self.assertEqual(empty.json(), [])

    def test_import(self):
        name = self.write(b"\xef\xbb\xbfid,group,tags,platform,address\r\n"
                          b"pc-1,Managed devices/Berlin,\"laptop;vip\",Windows,192.0.2.1\r\n"
                          b"\"pc-2\",\"Managed devices\",,,\r\n")
        done = self.site.succeed("device", "import", name)
        self.assertEqual(done.out, "2 devices added\n")
        self.assertEqual(self.ids(), ["pc-1", "pc-2"])
        self.assertEqual(self.show("pc-1")["tags"], ["laptop", "vip"])

    def test_import_tells_every_bad_row_and_writes_nothing(self):
        self.site.succeed("device", "add", "pc-1")
        name = self.write("id,group\npc-1,Managed devices\npc-2,Managed devices\n"
                          "pc-3,Managed devices/Belin\npc-4,\n")
        done = self.site.kscpush("device", "import", name)
        self.assert_error(done, 1, "devices.csv:2: device 'pc-1' is registered already",
                          f"devices.csv:4: device 'pc-3': no group 'Managed devices/Belin'; did "
                          f"you mean '{BERLIN}'?",
                          "devices.csv:5: device 'pc-4' is in no group",
                          "3 of 4 rows cannot be imported; nothing was written")
        self.assert_hint(done, "--skip-bad")
        self.assertEqual(self.ids(), ["pc-1"])
        dry = self.site.kscpush("device", "import", name, "--skip-bad", "--dry-run")
        self.assertEqual((dry.code, dry.out), (4, "1 devices would be added, 3 rows skipped\n"))
        self.assertEqual(self.ids(), ["pc-1"])
        done = self.site.kscpush("device", "import", name, "--skip-bad", "-o", "json")
        self.assertEqual(done.code, 4, done)
        self.assertEqual(done.json()["added"], 1)
        self.assertEqual([row["line"] for row in done.json()["bad"]], [2, 4, 5])
        self.assertEqual(self.ids(), ["pc-1", "pc-2"])

    def test_regression_a_table_that_is_all_wrong_is_told_in_a_bounded_way(self):
        name = self.write("id,group\n" + "".join(f"pc-{i},\n" for i in range(5000)))
        done = self.site.kscpush("device", "import", name)
        self.assert_error(done, 1, "... and 4900 rows more", "5000 of 5000 rows")
        self.assertEqual(done.err.count("is in no group"), 100)

    def test_import_from_a_pipe_with_semicolons(self):
        done = subprocess.run([KSCPUSH, "device", "import", "-"], cwd=self.site.folder, text=True,
                              input="id;group;tags\npc-1;Managed devices;a b\n", check=True,
                              capture_output=True, timeout=DEADLINE, env=environment())
        self.assertEqual((done.stdout, done.stderr), ("1 devices added\n", ""))
        self.assertEqual(self.show("pc-1")["tags"], ["a", "b"])

    def test_import_refuses_what_is_no_table(self):
        for text, message in [("", "the table is empty"), ("id,grp\n", "unknown column 'grp'"),
                              ("group\n", "no column 'id'"), ("\xfcd\n".encode("latin-1"),
                                                              "not UTF-8")]:
            with self.subTest(text=text):
                self.assert_error(self.site.kscpush("device", "import", self.write(text)), 2,
                                  message)
        self.assert_error(self.site.kscpush("device", "import", "missing.csv"), 7, "missing.csv")
        self.assert_error(self.site.kscpush("device", "import", "-"), 2,
                          "standard input: the table is empty")
        name = self.write(b"id,group\npc-1,Managed devices\nB\xfcro,Managed devices\n")
        self.assert_error(self.site.kscpush("device", "import", name), 1,
                          "devices.csv:3: the line is not UTF-8")

    def test_import_of_a_large_table_is_a_matter_of_seconds(self):
        count = 100_000
        rows = [f"dev-{i},{BERLIN},laptop;site:{i % 50},windows,10.0.{i // 256 % 256}.{i % 256}\n"
                for i in range(count)]
        name = self.write("id,group,tags,platform,address\n" + "".join(rows))
        # Of processor time: what the clock says depends on what else the machine does.
        begin = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        done = self.site.kscpush("device", "import", name, timeout=4 * DEADLINE)
        self.assertLess(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - begin, 5)
        self.assertEqual((done.code, done.err), (0, ""))  # progress is for terminals
        self.assertEqual(done.out, f"{count} devices added\n")
        self.assertEqual(len(self.ids("--tag", "site:7")), count // 50)
        capacity = self.site.succeed("dp", "capacity", "-o", "json").json()
        self.assertEqual(capacity[0]["group_devices"], count)
        warned = self.site.succeed("validate")
        self.assertIn(f"group 'Managed devices' has {count} devices, its push servers carry 50000",
                      warned.err)
        self.assertNotIn("devices, its push", self.site.succeed("validate", "--no-registry").err)

    def test_a_device_in_a_group_that_is_declared_no_more(self):
        self.site.succeed("device", "add", "pc-1", "--group", BERLIN)
        self.undeclare()
        warned = self.site.succeed("validate")
        self.assertIn(f"1 registered device is in group '{BERLIN}', which is not declared",
                      warned.err)
        done = self.site.kscpush("policy", "explain", "pc-1")
        self.assert_error(done, 7, f"device 'pc-1' is in group '{BERLIN}', which the configuration "
                                   "does not declare")
        self.assert_hint(done, "kscpush device move pc-1")
        self.assertFalse(self.show("pc-1")["group_declared"])
        self.site.succeed("device", "move", "pc-1", "--group", "Managed devices")
        self.site.succeed("policy", "explain", "pc-1")
        self.assertNotIn("not declared", self.site.succeed("validate").err)

    def undeclare(self):
        self.site.replace(f"  - {BERLIN}\n", "")
        self.site.replace("groups:\n", "groups:\n  - Managed devices/Elsewhere\n")

    def test_policies_are_asked_with_what_the_registry_knows(self):
        self.site.succeed("device", "add", "pc-1", "--tag", "laptop")
        self.site.text = self.site.text.rstrip() + """
    profiles:
      - name: Laptops
        condition: tags contains laptop
        settings:
          connectivity:
            schedule:
              synchronization_interval: !locked 30
"""
        done = self.site.succeed("policy", "effective", "pc-1")
        self.assertIn("active profiles: Laptops", done.err)
        self.assertIn("(reported: never)", done.err)
        done = self.site.succeed("policy", "effective", "pc-1", "--tag", "other")
        self.assertIn("active profiles: none", done.err)
        self.assert_error(self.site.kscpush("policy", "explain", "pc-9"), 7, "no device 'pc-9'")
        done = self.site.succeed("policy", "explain", "pc-9", "--group", BERLIN)
        self.assertIn("Nothing but the options is known of the device", done.err)
        assigned = self.site.succeed("dp", "assign", "pc-1", "-o", "json").json()
        self.assertEqual(assigned[0]["dp"], "dp-1")


class WithoutServer(Commands, AcceptanceTest):
    def prepare(self):
        pass

    def test_validate_and_explain_make_no_state_directory(self):
        self.site.succeed("validate")
        self.site.succeed("dp", "capacity")
        self.assert_error(self.site.kscpush("policy", "explain", "pc-1"), 7, "no device 'pc-1'")
        self.assertFalse((self.site.folder / "state").exists())


class WithServer(Commands, AcceptanceTest):
    def prepare(self):
        self.server = self.serve(self.site)

    def test_a_connected_device_that_is_revoked_or_removed_is_disconnected_and_refused(self):
        for command in "revoke", "remove":
            device = f"pc-{command}"
            credentials = self.site.add_device(device)
            with connect_device(self.site, device, credentials) as client:
                self.assertEqual(self.show(device)["state"], "connected")
                self.site.succeed("device", command, device)
                self.assertEqual(client.expect(DISCONNECT).codes, (0x87,))
                client.expect_closed()
            with RawClient(self.site.port, tls_context(credentials.authority, credentials),
                           V5) as again:
                self.assertEqual(again.connect(device).code, 0x87)

    def test_the_address_is_where_the_device_was_seen(self):
        credentials = self.site.add_device("pc-1")
        with connect_device(self.site, "pc-1", credentials):
            self.assertEqual(self.show("pc-1")["address"], "127.0.0.1")
        self.server.stop()
        self.assertEqual(self.show("pc-1")["address"], "127.0.0.1")

    def test_what_a_device_reports_is_shown_against_what_it_should_have(self):
        credentials = self.site.add_device("pc-1")
        desired = self.show("pc-1")["policy"]["desired"]
        interval = "connectivity.schedule.synchronization_interval"

        def reported(client, **report):
            client.publish(up("pc-1", "state"), json.dumps({"v": 1, **report}).encode())
            client.expect(PUBACK)
            wanted = report["policy"]["revision"]
            return wait_until(lambda: next((p for p in [self.show("pc-1")["policy"]]
                                            if p["reported"] == wanted), None), "the report")

        with connect_device(self.site, "pc-1", credentials) as client:
            state = reported(client, policy={"revision": "old", "result": "applied"},
                             local={interval: "25"})
            self.assertEqual((state["state"], state["result"]), ("older", "applied"))
            done = self.site.succeed("policy", "explain", "pc-1", interval)
            self.assertRegex(done.out, r"\* 25 +local setting of the device")
            self.assertIn("(reported: an older one, old, applied, since 20", done.err)
            rows = self.site.succeed("policy", "effective", "pc-1", "-o", "json").json()
            row = next(row for row in rows if row["setting"] == interval)
            self.assertEqual((row["value"], row["from"]), ("25", "local setting of the device"))
            state = reported(client, policy={"revision": desired, "result": "applied"})
            self.assertEqual(state["state"], "same")
            self.assertIn(f"revision {desired} (reported: the same, applied, since 20",
                          self.site.succeed("policy", "effective", "pc-1").err)
            client.publish(up("pc-1", "state"), b"{nonsense")
            client.expect(PUBACK)
        self.assertEqual(self.show("pc-1")["local_settings"], {interval: "25"})

    def raw(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.site.admin_port, timeout=DEADLINE)
        self.addCleanup(connection.close)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        response.read()
        return response

    def test_regression_responses_say_what_http_asks_of_them(self):
        response = self.raw("GET", "/v1/devices")
        self.assertEqual((response.status, response.reason), (401, "Unauthorized"))
        self.assertEqual(response.getheader("WWW-Authenticate"), 'Bearer realm="kscpush"')
        response = self.raw("PUT", "/v1/devices")
        self.assertEqual((response.status, response.reason), (405, "Method Not Allowed"))
        self.assertEqual(response.getheader("Allow"), "GET, POST")
        self.assertEqual(self.raw("GET", "/healthz").reason, "OK")
        response = self.raw("POST", "/v1/devices", b" " * (2 << 20))
        self.assertEqual((response.status, response.reason), (413, "Content Too Large"))


if __name__ == "__main__":
    unittest.main()
