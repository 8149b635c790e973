"""Devices whose TLS is OpenSSL's, GnuTLS's, wolfSSL's or Mbed TLS's, on a server that parks its TLS
1.3 connections and on one that does not."""

import ssl
import subprocess
import unittest

from harness import ServedTest
from mqtt import PINGREQ, PINGRESP, PUBACK, BufferedTlsClient, inbox, publish, tls_context, up
from processes import DEADLINE, wait_until
from tls_clients import LibraryClient, program


class LibraryClients:
    """PARKS: what the server is told to do."""

    parks = True

    @classmethod
    def prepare(cls, site):
        site.prepare_to_serve(f"limits: {{park_idle_tls: {str(cls.parks).lower()}}}")

    def device(self, library, tls="1.3"):
        program(library)  # skips before a device is made
        parked = self.site.metric("kscpush_tls_parked_total")
        name = f"pc-{library}-{tls}-{self.id().rsplit('.', 1)[1]}"
        credentials = self.site.add_device(name)
        client = LibraryClient(library, self.site.port, credentials, tls)
        self.addCleanup(client.close)
        connack = client.connect(name)
        self.assertEqual(connack.code, 0)
        self.assertEqual(client.subscribe(inbox(name)).codes, (1,))
        if self.parks and tls == "1.3":
            parked += 1
        self.assertEqual(self.site.metric("kscpush_tls_parked_total"), parked)
        return name, client

    def exchange(self, name, client):
        """Both ways: a push and its acknowledgement, a message and the server's, a ping."""
        push = self.site.push(name)
        self.assertEqual(client.push().json()["id"], push["id"])
        self.site.wait_for_push(push["id"], "acked")
        client.publish(up(name, "event"), b"x" * 40_000)
        self.assertEqual(client.receive().packet_id, 1)
        client.round_trip()

    def goes_well(self, library, tls, version):
        name, client = self.device(library, tls)
        self.assertIn(version, client.info)
        for _ in range(3):
            self.exchange(name, client)
        self.assertEqual(client.close_notify(), "closed")
        wait_until(lambda: self.site.connected(name) is None, f"{name} to be gone")

    def updates_keys(self, library, *ask_back):
        name, client = self.device(library)
        for ask in ask_back:
            self.assertTrue(client.update_keys(ask))
            self.exchange(name, client)
        for ask in ask_back:  # several in a row, with nothing between them
            self.assertTrue(client.update_keys(ask))
        self.exchange(name, client)
        self.assertEqual(client.close_notify(), "closed")

    def server_ends(self, library):
        name, client = self.device(library)
        self.site.succeed("device", "revoke", name)
        while client.receive() is not None:
            pass

    def test_the_last_answers_reach_who_closes_behind_its_words(self):
        """All of it in one segment: two records, close_notify, and the end of the stream."""
        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            with self.subTest(version=version):
                name = f"pc-last-{version.name}"
                credentials = self.site.add_device(name)
                context = tls_context(credentials.authority, credentials)
                context.maximum_version = version
                with BufferedTlsClient(self.site.port, context) as client:
                    self.assertEqual(client.connect(name).code, 0)
                    client.round_trip()
                    client.seal(publish(up(name, "event"), b"{}"))
                    client.seal(PINGREQ)
                    client.seal_close_notify()
                    client.flush()
                    client.shut_down()
                    self.assertEqual(client.expect(PUBACK).packet_id, 1)
                    client.expect(PINGRESP)
                    client.expect_closed()
                wait_until(lambda: self.site.connected(name) is None, f"{name} to be gone")

    def test_openssl(self):
        self.goes_well("openssl", "1.3", "TLSv1.3")

    def test_openssl_tls_1_2(self):
        self.goes_well("openssl", "1.2", "TLSv1.2")

    def test_openssl_key_update(self):
        self.updates_keys("openssl", True, False, True)

    def test_openssl_is_told_to_go(self):
        self.server_ends("openssl")

    def test_gnutls(self):
        self.goes_well("gnutls", "1.3", "TLS1.3")

    def test_gnutls_tls_1_2(self):
        self.goes_well("gnutls", "1.2", "TLS1.2")

    def test_gnutls_key_update(self):
        self.updates_keys("gnutls", True, False, True)

    def test_gnutls_is_told_to_go(self):
        self.server_ends("gnutls")

    def test_wolfssl(self):
        self.goes_well("wolfssl", "1.3", "TLSv1.3")

    def test_wolfssl_tls_1_2(self):
        self.goes_well("wolfssl", "1.2", "TLSv1.2")

    def test_wolfssl_key_update(self):
        self.updates_keys("wolfssl", True, True)

    def test_wolfssl_is_told_to_go(self):
        self.server_ends("wolfssl")

    def test_mbedtls(self):
        # Debian's knows TLS 1.2 only, which is never parked.
        self.goes_well("mbedtls", "1.2", "TLSv1.2")


class Parked(LibraryClients, ServedTest):
    parks = True

    def test_s_client(self):
        """OpenSSL's own program: `K` sends a KeyUpdate that asks for one back, `k` one that does
        not."""
        name = "pc-s-client"
        credentials = self.site.add_device(name)
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"localhost:{self.site.port}", "-CAfile",
             credentials.authority, "-cert", credentials.certificate, "-key", credentials.key,
             "-verify_return_error", "-tls1_3"],
            input="K\nk\nK\nGET / HTTP/1.1\n", capture_output=True, text=True, timeout=DEADLINE,
            check=False)
        self.assertIn("KEYUPDATE", done.stderr)
        # What is no MQTT ends the connection, but TLS itself went well.
        self.assertNotIn("alert", done.stderr)
        self.assertIn("Verify return code: 0 (ok)", done.stdout)

    def test_gnutls_cli(self):
        name = "pc-gnutls-cli"
        credentials = self.site.add_device(name)
        try:
            done = subprocess.run(
                ["gnutls-cli", "localhost", "--port", str(self.site.port), "--x509cafile",
                 credentials.authority, "--x509certfile", credentials.certificate,
                 "--x509keyfile", credentials.key, "--inline-commands"],
                input="^rekey^\n^rekey^\nGET / HTTP/1.1\n", capture_output=True, text=True,
                timeout=DEADLINE, check=False)
        except FileNotFoundError:
            self.skipTest("gnutls-cli is not installed: install gnutls-bin")
        self.assertIn("TLS1.3", done.stdout)
        self.assertNotIn("alert", done.stdout + done.stderr)


class NotParked(LibraryClients, ServedTest):
    parks = False


if __name__ == "__main__":
    unittest.main()
