"""TLS that is cut off, changed, of another protocol or begun anew: an error of that connection, and
the server goes on."""

import ssl
import subprocess
import unittest

from misbehaving import Misbehaving
from mqtt import PINGREQ, BufferedTlsClient, RawClient, inbox, tls_context
from processes import DEADLINE, wait_until


class BadTls(Misbehaving):
    def buffered(self, device, credentials=None, version=ssl.TLSVersion.TLSv1_3, alpn=None):
        """Connected and subscribed, with its records in our hand."""
        credentials = credentials or self.site.add_device(device)
        context = tls_context(credentials.authority, credentials)
        context.maximum_version = version
        client = BufferedTlsClient(self.site.port, context, alpn=alpn)
        self.addCleanup(client.close)
        self.assertEqual(client.connect(device).code, 0)
        self.assertEqual(client.subscribe(inbox(device)).codes, (1,))
        return client

    def test_records_that_are_cut_off_changed_repeated_or_too_long(self):
        credentials = self.site.add_device("pc-cut")

        def cut(record):
            return record[:-1]

        def changed(record):
            return record[:-1] + bytes([record[-1] ^ 1])

        def repeated(record):
            return record + record

        def oversized(record):
            return record[:3] + b"\xff\xff" + record[5:]

        def of_another_type(record):
            return b"\x18" + record[1:]

        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            for change in cut, changed, repeated, oversized, of_another_type:
                with self.subTest(version=version, record=change.__name__):
                    client = self.buffered("pc-cut", credentials, version)
                    client.seal(PINGREQ)
                    client.send_raw(change(client.records()) + bytes(100))
                    client.expect_end()
                    wait_until(lambda: self.site.connected("pc-cut") is None, "it to be away")

    def test_handshakes_that_are_cut_off(self):
        """A real one, cut at each record and within each."""
        context = tls_context(self.good.authority, self.good)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with self.assertRaises(ssl.SSLWantReadError):
            tls.do_handshake()
        hello = outgoing.read()
        for size in 1, 4, 5, 6, len(hello) // 2, len(hello) - 1:
            with self.subTest(size=size), RawClient(self.site.port) as client:
                client.send(hello[:size])
                client.shut_down()
                client.expect_end()
        for extra in b"", b"\x16", b"\x14\x03\x03\x00\x01\x01", b"\x17\x03\x03\x00\x20" + bytes(32):
            with self.subTest(extra=extra), RawClient(self.site.port) as client:
                client.send(hello + extra)
                client.shut_down()
                client.expect_end()

    def test_a_protocol_that_is_not_ours(self):
        for offered in ["h2", "http/1.1"], ["kscpush"]:
            context = tls_context(self.good.authority, self.good)
            counted = self.counts("kscpush_tls_failures_total")
            with self.subTest(offered=offered):
                with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
                    BufferedTlsClient(self.site.port, context, alpn=offered)
            counted()
        client = self.buffered("pc-alpn", alpn=["h2", "mqtt"])
        self.assertEqual(client.alpn, "mqtt")
        client.round_trip()

    def test_a_handshake_in_the_middle_of_tls_1_2(self):
        """OpenSSL's own client asks for a renegotiation, and is told no."""
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"localhost:{self.site.port}", "-CAfile",
             self.good.authority, "-cert", self.good.certificate, "-key", self.good.key,
             "-tls1_2"], input="R\n", capture_output=True, text=True, timeout=DEADLINE, check=False)
        self.assertIn("RENEGOTIATING", done.stdout + done.stderr)
        self.assertIn("no renegotiation", done.stderr)


if __name__ == "__main__":
    unittest.main()
