"""kscpush doctor: what a device can be reached for and what is missing, and the host."""

import datetime
import os
import shutil
import socket
import unittest

from harness import AcceptanceTest
from mqtt import connect_device
from processes import Agent, openssl, wait_until

EVERYTHING = {"synchronization", "tasks", "statistics", "tunnel"}


class Device(AcceptanceTest):
    def setUp(self):
        self.site = self.new_site()
        self.site.prepare_to_serve(hold=False)

    def force_via_dp(self):
        self.site.succeed("policy", "set", "force-via-dp")

    def doctor(self, device, code):
        done = self.site.kscpush("doctor", device, "-o", "json")
        self.assertEqual(done.code, code, done)
        found = done.json()
        self.assertEqual(found["well"], code == 0)
        return found

    def missing(self, device):
        return [(line["level"], line["mend"]) for line in self.doctor(device, 1)["findings"]]

    def test_both_halves_and_an_agent_all_works(self):
        self.force_via_dp()
        self.serve(self.site)
        credentials = self.site.add_device("pc-1")
        self.watch(Agent("pc-1", credentials.key.parent, [f"localhost:{self.site.port}"]))
        wait_until(lambda: self.site.connected("pc-1") and
                   self.site.connected("pc-1")["subscribed"], "pc-1 to be ready")
        found = self.doctor("pc-1", 0)
        self.assertEqual({row["operation"] for row in found["operations"]}, EVERYTHING)
        self.assertEqual({(row["works"], row["way"], row["note"]) for row in found["operations"]},
                         {("now", "push connection", None)})
        self.assertEqual((found["findings"], found["distribution_point"]), ([], "dp-1"))
        out = self.site.succeed("doctor", "pc-1").out
        self.assertRegex(out, r"tunnel +now +push connection +-\n")

    def test_each_missing_half_has_its_command_and_following_them_leads_to_the_device(self):
        self.site.replace("enabled: true", "enabled: false")
        self.assertEqual(self.missing("pc-1"),
                         [("error", "kscpush device add pc-1 --group GROUP")])
        self.site.succeed("device", "add", "pc-1")
        off = self.doctor("pc-1", 1)
        self.assertEqual([line["mend"] for line in off["findings"]][:2],
                         ["kscpush dp enable dp-1", "kscpush policy set force-via-dp"])
        self.site.succeed("dp", "enable", "dp-1")
        self.site.succeed("policy", "set", "force-via-dp")
        left = self.missing("pc-1")
        self.assertEqual(left[-1], ("error", "kscpush serve --dp dp-1"))
        self.assertTrue(left[0][1].startswith("kscpush device enroll pc-1 --token"), left)
        self.serve(self.site)
        credentials = self.site.enroll("pc-1")
        [(level, mend)] = self.missing("pc-1")
        self.assertIn(f"kscpush agent --server localhost:{self.site.port} --id pc-1", mend)
        with connect_device(self.site, "pc-1", credentials):
            self.doctor("pc-1", 0)
        wait_until(lambda: not self.site.connected("pc-1"), "the connection to end")
        self.site.succeed("device", "revoke", "pc-1")
        self.assertEqual(self.missing("pc-1"), [("error", "kscpush device restore pc-1")])

    def test_files_that_were_not_applied(self):
        self.serve(self.site)
        self.site.succeed("device", "add", "pc-1")
        self.site.enroll("pc-1")
        self.force_via_dp()
        self.assertEqual(self.missing("pc-1"), [("error", "kscpush apply --dp dp-1")])
        self.site.succeed("apply")
        self.assertTrue(self.missing("pc-1")[0][1].startswith("on the device: kscpush agent"))

    def test_draining(self):
        self.force_via_dp()
        self.serve(self.site)
        self.site.add_device("pc-1")
        self.site.succeed("dp", "drain")
        self.assertEqual(self.missing("pc-1"), [("error", "kscpush dp drain dp-1 --cancel")])

    def test_ways_without_a_push_connection(self):
        self.force_via_dp()
        self.serve(self.site)
        self.site.succeed("device", "add", "pc-1", "--address", "192.0.2.1")
        def way(device):
            row = self.doctor(device, 1)["operations"][0]
            return row["works"], row["way"]
        self.assertEqual(way("pc-1"), ("now", "UDP packet"))
        self.site.succeed("device", "tag", "pc-1", "--add", "nat")
        self.assertEqual(way("pc-1"), ("later", "scheduled synchronization"))
        self.site.succeed("device", "add", "kos-1", "--platform", "kasperskyos")
        self.assertEqual(way("kos-1"), ("no", "none"))

    def test_a_device_id_that_is_none(self):
        self.assert_error(self.site.kscpush("doctor", "pc 1"), 2, "'pc 1'")


class Host(AcceptanceTest):
    def setUp(self):
        self.site = self.new_site()
        self.site.prepare_to_serve()

    def doctor(self):
        done = self.site.kscpush("doctor", "-o", "json")
        self.assertIn(done.code, (0, 1), done)
        found = done.json()
        self.assertEqual(found["well"], done.code == 0)
        self.assertEqual(found["well"],
                         all(line["level"] != "error" for line in found["findings"]))
        return found["findings"]

    def lines(self, subject, level=None):
        return [line for line in self.doctor()
                if line["subject"] == subject and level in (None, line["level"])]

    def test_a_good_host_before_and_while_it_serves(self):
        found = self.doctor()
        self.assertEqual([line for line in found if line["level"] == "error"], [])
        self.assertEqual({line["what"].split(" (")[0] for line in self.lines("port")},
                         {"of the push server", "of the admin API"})
        self.assertTrue(all("is free" in line["what"] for line in self.lines("port")))
        server = self.serve(self.site)
        self.assertEqual(self.lines("port", "error"), [])
        self.assertIn(f"'kscpush' (process {server.process.pid}), the push server",
                      self.lines("port")[0]["what"])
        self.assertIn(f"process {server.process.pid}", self.lines("descriptors")[-1]["what"])
        subjects = {line["subject"] for line in found}
        self.assertLessEqual({"descriptors", "certificate authority", "server certificate",
                              "server key", "clock", "disk space", "disk", "name", "firewall"},
                             subjects)
        text = self.site.succeed("doctor").out
        self.assertRegex(text, r"(?m)^ok +server key +fits the certificate$")

    def test_a_port_that_somebody_else_has(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.site.port))
            other.listen()
            [line] = self.lines("port", "error")
        self.assertIn(f"(process {os.getpid()})", line["what"])
        self.assertIn("kscpush dp set dp-1 --port N", line["mend"])

    def test_regression_a_wrong_token_is_the_finding_and_not_the_own_server(self):
        server = self.serve(self.site)
        token = self.site.folder / "pki" / "admin.token"
        token.write_text("another\n")
        self.assertEqual(self.lines("port", "error"), [])
        self.assertIn(f"(process {server.process.pid}), the push server",
                      self.lines("port")[0]["what"])
        [line] = self.lines("admin API", "error")
        self.assertIn(str(token), line["mend"])
        # Regression: a command told how to send an HTTP header.
        self.assert_error(self.site.kscpush("device", "list"), 9, f"the token in {token}")

    def test_certificates(self):
        pki = self.site.folder / "pki"
        shutil.copy(pki / "ca.key", pki / "dp-1.key")
        [line] = self.lines("server key", "error")
        self.assertEqual(line["mend"], "kscpush dp renew-certificate dp-1")
        self.site.succeed("dp", "renew-certificate")
        self.assertEqual(self.lines("server key", "error"), [])
        self.site.succeed("dp", "set", "--address", "elsewhere.example.com")
        self.assertIn("it is not for 'elsewhere.example.com'",
                      self.lines("server certificate", "error")[0]["what"])
        self.site.succeed("dp", "renew-certificate", "dp-1")
        self.assertEqual(self.lines("server certificate", "error"), [])
        (pki / "ca.key").chmod(0o644)
        [line] = self.lines("secrets", "warning")
        self.assertRegex(line["mend"], r"^chmod 600 .*pki/ca\.key$")
        (pki / "dp-1.crt").unlink()
        self.assertTrue(self.lines("server certificate", "error"))

    def test_a_certificate_that_is_due(self):
        folder = self.site.folder
        now = datetime.datetime.now(datetime.timezone.utc)
        for days, level in (300, "ok"), (100, "warning"), (-1, "error"):
            begin, end = now - datetime.timedelta(days=400), now + datetime.timedelta(days=days)
            self.certify(folder, begin, end)
            with self.subTest(days=days):
                self.assertEqual({line["level"] for line in self.lines("server certificate")},
                                 {level})

    @staticmethod
    def certify(folder, begin, end):
        """A server certificate of the site's authority with these dates."""
        (folder / "ca.conf").write_text(
            "[ca]\ndefault_ca = site\n[site]\nnew_certs_dir = .\ndatabase = index\n"
            "rand_serial = yes\ndefault_md = sha256\npolicy = any\nunique_subject = no\n"
            "[any]\ncommonName = optional\n[req]\ndistinguished_name = dn\nprompt = no\n"
            "[dn]\nCN = dp-1\n[server]\nsubjectAltName = DNS:localhost\n"
            "extendedKeyUsage = serverAuth\n")
        (folder / "index").write_text("")
        openssl("req", "-new", "-key", "pki/dp-1.key", "-config", "ca.conf", "-out", "dp.csr",
                folder=folder)
        form = "%Y%m%d%H%M%SZ"
        openssl("ca", "-batch", "-config", "ca.conf", "-extensions", "server", "-in", "dp.csr",
                "-out", "pki/dp-1.crt", "-notext", "-cert", "pki/ca.crt", "-keyfile", "pki/ca.key",
                "-startdate", begin.strftime(form), "-enddate", end.strftime(form), folder=folder)


if __name__ == "__main__":
    unittest.main()
