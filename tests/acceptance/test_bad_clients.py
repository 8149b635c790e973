"""Whoever connects and does not behave: refused or closed with the protocol's own reason, counted,
and the server goes on. After each of them a device that behaves is pinged."""

import os
import socket
import ssl
import struct
import unittest

from harness import Credentials
from misbehaving import Misbehaving
from mqtt import (CONNACK, DISCONNECT, PUBACK, V311, V5, RawClient, connect, connect_device, inbox,
                  packet, publish, subscribe, text, up, varint)
from processes import DEADLINE, openssl, wait_until

# The beginning of a ClientHello that claims to be 512 bytes long.
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40)
REFUSED = {V5: 0x87, V311: 5}  # not authorized, in CONNACK


class BadClients(Misbehaving):
    def refused_in_the_handshake(self, client):
        """In TLS 1.3 the client thinks it has finished when the server says no: the alert meets
        what it sends or reads next."""
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            client.send(connect("pc-good"))
            client.read_some()

    # --- Who are you?

    def test_no_certificate(self):
        counted = self.counts("kscpush_tls_failures_total")
        with self.tls_client(None) as client:
            self.refused_in_the_handshake(client)
        counted()

    def test_the_certificate_of_a_foreign_authority(self):
        foreign = self.foreign_credentials("pc-good")
        counted = self.counts("kscpush_tls_failures_total")
        with self.tls_client(foreign) as client:
            self.refused_in_the_handshake(client)
        counted()

    def foreign_credentials(self, device):
        """Of another authority with the same name."""
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-days", "2", "-subj", "/CN=kscpush device CA of dp-1",
                "-keyout", "ca.key", "-out", "ca.crt", folder=self.folder)
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-subj", f"/CN={device}", "-keyout", "key", "-out", "csr",
                folder=self.folder)
        openssl("x509", "-req", "-in", "csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "2",
                "-CAcreateserial", "-out", "crt", folder=self.folder)
        return Credentials(self.folder / "ca.crt", self.folder / "crt", self.folder / "key")

    def test_certificates_that_name_no_device(self):
        for subject, name in (r"/CN=\ ", " "), (r"/CN=\+", "+"), ("/CN=#", "#"), ("/CN=*", "*"), \
                (r"/CN=a\/b", "a/b"), ("/CN=pc-good/CN=pc-good", "pc-good"), \
                ("/O=pc-good", "pc-good"), ("/CN=pc-good/CN=*", "pc-good"), \
                ("/CN=pc-good ", "pc-good"), ("/CN=PC-GOOD", "pc-good"):
            credentials = self.certified(subject)
            for version, told in (V5, (0x87, 0x85)), (V311, (5, 2)):
                with self.subTest(subject=subject, version=version):
                    for identifier in dict.fromkeys((name, "pc-good")):
                        with self.tls_client(credentials, version) as client:
                            self.assertIn(client.connect(identifier).code, told)
                            client.expect_closed()

    def certified(self, subject):
        """With a certificate of the site's own authority."""
        pki = self.site.folder / "pki"
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-subj", subject, "-keyout", "key", "-out", "csr", folder=self.folder)
        (self.folder / "usage").write_text("extendedKeyUsage = clientAuth\n")
        openssl("x509", "-req", "-in", "csr", "-CA", pki / "ca.crt", "-CAkey", pki / "ca.key",
                "-days", "2", "-CAcreateserial", "-extfile", "usage", "-out", "crt",
                folder=self.folder)
        return Credentials(self.good.authority, self.folder / "crt", self.folder / "key")

    def test_the_certificate_of_the_server_is_none_of_a_device(self):
        pki = self.site.folder / "pki"
        own = Credentials(pki / "ca.crt", pki / "dp-1.crt", pki / "dp-1.key")
        counted = self.counts("kscpush_tls_failures_total")
        with self.tls_client(own) as client:
            self.refused_in_the_handshake(client)
        counted()

    def test_the_id_of_another_device(self):
        for version in V5, V311:
            with self.subTest(version=version):
                credentials = self.site.add_device(f"pc-liar-{version}")
                counted = self.counts("kscpush_connects_refused_total")
                with self.tls_client(credentials, version) as client:
                    connack = client.connect("pc-good")
                    self.assertEqual(connack.code, REFUSED[version])
                    client.expect_closed()
                counted()
        self.assertIsNotNone(self.site.connected("pc-good"))

    def test_the_reason_is_told_to_mqtt_5(self):
        credentials = self.site.add_device("pc-told")
        with self.tls_client(credentials) as client:
            self.assertEqual(client.connect("pc-good").properties["reason"],
                             "the client identifier must be the name in the certificate")

    def test_a_device_that_is_not_registered(self):
        # On the plain listener, where the client identifier is believed.
        for version in V5, V311:
            with self.subTest(version=version):
                with RawClient(self.site.plain_port, version=version) as client:
                    self.assertEqual(client.connect("pc-unknown").code, REFUSED[version])
                    client.expect_closed()

    def test_what_is_no_device_id(self):
        for version, code in (V5, 0x85), (V311, 2):  # client identifier not valid
            with self.subTest(version=version):
                with RawClient(self.site.plain_port, version=version) as client:
                    self.assertEqual(client.connect("a/b").code, code)
                    client.expect_closed()

    # --- What is this?

    def test_a_connect_that_never_comes(self):
        counted = self.counts("kscpush_handshake_timeouts_total")
        with socket.create_connection(("127.0.0.1", self.site.port), DEADLINE) as silent:
            self.assertEqual(silent.recv(1), b"")
        counted()

    def test_a_connect_that_never_comes_inside_tls(self):
        credentials = self.site.add_device("pc-silent")
        counted = self.counts("kscpush_handshake_timeouts_total")
        with self.tls_client(credentials) as client:
            client.expect_closed()
        counted()

    def test_a_connect_that_comes_byte_by_byte_and_does_not_end(self):
        credentials = self.site.add_device("pc-slow")
        with self.tls_client(credentials) as client:
            for byte in connect("pc-slow")[:-1]:
                client.send(bytes([byte]))
            client.expect_closed()

    def test_a_byte_now_and_then_does_not_make_the_deadline_later(self):
        credentials = self.site.add_device("pc-drip")
        packet_of_8000 = packet(0x10, text("MQTT") + b"\x05" + bytes(8000))
        for name, client_of, data in (
                ("plain", lambda: RawClient(self.site.plain_port), packet_of_8000),
                ("TLS handshake", lambda: RawClient(self.site.port), HELLO + bytes(500)),
                ("inside TLS", lambda: self.tls_client(credentials), packet_of_8000)):
            counted = self.counts("kscpush_handshake_timeouts_total")
            with self.subTest(name), client_of() as client:
                sent = 0
                # Ends with the connection, long before the bytes do.
                while sent < 400 and client.says_nothing_for(0.02):
                    try:
                        client.send(data[sent:sent + 1])
                    except OSError:
                        break
                    sent += 1
                self.assertLess(sent, 400)
                self.assertGreater(sent, 1)
                counted()

    def test_random_bytes_on_the_port(self):
        counted = self.counts("kscpush_tls_failures_total")
        with RawClient(self.site.port) as client:
            client.send(b"\x00\xff" * 500)
            client.expect_end()
        counted()

    def test_http_on_the_port(self):
        with RawClient(self.site.port) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.expect_end()

    def test_random_bytes_on_the_plain_listener(self):
        with RawClient(self.site.plain_port) as client:
            client.send(b"\x00\xff" * 500)
            client.expect_end()

    def test_random_bytes_inside_tls(self):
        credentials = self.site.add_device("pc-noise")
        counted = self.counts('kscpush_connections_ended_total{reason="protocol_error"}')
        with self.tls_client(credentials) as client:
            client.send(b"\x00" + os.urandom(500))
            client.expect_closed()
        counted()

    def test_random_bytes_after_connect(self):
        credentials = self.site.add_device("pc-noise2")
        with connect_device(self.site, "pc-noise2", credentials) as client:
            client.send(b"\xf1\xff\xff\xff\xff\xff")
            self.assertIn(client.expect(DISCONNECT).code, (0x81, 0x82))
            client.expect_closed()

    def test_another_version_of_mqtt(self):
        with RawClient(self.site.plain_port, version=V311) as client:
            client.send(packet(0x10, b"\x00\x04MQTT\x06\x02" + struct.pack(">H", 60)
                               + b"\x00\x00\x07pc-good"))
            self.assertEqual(client.receive().code, 0x84)  # unsupported protocol version

    # --- Too much

    def test_a_packet_beyond_the_size_limit(self):
        credentials = self.site.add_device("pc-big")
        counted = self.counts('kscpush_connections_ended_total{reason="packet_too_large"}')
        with connect_device(self.site, "pc-big", credentials) as client:
            client.publish(up("pc-big"), b"x" * 5000)
            self.assertEqual(client.expect(DISCONNECT).code, 0x95)  # packet too large
            client.expect_closed()
        counted()

    def test_a_packet_that_claims_to_be_huge(self):
        credentials = self.site.add_device("pc-huge")
        with connect_device(self.site, "pc-huge", credentials) as client:
            client.send(b"\x32" + varint(268_435_455))
            self.assertEqual(client.expect(DISCONNECT).code, 0x95)

    def test_a_connect_beyond_the_size_limit(self):
        with RawClient(self.site.plain_port) as client:
            client.send(b"\x10" + varint(100_000))
            client.expect_closed()

    def test_a_connect_as_large_as_may_be(self):
        # Filled up with a User Property; who it is stays to be seen.
        def connect_of(size):
            def raw(filling):
                pair = b"\x26" + text("filling") + text(b"x" * filling)
                return packet(0x10, text("MQTT") + b"\x05\x02\x00\x3c" + varint(len(pair)) + pair
                              + text("pc-unknown"))
            return raw(size - len(raw(size)) + size)
        for size, code in (8192, 0x87), (8193, 0x95):  # not authorized, packet too large
            data = connect_of(size)
            self.assertEqual(len(data), size)
            with RawClient(self.site.plain_port) as client:
                client.send(data)
                self.assertEqual(client.expect(CONNACK).code, code)
                client.expect_closed()

    def test_many_connects_that_lack_their_last_byte(self):
        counter = "kscpush_handshake_timeouts_total"
        before = self.site.metric(counter)
        clients = [RawClient(self.site.plain_port) for _ in range(50)]
        for client in clients:
            self.addCleanup(client.close)
            client.send(packet(0x10, text("MQTT") + b"\x05" + bytes(8000))[:-1])
        self.assertLess(self.site.request("GET", "/readyz")[0], 300)
        for client in clients:
            client.expect_closed()
        wait_until(lambda: self.site.metric(counter) == before + 50, "all to be counted")

    def test_identifiers_of_every_kind(self):
        for identifier, code in (b"a\0b", 0x81), (b"\xff\xfe", 0x81), (b"\xed\xa0\x80", 0x81), \
                (b"/", 0x85), (b"pc-good/", 0x85), (b"#", 0x85), (b" ", 0x85), (b"*", 0x85), \
                (b"x" * 129, 0x85), (b"x" * 8000, 0x85), (b"x" * 65535, 0x95):
            with self.subTest(identifier=identifier[:8], size=len(identifier)):
                with RawClient(self.site.plain_port) as client:
                    client.send(connect(identifier))
                    self.assertEqual(client.expect(CONNACK).code, code)
                    client.expect_closed()

    # --- Gone in the middle of it

    def states(self, device):
        """(name, whether with TLS, what is sent before the end): every state that a connection can
        be left in."""
        whole = connect(device)
        for secure in True, False:
            yield "connected to", secure, b""
            yield "within CONNECT", secure, whole[:-1]
            yield "with CONNECT sent", secure, whole
            yield "subscribed", secure, whole + subscribe(inbox(device))
            yield "within PUBLISH", secure, whole + publish(up(device), b"x" * 100)[:50]
            yield "with answers on their way", secure, whole + publish(up(device), b"{}") * 50
            yield "after DISCONNECT", secure, whole + b"\xe0\x00"

    def left_in_each_state(self, device, leave):
        credentials = self.site.add_device(device)
        for name, secure, data in self.states(device):
            with self.subTest(state=name, secure=secure):
                client = self.tls_client(credentials) if secure \
                    else RawClient(self.site.plain_port)
                with client:
                    client.send(data)
                    if data.startswith(connect(device)):
                        client.expect(CONNACK)
                        self.site.push(device)
                    leave(client)
        wait_until(lambda: self.site.connected(device) is None, f"{device} to be away")
        wait_until(lambda: self.site.metric("kscpush_handshakes") == 0,
                   "no handshake to be left")

    def test_a_reset_in_each_state(self):
        self.left_in_each_state("pc-reset", RawClient.reset)

    def test_an_end_in_each_state(self):
        self.left_in_each_state("pc-ended", RawClient.close)

    def test_half_an_end_in_each_state(self):
        def leave(client):
            client.shut_down()
            client.expect_end()
        self.left_in_each_state("pc-half", leave)

    def test_a_reset_within_the_handshake(self):
        # Who has sent nothing is the kernel's affair: it is not accepted at once.
        for first in HELLO[:1], HELLO[:3], HELLO:
            with self.subTest(first=first):
                counted = self.counts("kscpush_connections_accepted_total")
                client = RawClient(self.site.port)
                client.send(first)
                client.reset()
                counted()

    def test_every_class_of_malformed_packet(self):
        credentials = self.site.add_device("pc-mal")
        topic = text(up("pc-mal"))
        malformed = {
            "packet type 0": b"\x00\x00", "reserved flags": b"\xc3\x00",
            "length of five bytes": b"\x30\x80\x80\x80\x80\x01",
            "length longer than needed": b"\xc0\x80\x00",
            "PINGREQ with a body": b"\xc0\x01\x00", "PUBLISH without a topic": b"\x30\x00",
            "topic beyond the packet": b"\x30\x04\xff\xffab", "QoS 3": packet(0x36, topic),
            "DUP at QoS 0": packet(0x38, topic + b"\x00"),
            "wildcard topic": packet(0x30, text("a/#") + b"\x00"),
            "topic that is no UTF-8": packet(0x30, text(b"\xff") + b"\x00"),
            "topic with U+0000": packet(0x30, text(b"a\0") + b"\x00"),
            "no packet identifier": packet(0x32, topic),
            "packet identifier 0": packet(0x32, topic + b"\x00\x00\x00"),
            "PUBACK cut short": b"\x40\x01\x00", "PUBACK of nothing": b"\x40\x02\x00\x01",
            "SUBSCRIBE of nothing": b"\x82\x02\x00\x01",
            "UNSUBSCRIBE of nothing": b"\xa2\x02\x00\x01",
            "reserved options": subscribe(inbox("pc-mal"), qos=0xC1, version=V311),
            "PUBREL": b"\x62\x02\x00\x01", "CONNACK": b"\x20\x02\x00\x00",
            "PINGRESP": b"\xd0\x00", "AUTH": b"\xf0\x00",
        }
        for version in V5, V311:
            for name, data in malformed.items():
                with self.subTest(version=version, packet=name):
                    with connect_device(self.site, "pc-mal", credentials, version,
                                        subscribed=False) as client:
                        client.send(data)
                        if version == V5:
                            self.assertIn(client.expect(DISCONNECT).code, (0x81, 0x82))
                        client.expect_closed()

    # --- Not yours

    def test_subscribing_to_the_topic_of_another_device(self):
        for version, code in (V5, 0x87), (V311, 0x80):
            with self.subTest(version=version):
                device = f"pc-sub-{version}"
                credentials = self.site.add_device(device)
                with connect_device(self.site, device, credentials, version) as client:
                    self.assertEqual(client.subscribe(inbox("pc-good")).codes, (code,))
                    self.site.push("pc-good")
                    client.round_trip()  # nothing of it came here

    def test_subscribing_to_a_wildcard(self):
        credentials = self.site.add_device("pc-wild")
        with connect_device(self.site, "pc-wild", credentials, V311, subscribed=False) as client:
            self.assertEqual(client.subscribe("ksc/v1/devices/+/push").codes, (0x80,))
            self.assertEqual(client.subscribe("#").codes, (0x80,))
        with connect_device(self.site, "pc-wild", credentials, subscribed=False) as client:
            client.send(subscribe("#"))
            self.assertEqual(client.expect(DISCONNECT).code, 0xA2)  # wildcards not supported

    def test_publishing_to_the_topic_of_another_device(self):
        credentials = self.site.add_device("pc-pub")
        with connect_device(self.site, "pc-pub", credentials) as client:
            for topic in up("pc-good"), inbox("pc-good"), inbox("pc-pub"), "news":
                client.publish(topic, b"{}")
                self.assertEqual(client.expect(PUBACK).code, 0x87)
        # Without an answer to say it with, the connection ends.
        with connect_device(self.site, "pc-pub", credentials) as client:
            client.publish(up("pc-good"), b"{}", qos=0)
            self.assertEqual(client.expect(DISCONNECT).code, 0x87)
        with connect_device(self.site, "pc-pub", credentials, V311) as client:
            client.publish(up("pc-good"), b"{}")
            client.expect_closed()

    def test_publishing_at_qos_2_or_retained(self):
        credentials = self.site.add_device("pc-qos")
        for first_byte, code in (0x34, 0x9B), (0x31, 0x9A):  # QoS, retain not supported
            with self.subTest(code=code):
                with connect_device(self.site, "pc-qos", credentials) as client:
                    raw = publish(up("pc-qos"), b"{}", qos=2 if first_byte == 0x34 else 0)
                    client.send(bytes([first_byte]) + raw[1:])
                    self.assertEqual(client.expect(DISCONNECT).code, code)

    def test_a_result_that_is_no_json(self):
        credentials = self.site.add_device("pc-text")
        counted = self.counts("kscpush_stray_messages_total")
        with connect_device(self.site, "pc-text", credentials) as client:
            client.publish(up("pc-text"), b"hello {")
            self.assertEqual(client.expect(PUBACK).code, 0)
        counted()

    def test_acknowledging_what_was_never_sent(self):
        credentials = self.site.add_device("pc-ack")
        with connect_device(self.site, "pc-ack", credentials) as client:
            client.send(packet(0x40, b"\x00\x07"))
            self.assertEqual(client.expect(DISCONNECT).code, 0x82)  # protocol error


if __name__ == "__main__":
    unittest.main()
