"""kscpush diff, apply, history, rollback, and SIGHUP: the configuration of a server that runs."""

import signal
import unittest

from clients import MosquittoSub
from harness import AcceptanceTest
from processes import wait_until


class Apply(AcceptanceTest):
    def setUp(self):
        super().setUp()
        self.site = self.new_site()
        self.site.prepare_to_serve()
        self.server = self.serve(self.site)
        self.device = self.site.add_device("pc-1")

    def set_port(self, port):
        self.site.succeed("policy", "set", "connectivity.network.udp_port", str(port), "--lock")

    def revision(self):
        return self.site.request("GET", "/v1/site")[1]["revision"]

    def test_no_difference(self):
        done = self.site.kscpush("diff")
        self.assertEqual((done.code, done.err), (0, ""))
        self.assertEqual(done.out, "No difference: the push server of 'dp-1' runs revision 1.\n")

    def test_a_difference_is_exit_code_1_and_told_in_words_of_the_domain(self):
        self.set_port(15002)
        done = self.site.kscpush("diff")
        self.assertEqual(done.code, 1, done)
        self.assertRegex(done.out, r"^\+ policy 'Network Agent' of group 'Managed devices': "
                                   r"connectivity.network.udp_port: 15002, locked "
                                   r"\(1 device, kscpush.yaml:\d+:\d+\)\n")
        self.assertIn("The effective policy changes on 1 of 1 device: Managed devices 1 (pc-1).",
                      done.out)
        self.assertEqual(done.err, "")

    def test_apply_dry_run_says_the_same_as_diff_and_apply(self):
        self.set_port(15002)
        diff = self.site.kscpush("diff").out
        trial = self.site.succeed("apply", "--dry-run").out
        self.assertEqual(trial.splitlines()[:-1], diff.splitlines())
        self.assertEqual(self.revision(), 1)
        done = self.site.succeed("apply", "-m", "NAT").out
        self.assertEqual(done.splitlines()[:-1], diff.splitlines())
        self.assertEqual(self.revision(), 2)
        self.assertEqual(self.site.kscpush("diff").code, 0)

    def test_devices_stay_connected(self):
        with MosquittoSub(self.site, "pc-1", self.device) as device:
            since = self.site.connected("pc-1")["since"]
            self.set_port(15002)
            self.site.succeed("apply")
            device.wait_for_push(self.site.push("pc-1")["id"])
            self.assertEqual(self.site.connected("pc-1")["since"], since)

    def test_a_group_that_goes_while_devices_are_in_it_is_warned_of(self):
        group = "Managed devices/Berlin"
        self.site.succeed("device", "add", "pc-2", "--group", group)
        self.site.succeed("device", "add", "pc-3", "--group", group)
        for options in (["--dry-run"], []):
            done = self.site.succeed("group", "remove", group, *options)
            self.assertIn(f"warning: 2 devices are registered in group '{group}'", done.err)
            self.assertIn(f'kscpush device list --group "{group}" -o name | xargs', done.err)
        diff = self.site.kscpush("diff")
        self.assertIn("2 devices in a group that is not declared any more, with what the groups "
                      "above it give", diff.out)
        self.site.succeed("device", "move", "pc-2", "pc-3", "--group", "Managed devices")
        self.assertNotIn("declared any more", self.site.kscpush("diff").out)

    def test_a_group_that_the_server_does_not_know_yet(self):
        self.site.succeed("group", "add", "Managed devices/Rome")
        done = self.site.kscpush("device", "add", "pc-2", "--group", "Managed devices/Rome")
        self.assertEqual(done.code, 7, done)
        self.site.succeed("apply")
        self.site.succeed("device", "add", "pc-2", "--group", "Managed devices/Rome")

    def test_history_and_rollback(self):
        self.set_port(15002)
        self.site.succeed("apply", "-m", "NAT in Berlin")
        done = self.site.succeed("rollback", "1")
        self.assertIn("Applied: the push server of 'dp-1' runs revision 3 (before: 2).", done.out)
        self.assertIn("kscpush diff", done.err)
        revisions = self.site.succeed("history", "-o", "json")
        self.assertEqual([(r["revision"], r["how"], r["comment"]) for r in revisions.json()],
                         [(3, "rollback to 1", ""), (2, "apply", "NAT in Berlin"),
                          (1, "start", "")])
        self.assertIn("- policy 'Network Agent'", self.site.succeed("history", "3").out)
        self.assertIn("udp_port: !locked 15002",
                      self.site.succeed("history", "2", "--files").out)
        self.assert_error(self.site.kscpush("rollback", "9"), 7, "no revision '9'")

    def test_what_was_applied_outlives_a_restart(self):
        text = self.site.text
        self.set_port(15002)
        self.site.succeed("apply")
        self.site.text = text  # as when it was applied from another machine
        self.assertEqual(self.server.stop(), 0)
        self.server = self.serve(self.site)
        self.assertEqual(self.revision(), 2)
        self.assertIn("kscpush.yaml says otherwise", self.server.log())
        self.assertEqual(self.server.stop(), 0)
        self.serve(self.site, "--from-file")
        self.assertEqual(self.revision(), 3)

    def test_an_edited_file_counts_at_a_restart(self):
        self.set_port(15002)
        self.assertEqual(self.server.stop(), 0)
        self.serve(self.site)
        self.assertEqual(self.revision(), 2)
        self.assertEqual(self.site.kscpush("diff").code, 0)

    def test_sighup_reads_the_files_again(self):
        self.set_port(15002)
        self.server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.revision() == 2, "revision 2")
        self.assertEqual(self.site.succeed("history", "-o", "json").json()[0]["how"], "reload")

    def test_sighup_with_an_invalid_file_changes_nothing(self):
        self.site.replace("version: 1", "version: 2")
        self.server.process.send_signal(signal.SIGHUP)
        self.server.wait_to_log("not reloaded, all stays as it was")
        self.assertIn("kscpush.yaml:3:10", self.server.log())
        self.assertEqual(self.revision(), 1)

    def test_sighup_takes_up_a_new_admin_token(self):
        token = self.site.folder / "pki" / "admin.token"
        token.write_text("0123456789abcdef0123456789abcdef\n")
        self.server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.site.request("GET", "/v1/site")[0] == 200, "the new token to count")

    def test_apply_of_an_invalid_file_asks_nobody(self):
        self.site.replace("version: 1", "version: 2")
        self.assert_error(self.site.kscpush("apply"), 3, "kscpush.yaml:3:10")

    def test_without_a_server(self):
        self.assertEqual(self.server.stop(), 0)
        for command in (["diff"], ["apply"], ["history"], ["rollback", "1"]):
            done = self.site.kscpush(*command)
            self.assert_error(done, 8, "cannot be reached")
            self.assert_hint(done, "kscpush serve")

    def test_included_files_are_applied_with_the_root(self):
        (self.site.folder / "more.yaml").write_text("groups: [Managed devices/Rome]\n")
        self.site.replace("version: 1\n", "version: 1\ninclude: more.yaml\n")
        self.assertIn("+ group 'Managed devices/Rome' (0 devices, more.yaml:1:10)",
                      self.site.succeed("apply").out)
        files = self.site.request("GET", "/v1/site")[1]["files"]
        self.assertEqual([file["name"] for file in files], ["kscpush.yaml", "more.yaml"])

    def test_the_api_refuses_with_every_error_at_its_place(self):
        text = self.site.text + "nonsense: 1\n"
        status, body = self.site.request("PUT", "/v1/site",
                                         {"files": [{"name": "kscpush.yaml", "text": text}]})
        self.assertEqual(status, 422, body)
        self.assertEqual(body["code"], "invalid_config")
        self.assertEqual([d["message"] for d in body["diagnostics"]],
                         [d["message"] for d in body["diagnostics"] if "nonsense" in d["message"]])

    def test_the_api_refuses_what_are_no_files(self):
        for files in (None, [], {}, ["x"], [{"name": "a"}], [{"name": 1, "text": ""}]):
            with self.subTest(files=files):
                status, body = self.site.request("PUT", "/v1/site", {"files": files})
                self.assertEqual((status, body["code"]), (400, "usage"), body)


if __name__ == "__main__":
    unittest.main()
