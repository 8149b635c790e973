"""Devices enrol themselves by a token, and renew what they got: real agents, real servers."""

import datetime
import json
import shutil
import socket
import sqlite3
import ssl
import unittest

from harness import AcceptanceTest, Site
from processes import DEADLINE, Agent, kscpush, openssl, wait_until

ALPN = "kscpush-enroll/1"


class DeviceTest(AcceptanceTest):
    """A server with the device pc-1 registered, and a folder that is the device's own."""

    def setUp(self):
        self.site = self.new_site()
        self.site.prepare_to_serve()
        self.server = self.serve(self.site)
        self.site.succeed("device", "add", "pc-1")
        self.device = self.folder / "device"
        self.device.mkdir()

    @property
    def address(self):
        return f"localhost:{self.site.port}"

    def token(self, device="pc-1", *options):
        return self.site.succeed("device", "enroll", device, "--token", "-o", "json",
                                 *options).json()["token"]

    def enroll(self, token, *options, address=None):
        return kscpush("agent", "enroll", address or self.address, token, *options,
                       folder=self.device)

    def show(self, device="pc-1"):
        return self.site.succeed("device", "show", device, "-o", "json").json()

    def ask(self, line, credentials=None):
        """Another program on the devices' port: the answer to one line, parsed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.site.folder / "pki" / "ca.crt")
        context.set_alpn_protocols([ALPN])
        if credentials:
            context.load_cert_chain(*credentials)
        with socket.create_connection(("localhost", self.site.port), DEADLINE) as tcp:
            with context.wrap_socket(tcp, server_hostname="localhost") as tls:
                tls.sendall(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
                return json.loads(tls.makefile("rb").readline())


class Enrolment(DeviceTest):
    def test_a_device_with_nothing_but_a_token_connects(self):
        done = self.enroll(self.token(), "--write-config", "agent.yaml")
        self.assertEqual(done.code, 0, done)
        self.assertIn("pc-1 is enrolled", done.out)
        self.assertIn(self.address, done.err)
        self.assertEqual((self.device / "pc-1.key").stat().st_mode & 0o777, 0o600)
        self.assertEqual((self.device / "ca.crt").read_text(),
                         (self.site.folder / "pki" / "ca.crt").read_text())
        self.assertIn('state_directory: "/var/lib/kscpush-agent"',
                      (self.device / "agent.yaml").read_text())
        agent = self.watch(Agent("pc-1", self.device, [], "--config-file", "agent.yaml",
                                 "--state-directory", "state"))
        agent.wait_until(lambda: self.site.connected("pc-1"), "pc-1 to connect")
        shown = self.show()
        self.assertTrue(shown["enrolled"])
        self.assertGreater(shown["certificate_ends"], datetime.datetime.now().isoformat())
        self.assertIn("'pc-1' enrolled by token", self.server.log())
        self.assertEqual(self.site.metric("kscpush_enrolments_total"), 1)

    def test_a_token_works_once(self):
        token = self.token()
        self.assertEqual(self.enroll(token).code, 0)
        key = (self.device / "pc-1.key").read_bytes()
        done = self.enroll(token)
        self.assert_error(done, 9, "the token has been used at")
        self.assert_hint(done, "kscpush device enroll ID --token")
        self.assertEqual((self.device / "pc-1.key").read_bytes(), key)
        self.assertEqual(self.site.metric("kscpush_enrolments_refused_total"), 1)
        self.server.wait_to_log("enrolment refused: the token has been used")
        # Enrolled anew, its files are replaced.
        self.assertEqual(self.enroll(self.token()).code, 0)
        self.assertNotEqual((self.device / "pc-1.key").read_bytes(), key)

    def test_what_is_refused(self):
        old, new = self.token(), self.token()
        self.assert_error(self.enroll(old), 9, "the token is not known here")
        self.site.succeed("device", "add", "pc-2")
        other = self.token("pc-2")
        self.assert_error(self.enroll(other, "--device", "pc-1"), 9, "of another device")
        self.site.succeed("device", "revoke", "pc-1")
        self.assert_error(self.enroll(new), 9, "device 'pc-1' has been revoked")
        self.assert_error(self.enroll(new[:-1]), 2, "this is no enrolment token")
        self.assertEqual(list(self.device.glob("*.key")), [])
        self.assertEqual(self.enroll(other, "--device", "pc-2").code, 0)

    def test_tokens_that_are_not_given(self):
        def token(*options):
            return self.site.kscpush("device", "enroll", *options)
        self.assert_error(token("pc-9", "--token"), 7, "no device 'pc-9'")
        self.assert_error(token("pc-1", "--token", "--ttl", "31d"), 2, "a token lives from 60s to 30d")
        self.assert_error(token("pc-1", "--token", "--ttl", "soon"), 2, "'soon'")
        self.assert_error(token("pc-1"), 2, "Neither --out nor --token")
        self.assertEqual(self.site.request("POST", "/v1/devices/pc-1/token", {"ttl": 10**18})[0],
                         400)

    def test_an_expired_token(self):
        token = self.token()
        self.server.stop()
        database = self.site.folder / "state" / "dp-1" / "store.db"
        with sqlite3.connect(database) as store:
            store.execute("UPDATE enrolment_tokens SET expires = expires - 25 * 3600 * 1000")
        store.close()
        self.serve(self.site)
        self.assert_error(self.enroll(token), 9, "the token has expired at 20")

    def test_nothing_is_sent_to_another_server(self):
        other = Site(self.folder / "other")
        other.prepare_to_serve()
        log = self.serve(other)
        token = self.token()
        done = self.enroll(token, address=f"localhost:{other.port}")
        self.assert_error(done, 9, "is not the push server that the token is of")
        self.assert_hint(done, "nothing was sent to it")
        self.assertNotIn("refused", log.log())  # it was never asked with the token
        self.assertEqual(self.enroll(token).code, 0)  # it is as good as before

    def test_nothing_is_sent_to_an_address_that_the_certificate_is_not_for(self):
        token = self.token()
        self.server.stop()
        self.site.replace("      listen: 127.0.0.1\n", "      listen: 127.0.0.2\n")
        server = self.serve(self.site)
        done = self.enroll(token, address=f"127.0.0.2:{self.site.port}")
        self.assert_error(done, 9, "is not the push server that is meant")
        self.assertNotIn("enrolled by token", server.log())
        self.assertEqual(self.site.metric("kscpush_enrolments_total"), 0)

    def test_a_server_that_is_not_there(self):
        token = self.token()
        self.server.stop()
        self.assert_error(self.enroll(token), 8, self.address, "cannot be reached")

    def test_other_programs_say_anything(self):
        self.assertIn("BEGIN CERTIFICATE", self.ask({"v": 1, "do": "authority"})["authority"])
        for line in b"\n", b"{}\n", b"[1]\n", b'{"v":1,"do":"renew","csr":"x"}\n', b"\xff\xfe\n":
            with self.subTest(line=line):
                self.assertIn(self.ask(line)["error"]["code"], ("usage", "denied"))
        self.assertEqual(
            self.ask({"v": 1, "do": "enrol", "token": "x" * 43, "csr": "x"})["error"]["code"],
            "usage")

    def test_a_token_is_not_used_up_by_a_device_that_cannot_keep_its_files(self):
        token = self.token()
        (self.device / "agent.yaml").write_text("mine")
        done = self.enroll(token, "--write-config", "agent.yaml")
        self.assertIn("agent.yaml exists already", done.err)
        self.assertNotEqual(done.code, 0)
        # No folder that files can be made in; nothing keeps root from writing but this.
        done = self.enroll(token, "--files", "/proc/self")
        self.assertIn("cannot create /proc/self/", done.err)
        self.assertNotEqual(done.code, 0)
        done = self.enroll(token, "--write-config", "no/such/folder/agent.yaml")
        self.assertEqual(done.code, 7, done)
        self.assertEqual(self.site.metric("kscpush_enrolments_total"), 0)
        self.assertEqual([path.name for path in self.device.iterdir()], ["agent.yaml"])
        self.assertEqual((self.device / "agent.yaml").read_text(), "mine")
        self.assertEqual(self.enroll(token).code, 0)

    def test_weak_keys_and_foreign_signatures(self):
        token = self.token().split(".")[1]
        def csr(*options):
            openssl("req", "-new", "-nodes", "-subj", "/CN=pc-2", "-keyout", "k", "-out", "r",
                    *options, folder=self.device)
            return (self.device / "r").read_text()
        request = {"v": 1, "do": "enrol", "token": token}
        answer = self.ask({**request, "csr": csr("-newkey", "rsa:1024")})
        self.assertIn("a key of this kind is not certified", answer["error"]["message"])
        good = csr("-newkey", "rsa:2048")
        lines = good.splitlines()
        lines[-3] = lines[-3][:-8] + "AAAAAAAA"  # within the signature
        answer = self.ask({**request, "csr": "\n".join(lines)})
        self.assertEqual(answer["error"]["code"], "usage")
        # The name in the request means nothing: the token says whose it is.
        answer = self.ask({**request, "csr": good})
        self.assertEqual(answer["device"], "pc-1")
        # And the same key may ask again, as the answer may have been lost.
        self.assertEqual(self.ask({**request, "csr": good})["device"], "pc-1")


class Renewal(DeviceTest):
    """Of certificates whose end is near."""

    def short_certificate(self, begin, end):
        """Of the site's authority for pc-1, in the device's folder; seconds from now."""
        now = datetime.datetime.now(datetime.timezone.utc)
        dates = [(now + datetime.timedelta(seconds=s)).strftime("%Y%m%d%H%M%SZ")
                 for s in (begin, end)]
        (self.device / "ca.conf").write_text(
            "[ca]\ndefault_ca = site\n[site]\nnew_certs_dir = .\ndatabase = index\n"
            "rand_serial = yes\ndefault_md = sha256\npolicy = any\nunique_subject = no\n"
            "[any]\ncommonName = optional\n[req]\ndistinguished_name = dn\nprompt = no\n"
            "[dn]\nCN = pc-1\n[device]\nextendedKeyUsage = clientAuth\n")
        (self.device / "index").write_text("")
        pki = self.site.folder / "pki"
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-config", "ca.conf", "-keyout", "pc-1.key", "-out", "pc-1.csr",
                folder=self.device)
        openssl("ca", "-batch", "-config", "ca.conf", "-extensions", "device", "-in", "pc-1.csr",
                "-out", "pc-1.crt", "-notext", "-cert", pki / "ca.crt", "-keyfile", pki / "ca.key",
                "-startdate", dates[0], "-enddate", dates[1], folder=self.device)
        shutil.copy(pki / "ca.crt", self.device / "ca.crt")
        return (self.device / "pc-1.crt", self.device / "pc-1.key")

    def agent(self):
        return self.watch(Agent("pc-1", self.device, [self.address]))

    def test_an_agent_renews_before_the_end_and_connects_with_it(self):
        old = [path.read_bytes() for path in self.short_certificate(-1000, 200)]
        agent = self.agent()
        agent.wait_to_log("the certificate has been renewed")
        new = [(self.device / name).read_bytes() for name in ("pc-1.crt", "pc-1.key")]
        self.assertNotEqual(new[0], old[0])
        self.assertNotEqual(new[1], old[1])
        self.assertEqual((self.device / "pc-1.key").stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.site.metric("kscpush_renewals_total"), 1)
        # The next connection shows the new one, and only then it counts.
        far = (datetime.datetime.now() + datetime.timedelta(days=800)).isoformat()
        wait_until(lambda: self.site.connected("pc-1"), "pc-1 to connect")
        since = self.site.connected("pc-1")["since"]
        self.server.stop()
        self.serve(self.site)
        wait_until(lambda: (self.site.connected("pc-1") or {}).get("since", since) != since,
                   "pc-1 to come back")
        self.assertGreater(self.show()["certificate_ends"], far)

    def test_a_device_that_cannot_keep_a_new_one_asks_for_none(self):
        old = [path.read_bytes() for path in self.short_certificate(-1000, 200)]
        (self.device / "pc-1.key.new" / "in the way").mkdir(parents=True)
        agent = self.agent()
        agent.wait_to_log("the certificate was not renewed")
        agent.wait_until(lambda: self.site.connected("pc-1"), "pc-1 to connect")
        self.assertEqual(self.site.metric("kscpush_renewals_total"), 0)
        self.assertEqual([path.read_bytes() for path in
                          (self.device / "pc-1.crt", self.device / "pc-1.key")], old)
        soon = (datetime.datetime.now() + datetime.timedelta(days=1)).isoformat()
        self.assertLess(self.show()["certificate_ends"], soon)

    def test_a_renewal_that_the_device_has_lost_does_not_hide_the_end_of_the_old_one(self):
        credentials = self.short_certificate(-1000, 200)
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/", "-keyout", "k",
                "-out", "r", folder=self.device)
        request = {"v": 1, "do": "renew", "csr": (self.device / "r").read_text()}
        self.assertEqual(self.ask(request, credentials)["device"], "pc-1")
        (self.device / "pc-1.key.new" / "in the way").mkdir(parents=True)
        self.agent().wait_until(lambda: self.site.connected("pc-1"), "pc-1 to connect")
        soon = (datetime.datetime.now() + datetime.timedelta(days=1)).isoformat()
        self.assertLess(self.show()["certificate_ends"], soon)

    def test_a_certificate_that_is_young_is_left_alone(self):
        old = [path.read_bytes() for path in self.short_certificate(-10, 3600)]
        agent = self.agent()
        agent.wait_until(lambda: self.site.connected("pc-1"), "pc-1 to connect")
        self.assertEqual([path.read_bytes() for path in
                          (self.device / "pc-1.crt", self.device / "pc-1.key")], old)
        self.assertEqual(self.site.metric("kscpush_renewals_total"), 0)

    def test_who_may_not_renew(self):
        credentials = self.short_certificate(-1000, 200)
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/", "-keyout", "k",
                "-out", "r", folder=self.device)
        request = {"v": 1, "do": "renew", "csr": (self.device / "r").read_text()}
        answer = self.ask(request)
        self.assertEqual(answer["error"]["code"], "denied")
        self.assertIn("for who shows it: no client certificate", answer["error"]["message"])
        self.assertEqual(self.ask(request, credentials)["device"], "pc-1")
        self.site.succeed("device", "revoke", "pc-1")
        wait_until(lambda: "has been revoked" in
                   self.ask(request, credentials)["error"]["message"], "the device to be refused")

    def test_an_expired_certificate_renews_nothing(self):
        self.short_certificate(-1000, -10)
        agent = self.agent()
        agent.wait_to_log("only an administrator can give it a new one")
        self.assertEqual(self.site.metric("kscpush_renewals_total"), 0)
        done = self.site.kscpush("doctor", "pc-1")
        self.assertEqual(done.code, 1)
        self.assertEqual(self.enroll(self.token()).code, 0)

    def test_a_change_that_a_crash_interrupted_is_completed_at_the_next_start(self):
        self.short_certificate(-10, 3600)
        key = (self.device / "pc-1.key").read_bytes()
        (self.device / "pc-1.key.new").write_bytes(key)
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                "pc-1.key", folder=self.device)
        agent = self.agent()
        agent.wait_until(lambda: self.site.connected("pc-1"), "pc-1 to connect")
        self.assertEqual((self.device / "pc-1.key").read_bytes(), key)
        self.assertFalse((self.device / "pc-1.key.new").exists())


if __name__ == "__main__":
    unittest.main()
