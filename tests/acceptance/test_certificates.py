"""Certificates of devices: which are refused and why, revocation lists, and sessions that end with
what they rest on."""

import datetime
import signal
import ssl
import unittest

from harness import AcceptanceTest, Credentials, Site
from mqtt import DISCONNECT, RawClient, V5, inbox, tls_context
from processes import openssl

CONFIG = """\
[ca]
default_ca = site
[site]
new_certs_dir = .
database = index
crlnumber = crlnumber
rand_serial = yes
certificate = {authority}.crt
private_key = {authority}.key
default_md = sha256
policy = any
default_days = 2
default_crl_days = 2
unique_subject = no
[any]
commonName = optional
[req]
distinguished_name = dn
prompt = no
string_mask = utf8only
[dn]
{names}
[device]
extendedKeyUsage = {purpose}
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
"""


class Certificates(AcceptanceTest):
    def setUp(self):
        super().setUp()
        self.site = self.new_site()
        self.site.prepare_to_serve()
        self.made = 0

    def certificate(self, names="CN = pc-1", purpose="clientAuth", begin=None, end=None,
                    authority="pki/ca", extensions="device"):
        """Of the site's authority or another, made with OpenSSL's tools. BEGIN, END: seconds from
        now."""
        self.made += 1
        folder = self.site.folder
        (folder / "ca.conf").write_text(CONFIG.format(names=names, purpose=purpose,
                                                      authority=authority))
        if not (folder / "index").exists():
            (folder / "index").write_text("")
            (folder / "crlnumber").write_text("01\n")
        stem = f"made-{self.made}"
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-config", "ca.conf", "-keyout", f"{stem}.key", "-out", f"{stem}.csr",
                folder=folder)
        dates = [word for option, seconds in (("-startdate", begin), ("-enddate", end))
                 if seconds is not None for word in (option, self.date(seconds))]
        openssl("ca", "-batch", "-config", "ca.conf", "-extensions", extensions, "-in",
                f"{stem}.csr", "-out", f"{stem}.crt", "-notext", *dates, folder=folder)
        return Credentials(folder / "pki" / "ca.crt", folder / f"{stem}.crt",
                           folder / f"{stem}.key")

    @staticmethod
    def date(seconds):
        when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        return when.strftime("%Y%m%d%H%M%SZ")

    def revoke(self, *revoked):
        """Writes the authority's list with these."""
        folder = self.site.folder
        for credentials in revoked:
            openssl("ca", "-config", "ca.conf", "-revoke", credentials.certificate, folder=folder)
        openssl("ca", "-config", "ca.conf", "-gencrl", "-out", "crl.pem", folder=folder)

    def use_list(self):
        self.site.add_to_push_server(["tls: {crl: crl.pem}"])

    def root_and_intermediate(self):
        """(root, intermediate): stems of their files. The site's own authority signs no other."""
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-days", "2", "-subj", "/CN=root", "-keyout", "root.key", "-out",
                "root.crt", folder=self.site.folder)
        made = self.certificate("CN = intermediate", authority="root", extensions="authority")
        return "root", made.certificate.stem

    @staticmethod
    def reload(server):
        """Every shard has taken it up: each begins to end sessions before the last has."""
        server.process.send_signal(signal.SIGHUP)
        server.wait_to_log("(reload)")

    def client(self, credentials, version=V5, context=None):
        client = RawClient(self.site.port,
                           context or tls_context(credentials.authority, credentials), version)
        self.addCleanup(client.close)
        return client

    def online(self, device, credentials):
        client = self.client(credentials)
        self.assertEqual(client.connect(device).code, 0)
        self.assertEqual(client.subscribe(inbox(device)).codes, (1,))
        return client

    def refused_by_tls(self, credentials, alert):
        with self.assertRaisesRegex(ssl.SSLError, alert):
            self.client(credentials).read_some()

    # --- Refused

    def test_names_that_are_no_device_id(self):
        server = self.serve(self.site)
        self.site.succeed("device", "add", "pc-1")
        for names in ("O = no name", "CN = ' '", "CN = +", "CN = \\#", "CN = *", "CN = pc-1/x",
                      "CN = pc-1/\\#", "CN = pc+1", "0.CN = pc-1\n1.CN = pc-2",
                      "0.CN = pc-1\n1.CN = pc-1", "CN = pc-é"):
            with self.subTest(names=names):
                client = self.client(self.certificate(names))
                connack = client.connect("pc-1")
                self.assertEqual(connack.code, 0x87)
                client.expect_closed()
        self.assertIn("certificate refused", server.log())

    def test_purpose_and_dates(self):
        self.serve(self.site)
        self.refused_by_tls(self.certificate(purpose="serverAuth"), "(?i)unsupported certificate")
        self.refused_by_tls(self.certificate(begin=3600), "(?i)bad certificate")
        self.refused_by_tls(self.certificate(begin=-7200, end=-3600), "(?i)certificate expired")

    # --- Revoked

    def test_a_revoked_certificate_is_refused_and_the_log_says_so(self):
        self.site.succeed("device", "add", "pc-1")
        bad, good = self.certificate(), self.certificate()
        self.revoke(bad)
        self.use_list()
        server = self.serve(self.site)
        self.refused_by_tls(bad, "(?i)certificate revoked")
        self.online("pc-1", good)
        server.wait_to_log("certificate verify failed: certificate revoked")

    def test_a_list_that_changes_ends_sessions_at_reload(self):
        for device in "pc-1", "pc-2":
            self.site.succeed("device", "add", device)
        bad, good = self.certificate(), self.certificate("CN = pc-2")
        self.revoke()
        self.use_list()
        server = self.serve(self.site)
        ended, stays = self.online("pc-1", bad), self.online("pc-2", good)
        self.revoke(bad)
        self.reload(server)
        self.assertEqual(ended.expect(DISCONNECT).code, 0x87)
        ended.expect_closed()
        server.wait_to_log("its certificate has been revoked")
        stays.round_trip()
        self.refused_by_tls(bad, "(?i)certificate revoked")

    def test_a_revoked_intermediate_authority_ends_sessions_at_reload(self):
        self.site.succeed("device", "add", "pc-1")
        _, intermediate = self.root_and_intermediate()
        device = self.certificate(authority=intermediate)
        authority = device.certificate.with_name(f"{intermediate}.crt")
        device.certificate.write_bytes(device.certificate.read_bytes() + authority.read_bytes())
        self.certificate("CN = none", authority="root")  # the list is the root's
        self.revoke()
        self.site.add_to_push_server(["tls: {client_ca: root.crt, crl: crl.pem}"])
        server = self.serve(self.site)
        client = self.online("pc-1", device)
        context = tls_context(device.authority, device)
        first = self.client(device, context=context)  # its ticket carries the same
        first.connect("pc-1")
        resumed = first.tls_session
        self.revoke(Credentials(device.authority, authority, None))
        self.reload(server)
        self.assertEqual(client.receive().code, 0x8E)  # first has taken it over
        self.assertEqual(first.expect(DISCONNECT).code, 0x87)
        server.wait_to_log("an authority of its certificate has been revoked")
        with self.assertRaisesRegex(ssl.SSLError, "(?i)certificate revoked"):
            again = ResumingClient(self.site.port, context, resumed)
            self.addCleanup(again.close)
            again.read_some()

    def test_an_authority_that_is_taken_out_ends_sessions_at_reload(self):
        self.site.succeed("device", "add", "pc-1")
        server = self.serve(self.site)
        client = self.online("pc-1", self.certificate())
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-days", "2", "-subj", "/CN=another", "-keyout", "pki/ca.key", "-out",
                "pki/ca.crt", folder=self.site.folder)
        self.reload(server)
        self.assertEqual(client.expect(DISCONNECT).code, 0x87)
        server.wait_to_log("is not trusted any more")

    def test_a_list_that_cannot_be_used_stops_start_and_reload(self):
        self.site.succeed("device", "add", "pc-1")
        good = self.certificate()
        self.revoke()
        self.use_list()
        server = self.serve(self.site)
        client = self.online("pc-1", good)
        (self.site.folder / "crl.pem").write_text("no list\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_to_log("not reloaded, all stays as it was: the revocation list")
        client.round_trip()
        self.assertEqual(server.stop(), 0)
        done = self.site.kscpush("serve", "--log-level", "off")
        self.assert_error(done, 3, "crl.pem cannot be used: there is no list in it")

    def test_how_long_a_list_is_good_for_is_a_metric(self):
        self.certificate()
        self.revoke()
        server = self.serve(self.site)
        self.assertNotIn("kscpush_tls_crl_expires_seconds", self.site.request("GET", "/metrics")[1])
        self.use_list()
        self.reload(server)
        left = self.site.metric("kscpush_tls_crl_expires_seconds")
        self.assertGreater(left, 47 * 3600)
        self.assertLessEqual(left, 48 * 3600)

    # --- Over

    def test_a_session_ends_when_its_certificate_does(self):
        self.site.succeed("device", "add", "pc-1")
        server = self.serve(self.site)
        credentials = self.certificate(end=6)
        client = self.online("pc-1", credentials)
        self.assertEqual(client.expect(DISCONNECT).code, 0x87)
        client.expect_closed()
        server.wait_to_log("its certificate has expired")
        self.refused_by_tls(credentials, "(?i)certificate expired")

    # --- Resumed

    def test_a_ticket_of_a_revoked_certificate_is_worth_nothing(self):
        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            with self.subTest(version=version):
                self.site = Site(self.folder / f"site-{version.name}")
                self.site.prepare_to_serve()
                self.site.succeed("device", "add", "pc-1")
                credentials = self.certificate()
                self.revoke()
                self.use_list()
                server = self.serve(self.site)
                context = tls_context(credentials.authority, credentials)
                context.maximum_version = version
                first = self.client(credentials, context=context)
                first.connect("pc-1")
                session = first.tls_session
                self.assertTrue(session.has_ticket)
                second = ResumingClient(self.site.port, context, session)
                self.addCleanup(second.close)
                self.assertTrue(second.resumed)
                self.assertEqual(second.connect("pc-1").code, 0)
                self.revoke(credentials)
                self.reload(server)
                second.expect(DISCONNECT)
                with self.assertRaisesRegex(ssl.SSLError, "(?i)certificate revoked"):
                    third = ResumingClient(self.site.port, context, session)
                    self.addCleanup(third.close)
                    third.read_some()


class ResumingClient(RawClient):
    def __init__(self, port, context, session):
        super().__init__(port)
        plain = self._socket
        try:
            self._socket = context.wrap_socket(plain, server_hostname="localhost", session=session)
        except BaseException:
            plain.close()
            raise

    @property
    def resumed(self):
        return self._socket.session_reused


if __name__ == "__main__":
    unittest.main()
