"""The editing commands on real files: what they change, byte by byte, and what they refuse. After
each refusal the file's bytes are what they were."""

import fcntl
import os
import subprocess
import unittest

from harness import AcceptanceTest
from processes import DEADLINE, wait_until

FORCE = "connectivity.network.use_distribution_point_to_force_connection"
OPTION = "          use_distribution_point_to_force_connection: "
LOCK_FILE = ".kscpush.yaml.kscpush-lock"

TWO_OF_EACH = """\
version: 1
groups: [Managed devices/Berlin, Managed devices/Bonn]
distribution_points:
  - name: dp-berlin
    scope: {groups: [Managed devices/Berlin]}
    push_server: {enabled: false, port: 13295}
  - name: dp-bonn
    scope: {groups: [Managed devices/Bonn]}
    push_server: {enabled: false, port: 13295}
policies:
  - {name: Agent, group: Managed devices/Berlin, status: active, settings: {}}
  - {name: Agent, group: Managed devices/Bonn, status: active, settings: {}}
"""


class EditingTest(AcceptanceTest):
    def setUp(self):
        self.site = self.new_site()
        self.before = self.site.config.read_bytes()

    def edit(self, *arguments):
        """(lines that went, lines that came)."""
        before = self.site.text
        self.site.succeed(*arguments)
        return changed_lines(before, self.site.text)

    def refused(self, code, arguments, *fragments, hint=()):
        before = self.site.config.read_bytes()
        files = sorted(os.listdir(self.site.folder))
        done = self.site.kscpush(*arguments)
        self.assert_error(done, code, *fragments)
        self.assert_hint(done, *hint)
        self.assertEqual(self.site.config.read_bytes(), before)
        self.assertEqual(sorted(os.listdir(self.site.folder)), files)
        return done


def changed_lines(before, after):
    old, new = before.splitlines(), after.splitlines()
    return [l for l in old if l not in new], [l for l in new if l not in old]


class Edits(EditingTest):
    def test_for_programs_a_change_is_told_as_data(self):
        for command in (["dp", "enable"], ["dp", "set", "--max-connections", "9"],
                        ["policy", "set", "force-via-dp"], ["policy", "unlock", "force-via-dp"],
                        ["group", "add", "Managed devices/Bonn"],
                        ["group", "remove", "Managed devices/Bonn"],
                        ["policy", "add", "Berlin", "--group", "Managed devices/Berlin"],
                        ["policy", "remove", "Berlin"],
                        ["dp", "add", "dp-2", "--address", "dp-2.example.com", "--group",
                         "Managed devices"],
                        ["dp", "remove", "dp-2"]):
            before = self.site.text
            planned = self.site.succeed(*command, "--dry-run", "-o", "json").json()
            self.assertEqual(self.site.text, before)
            done = self.site.succeed(*command, "-o", "json").json()
            self.assertNotEqual(self.site.text, before)
            self.assertEqual((done["file"], done["changed"]), ("kscpush.yaml", ["kscpush.yaml"]))
            self.assertTrue(done["message"])
            self.assertTrue(done["difference"].startswith("--- "), done["difference"])
            self.assertEqual(planned, {**done, "dry_run": True})
        renewed = self.site.succeed("dp", "renew-certificate", "-o", "json").json()
        self.assertIn("localhost", renewed["names"])
        other = self.site.succeed("init", "--dir", "other", "--address", "dp.example.com", "-o",
                                  "json").json()
        self.assertEqual((other["file"], other["address"]),
                         (str(self.site.folder / "other" / "kscpush.yaml"), "dp.example.com"))
        again = self.site.succeed("dp", "enable", "-o", "yaml").out
        self.assertIn("changed:\n  []", again)
        self.assertEqual(self.site.succeed("dp", "enable", "-o", "name").out, "kscpush.yaml\n")

    def test_dp_enable_changes_the_values_and_nothing_beside_them(self):
        self.assertEqual(
            self.edit("dp", "enable", "--port", "13296"),
            (["      enabled: false                 # kscpush dp enable", "      port: 13295"],
             ["      enabled: true                 # kscpush dp enable", "      port: 13296"]))

    def test_dp_disable_puts_the_file_back_as_it_was(self):
        self.site.succeed("dp", "enable")
        self.assertNotEqual(self.site.config.read_bytes(), self.before)
        self.site.succeed("dp", "disable")
        self.assertEqual(self.site.config.read_bytes(), self.before)

    def test_dp_set_changes_what_it_is_given(self):
        self.assertEqual(self.edit("dp", "set", "dp-1", "--max-connections", "100"),
                         (["      max_connections: 50000"], ["      max_connections: 100"]))
        self.assertEqual(self.edit("dp", "set", "--address", "dp.example.com"),
                         (["    address: localhost          # what devices connect to"],
                          ["    address: dp.example.com          # what devices connect to"]))

    def test_policy_set_force_via_dp_sets_and_locks_the_option(self):
        self.assertEqual(self.edit("policy", "set", "force-via-dp"),
                         ([OPTION + "false   # kscpush policy set force-via-dp"],
                          [OPTION + "!locked true   # kscpush policy set force-via-dp"]))

    def test_policy_set_says_that_it_locks_and_whether_the_other_half_is_there(self):
        missing = self.site.succeed("policy", "set", "force-via-dp")
        self.assertIn("Locked, as a device may overwrite an open value", missing.err)
        self.assertIn("The other half is missing: the push server of 'dp-1' is off", missing.err)
        self.assertIn("kscpush dp enable dp-1 --port 13295", missing.err)
        self.site.succeed("dp", "enable")
        there = self.site.succeed("policy", "set", "force-via-dp")
        self.assertIn("The other half is in place: the push server of 'dp-1' is on", there.err)

    def test_dp_enable_says_that_an_open_option_is_not_enough(self):
        self.site.succeed("policy", "set", "force-via-dp", "--open")
        done = self.site.succeed("dp", "enable")
        self.assertIn("sets force-via-dp, but open", done.err)
        self.assertIn("kscpush policy set force-via-dp", done.err)

    def test_policy_lock_and_unlock_change_the_tag_alone(self):
        self.assertEqual(self.edit("policy", "lock", "force-via-dp")[1],
                         [OPTION + "!locked false   # kscpush policy set force-via-dp"])
        self.site.succeed("policy", "unlock", "force-via-dp")
        self.assertEqual(self.site.config.read_bytes(), self.before)

    def test_policy_set_adds_a_setting_beside_those_that_are_there(self):
        self.assertEqual(self.edit("policy", "set", "connectivity.network.udp_port", "15002"),
                         ([], ["          udp_port: 15002"]))
        shown = self.site.succeed("policy", "show", "-o", "json").json()
        self.assertIn(("connectivity.network.udp_port", "15002"),
                      [(row["setting"], row["value"]) for row in shown])

    def test_policy_unset_removes_what_set_added(self):
        self.site.succeed("policy", "set", "connectivity.network.udp_port", "15002")
        self.site.succeed("policy", "unset", "connectivity.network.udp_port")
        self.assertEqual(self.site.config.read_bytes(), self.before)

    def test_what_is_so_already_is_said_and_not_written(self):
        self.site.succeed("dp", "enable", "--port", "13296")
        status = self.site.config.stat()
        done = self.site.succeed("dp", "enable", "--port", "13296")
        self.assertIn("(nothing to change)", done.out)
        again = self.site.config.stat()
        self.assertEqual((status.st_ino, status.st_mtime_ns), (again.st_ino, again.st_mtime_ns))

    def test_dry_run_prints_a_diff_that_patch_takes_and_writes_nothing(self):
        for arguments in [("dp", "enable", "--port", "13296"), ("policy", "set", "force-via-dp"),
                          ("policy", "unset", "force-via-dp")]:
            with self.subTest(arguments=arguments):
                done = self.site.succeed(*arguments, "--dry-run")
                self.assertEqual(self.site.config.read_bytes(), self.before)
                self.assertTrue(done.out.startswith("--- a/kscpush.yaml\n+++ b/kscpush.yaml\n"))
                subprocess.run(["patch", "-p1", "--fuzz=0"], input=done.out, text=True, check=True,
                               cwd=self.site.folder, timeout=DEADLINE, capture_output=True)
                patched = self.site.config.read_bytes()
                self.site.config.write_bytes(self.before)
                self.site.succeed(*arguments)
                self.assertEqual(self.site.config.read_bytes(), patched)
                self.site.config.write_bytes(self.before)

    def test_line_ends_byte_order_mark_and_missing_final_newline_stay(self):
        windows = b"\xef\xbb\xbf" + self.before.rstrip(b"\n").replace(b"\n", b"\r\n")
        self.site.config.write_bytes(windows)
        self.site.succeed("dp", "enable")
        self.site.succeed("policy", "set", "force-via-dp")
        self.assertEqual(self.site.config.read_bytes(),
                         windows.replace(b"enabled: false", b"enabled: true")
                         .replace(b"connection: false", b"connection: !locked true"))

    def test_flow_style_and_quotes_stay(self):
        self.site.replace("      enabled: false                 # kscpush dp enable\n"
                          "      port: 13295\n      max_connections: 50000\n",
                          "      {'enabled': false, \"port\" : 13295}   # flow\n")
        self.assertEqual(self.edit("dp", "enable", "--port", "13296")[1],
                         ["      {'enabled': true, \"port\" : 13296}   # flow"])

    def test_mode_stays_and_symbolic_links_are_followed(self):
        real = self.site.folder / "real.yaml"
        self.site.config.rename(real)
        self.site.config.symlink_to("real.yaml")
        real.chmod(0o640)
        self.site.succeed("dp", "enable")
        self.assertTrue(self.site.config.is_symlink())
        self.assertIn("enabled: true ", real.read_text())
        self.assertEqual(real.stat().st_mode & 0o777, 0o640)

    def test_the_file_can_be_named(self):
        other = self.site.folder / "other.yaml"
        self.site.config.rename(other)
        self.site.succeed("dp", "enable", "--config", "other.yaml")
        self.assertIn("enabled: true ", other.read_text())
        done = self.site.kscpush("dp", "disable", KSCPUSH_CONFIG=str(other))
        self.assertEqual(done.code, 0, done)
        self.assertEqual(other.read_bytes(), self.before)


class WhichOne(EditingTest):
    def setUp(self):
        super().setUp()
        self.site.text = TWO_OF_EACH

    def test_several_distribution_points_need_a_name(self):
        self.refused(2, ["dp", "enable", "--port", "13296"], "which distribution point?",
                     hint=["dp-berlin, dp-bonn"])
        self.refused(2, ["serve"], "which distribution point?", hint=["dp-berlin, dp-bonn"])

    def test_the_one_that_is_named_is_edited(self):
        self.assertEqual(self.edit("dp", "enable", "dp-bonn", "--port", "13296"),
                         ([], ["    push_server: {enabled: true, port: 13296}"]))
        self.assertIn("dp-berlin\n    scope: {groups: [Managed devices/Berlin]}\n"
                      "    push_server: {enabled: false, port: 13295}\n", self.site.text)

    def test_an_unknown_distribution_point_is_told_with_the_nearest_name(self):
        self.refused(7, ["dp", "enable", "dp-berlni"], "did you mean 'dp-berlin'?",
                     hint=["dp-berlin, dp-bonn"])

    def test_several_policies_need_a_name_or_a_group(self):
        self.refused(2, ["policy", "set", "force-via-dp"], "which policy?",
                     hint=["'Agent' of group 'Managed devices/Berlin'",
                           "'Agent' of group 'Managed devices/Bonn'"])
        self.refused(2, ["policy", "set", "force-via-dp", "--policy", "Agent"], "which policy?",
                     hint=["--group"])

    def test_the_policy_of_the_group_is_edited(self):
        went, came = self.edit("policy", "set", "force-via-dp", "--group", "Managed devices/Bonn")
        self.assertEqual([line[:36] for line in went + came],
                         ["  - {name: Agent, group: Managed dev"] * 2)
        shown = self.site.succeed("policy", "list", "-o", "json").json()
        self.assertEqual([(p["group"], p["force_via_dp"]) for p in shown],
                         [("Managed devices/Berlin", None),
                          ("Managed devices/Bonn", "true (locked)")])

    def test_an_unknown_policy_is_told_with_the_nearest_name(self):
        self.refused(7, ["policy", "set", "force-via-dp", "--policy", "Agnt"],
                     "did you mean 'Agent'?", hint=["'Agent' of group 'Managed devices/Bonn'"])

    def test_without_any_the_error_says_so(self):
        self.site.text = "version: 1\n"
        self.refused(7, ["dp", "enable"], "no distribution point")
        self.refused(7, ["policy", "set", "force-via-dp"], "no policy")


class Refusals(EditingTest):
    def test_an_unknown_distribution_point(self):
        self.refused(7, ["dp", "enable", "dp-2"], "no distribution point 'dp-2'", hint=["dp-1"])

    def test_port_0(self):
        self.refused(2, ["dp", "enable", "--port", "0"], "port 0 is out of range",
                     hint=["1 to 65535"])

    def test_port_70000(self):
        self.refused(2, ["dp", "enable", "--port", "70000"], "port 70000 is out of range",
                     hint=["1 to 65535"])

    def test_port_abc(self):
        self.refused(2, ["dp", "enable", "--port", "abc"], "'abc' is not a port")

    def test_other_things_that_are_no_port(self):
        for port in "", "-1", "1e4", "13295x", " 13295", "0x33ef", "9" * 30:
            with self.subTest(port=port):
                self.refused(2, ["dp", "set", f"--port={port}"])

    def test_a_port_of_another_service_of_the_distribution_point(self):
        self.site.replace("    push_server:\n", "    ksn_proxy: {enabled: true, use_tls: true}\n"
                          "    push_server:\n")
        for port, service in [(13000, "the port for agents"), (13111, "the KSN proxy"),
                              (17111, "the KSN proxy over TLS")]:
            with self.subTest(port=port):
                self.refused(3, ["dp", "enable", "--port", port],
                             f"TCP port {port} on 'dp-1' is used by the push server", service,
                             "nothing was written", hint=["kscpush dp set 'dp-1' --port PORT"])

    def test_a_number_that_another_service_usually_has_is_allowed_but_warned_of(self):
        self.site.succeed("dp", "enable", "--port", "15000")
        self.assertIn("usually that of the agent's wake-up (UDP)",
                      self.site.succeed("validate").err)

    def test_the_port_of_its_own_admin_api(self):
        self.refused(3, ["dp", "enable", "--port", "13299"],
                     "is used by the push server (", "and by its admin API (its default, ")

    def test_numbers_of_connections_that_are_none(self):
        for number in "0", "-5", "many", "1.5":
            with self.subTest(number=number):
                self.refused(2, ["dp", "set", f"--max-connections={number}"],
                             f"'{number}' is not a number of connections")

    def test_an_address_that_is_none(self):
        self.refused(3, ["dp", "set", "--address", "two words"], "two words")

    def test_nothing_to_set(self):
        self.refused(2, ["dp", "set"], "nothing to set", hint=["--port"])

    def test_a_setting_that_there_is_not(self):
        self.refused(7, ["policy", "set", "force-via-pd"], "did you mean 'force-via-dp'?",
                     hint=["kscpush policy show --all-settings"])

    def test_a_value_of_the_wrong_type(self):
        self.refused(2, ["policy", "set", "force-via-dp", "maybe"], FORCE, "true or false", "maybe")
        self.refused(2, ["policy", "set", "connectivity.network.udp_port", "70000"], "1 to 65535")
        self.refused(2, ["policy", "set", "connectivity.network.udp_port"], "needs a value")

    def test_locking_what_is_not_set(self):
        self.refused(7, ["policy", "lock", "connectivity.network.use_ssl"], "does not set",
                     hint=["kscpush policy set connectivity.network.use_ssl"])

    def test_lock_and_open_at_once(self):
        self.refused(2, ["policy", "set", "force-via-dp", "--lock", "--open"], "--lock", "--open")

    def test_yaml_that_does_not_parse(self):
        self.site.replace("groups: [Managed devices] ", "groups: [Managed devices ")
        for arguments in ["dp", "enable"], ["policy", "set", "force-via-dp"], ["validate"]:
            with self.subTest(arguments=arguments):
                self.refused(3, arguments, "error: kscpush.yaml:14:5: '[' of line 13 is not closed",
                             hint=["close it with ']'"])

    def test_an_unknown_key(self):
        self.site.replace("    push_server:", "    push_sever:")
        self.refused(3, ["dp", "enable"],
                     "error: kscpush.yaml:14:5: unknown key 'push_sever'",
                     "did you mean 'push_server'?")

    def test_a_duplicate_key(self):
        self.site.replace("      port: 13295\n", "      port: 13295\n      port: 13296\n")
        self.refused(3, ["dp", "enable"], "error: kscpush.yaml:17:7: key 'port' stands twice",
                     "first in line 16")

    def test_a_file_that_is_no_text(self):
        self.site.config.write_bytes(b"\x00\xff" * 100)
        self.refused(3, ["dp", "enable"], "error: kscpush.yaml:1:1: ")

    def test_a_file_that_is_read_only_even_for_root(self):
        self.site.config.chmod(0o444)
        self.refused(9, ["dp", "enable"], "kscpush.yaml: the file is read-only", hint=["chmod u+w"])
        self.assertEqual(self.site.config.stat().st_mode & 0o777, 0o444)

    def test_a_file_that_there_is_not(self):
        done = self.site.kscpush("dp", "enable", "--config", "other.yaml")
        self.assert_error(done, 7, "other.yaml", "No such file")
        self.assertFalse((self.site.folder / "other.yaml").exists())

    def test_a_value_that_others_share_through_an_anchor(self):
        self.site.replace("      enabled: false  ", "      enabled: &off false  ")
        self.site.replace("    force_inheritance: false", "    force_inheritance: *off")
        done = self.refused(1, ["dp", "enable"], "off")
        self.assertIn("line", done.err)


class AtTheSameTime(EditingTest):
    def waiting_edit(self, *arguments):
        """An edit that has read the file and waits for the lock, which the test holds."""
        path = self.site.folder / LOCK_FILE
        lock = open(path, "w", encoding="utf-8")
        self.addCleanup(lock.close)
        fcntl.flock(lock, fcntl.LOCK_EX)
        edit = self.start(self.site, *arguments)

        def waits():
            folder = f"/proc/{edit.process.pid}/fd"
            for fd in os.listdir(folder):
                try:
                    if os.readlink(f"{folder}/{fd}") == str(path.resolve()):
                        return True
                except OSError:
                    pass
            return False
        wait_until(waits, "the edit to look at the lock")
        return edit, lock

    def test_a_file_changed_by_someone_else_between_reading_and_writing_is_left_to_them(self):
        edit, lock = self.waiting_edit("dp", "enable")
        theirs = self.before.replace(b"localhost", b"dp.example.com")
        self.site.config.write_bytes(theirs)
        lock.close()
        done = edit.outcome()
        self.assert_error(done, 1, "was changed by someone else")
        self.assert_hint(done, "nothing was written")
        self.assertEqual(self.site.config.read_bytes(), theirs)

    def test_an_edit_waits_for_another_one(self):
        edit, lock = self.waiting_edit("dp", "enable")
        lock.close()
        self.assertEqual(edit.outcome().code, 0)
        self.assertIn("enabled: true ", self.site.text)

    def test_of_edits_at_the_same_time_none_undoes_another(self):
        names = ["use_udp_port", "use_ssl", "compress_network_traffic", "open_ports_in_firewall"]
        edits = [(name, self.start(self.site, "policy", "set", f"connectivity.network.{name}"))
                 for name in names]
        for name, edit in edits:
            done = edit.outcome()
            written = f"{name}: true" in self.site.text
            self.assertEqual(written, done.code == 0, (name, done))
            if done.code != 0:
                self.assert_error(done, 1, "was changed by someone else")
        self.site.succeed("validate")


if __name__ == "__main__":
    unittest.main()
