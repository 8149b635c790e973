"""Statements of MQTT that are about the network: who closes, when, and what comes before. Against
the real server, on its plain listener."""

import time
import unittest

from harness import ServedTest
from mqtt import (CONNACK, DISCONNECT, PINGREQ, PUBLISH, V311, V5, RawClient, connect, inbox,
                  packet, puback, publish, subscribe, up)
from processes import wait_until

DEVICE = "pc-1"


class Network(ServedTest):
    @classmethod
    def prepare(cls, site):
        site.prepare_to_serve(f"plain_listener: 127.0.0.1:{site.plain_port}",
                              "limits: {handshake_timeout_s: 1, message_bytes: 2048}")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.succeed("device", "add", DEVICE)

    def dial(self, version=V5):
        client = RawClient(self.site.plain_port, version=version)
        self.addCleanup(client.close)
        return client

    def device(self, version=V5, **options):
        client = self.dial(version)
        self.assertEqual(client.connect(DEVICE, **options).code, 0)
        return client

    def closed_by(self, data, version, code=None):
        """DATA closes the connection of a device; MQTT 5 is told CODE before."""
        client = self.device(version)
        client.send(data)
        if version == V5:
            self.assertEqual(client.expect(DISCONNECT).code, code)
        client.expect_closed()

    # --- First packets

    def test_not_connect(self):
        """[MQTT-3.1.0-1] [MQTT-3.1.0-1 of 3.1.1] closed at once, without a word"""
        for version in V5, V311:
            for first in PINGREQ, subscribe(inbox(DEVICE), version=version), b"\xe0\x00":
                client = self.dial(version)
                client.send(first)
                client.expect_closed()

    def test_second_connect(self):
        """[MQTT-3.1.0-2] [MQTT-3.1.0-2 of 3.1.1] a second CONNECT closes"""
        self.closed_by(connect(DEVICE), V5, 0x82)
        self.closed_by(connect(DEVICE, V311), V311)

    def test_malformed_connect(self):
        """[MQTT-3.1.4-1] [MQTT-3.1.4-1 of 3.1.1] closed, in 3.1.1 without a CONNACK"""
        for version, answer in (V5, b"\x20\x03\x00\x81\x00"), (V311, b""):
            raw = bytearray(connect(DEVICE, version))
            raw[9] |= 1  # the reserved flag
            client = self.dial(version)
            client.send(bytes(raw))
            self.assertEqual(self.rest_of(client), answer)

    def test_other_versions(self):
        """[MQTT-3.1.2-2] [MQTT-3.1.2-2 of 3.1.1] answered as CONNECT is written"""
        for version, answer in (V5, b"\x20\x03\x00\x84\x00"), (V311, b"\x20\x02\x00\x01"):
            for level in 3, 6, 0x7F:
                raw = bytearray(connect(DEVICE, version))
                raw[8] = level
                client = self.dial(version)
                client.send(bytes(raw) + PINGREQ)
                self.assertEqual(self.rest_of(client), answer)

    def test_refused(self):
        """[MQTT-3.2.2-7] [MQTT-3.1.4-2] [MQTT-3.2.2-5 of 3.1.1] a refusal closes"""
        for version, code in (V5, 0x87), (V311, 5):
            client = self.dial(version)
            self.assertEqual(client.connect("pc-unknown").code, code)
            client.expect_closed()

    def test_rejected_identifier(self):
        """[MQTT-3.1.3-8] [MQTT-3.1.3-8 of 3.1.1] [MQTT-3.1.3-9 of 3.1.1] 0x85 or 2, then closed"""
        for identifier in "", "a/b", "x" * 129, "a b", "+":
            for version, code in (V5, 0x85), (V311, 2):
                for clean in True, False:
                    client = self.dial(version)
                    self.assertEqual(client.connect(identifier, clean=clean).code, code)
                    client.expect_closed()

    def test_data_behind_a_refused_connect(self):
        """[MQTT-3.1.4-6] [MQTT-3.1.4-5 of 3.1.1] what follows a refused CONNECT is not answered"""
        for version in V5, V311:
            client = self.dial(version)
            client.send(connect("a/b", version) + PINGREQ * 100)
            client.expect(CONNACK)
            client.expect_closed()

    # --- The end of a connection

    def test_malformed(self):
        """[MQTT-4.13.1-1] [MQTT-2.1.3-1] [MQTT-2.2.2-2 of 3.1.1] malformed packets close"""
        for data in b"\xc1\x00", b"\x80\x00", b"\x61\x02\x00\x01", b"\xe1\x00", b"\xc0\x80\x00":
            self.closed_by(data, V5, 0x81)
            self.closed_by(data, V311)

    def test_protocol_error(self):
        """[MQTT-4.13.2-1] [MQTT-4.8.0-1 of 3.1.1] protocol errors close"""
        for data in b"\xd0\x00", puback(9), b"\x62\x02\x00\x01":
            self.closed_by(data, V5, 0x82)
            self.closed_by(data, V311)
        self.closed_by(b"\xf0\x00", V5, 0x82)

    def test_not_authorized(self):
        """[MQTT-3.3.5-2 of 3.1.1] a PUBLISH elsewhere closes"""
        self.closed_by(publish(up("pc-2"), b"{}", version=V311), V311)
        self.closed_by(publish(up("pc-2"), b"{}", qos=0), V5, 0x87)

    def test_disconnect(self):
        """[MQTT-3.14.4-2] [MQTT-3.14.4-1 of 3.1.1] after it the server closes, if need be"""
        for version in V5, V311:
            client = self.device(version)
            client.send(b"\xe0\x00" + PINGREQ)
            client.expect_closed()
            # Not only its half: what is sent after a while meets nobody.
            def reset():
                try:
                    client.send(PINGREQ)
                    return False
                except OSError:
                    return True
            wait_until(reset, "the socket to be closed")

    def test_keep_alive(self):
        """[MQTT-3.1.2-22] [MQTT-3.1.2-24 of 3.1.1] closed after 1.5 keep alives, and not before"""
        clients = [self.dial(V5), self.dial(V311)]
        self.site.succeed("device", "add", "pc-2")
        begin = time.monotonic()
        for client, device in zip(clients, (DEVICE, "pc-2")):
            self.assertEqual(client.connect(device, keep_alive=2).code, 0)
        self.assertEqual(clients[0].expect(DISCONNECT).code, 0x8D)
        clients[0].expect_closed()
        clients[1].expect_closed()
        self.assertGreaterEqual(time.monotonic() - begin, 3)

    def test_half_packets_do_not_count(self):
        """[MQTT-3.1.2-22] a packet that comes byte by byte keeps nobody alive"""
        client = self.device(keep_alive=1)
        begin = time.monotonic()
        for byte in publish(up(DEVICE), b"x" * 1000):
            client.send(bytes([byte]))
            if not client.says_nothing_for(0.05):
                break
        self.assertLess(time.monotonic() - begin, 5)

    def test_takeover(self):
        """[MQTT-3.1.4-3] [MQTT-3.1.4-2 of 3.1.1] the former connection: told 0x8E, closed"""
        for version in V5, V311:
            first = self.device(version)
            second = self.device(version)
            if version == V5:
                self.assertEqual(first.expect(DISCONNECT).code, 0x8E)
            first.expect_closed()
            second.round_trip()

    def test_too_large(self):
        """[MQTT-3.2.2-15] above the announced Maximum Packet Size: 0x95, closed"""
        self.closed_by(b"\x32" + b"\xff\xff\xff\x7f", V5, 0x95)
        client = self.dial()
        client.send(packet(0x10, connect(DEVICE)[2:] + b"x" * 10_000))
        self.assertEqual(client.expect(CONNACK).code, 0x95)
        client.expect_closed()

    # --- Sessions

    def test_sessions(self):
        """[MQTT-3.1.2-5] [MQTT-3.2.2-3] [MQTT-4.1.0-2] resumed while its expiry lasts, not after"""
        with self.device(clean=True, session_expiry=1) as client:
            client.subscribe(inbox(DEVICE))
        wait_until(lambda: self.site.connected(DEVICE) is None, "the device to be away")
        with self.dial() as client:
            connack = client.connect(DEVICE, clean=False, session_expiry=1)
            self.assertEqual((connack.code, connack.flags), (0, 1))

        def expired():
            # The session that this connection leaves has no expiry.
            with self.dial() as client:
                return client.connect(DEVICE, clean=False, session_expiry=0).flags == 0
        wait_until(expired, "the session to end")

    def test_sent_again(self):
        """[MQTT-4.4.0-1] [MQTT-4.4.0-1 of 3.1.1] with DUP and its identifier"""
        for version in V5, V311:
            options = {"clean": False, **({"session_expiry": 60} if version == V5 else {})}
            with self.device(version, clean=True):
                pass  # forgets what there was
            client = self.device(version, **options)
            client.subscribe(inbox(DEVICE))
            push = self.site.push(DEVICE)
            first = client.expect(PUBLISH)
            client.close()
            again = self.dial(version)
            self.assertEqual(again.connect(DEVICE, **options).flags, 1)
            second = again.expect(PUBLISH)
            self.assertTrue(second.dup)
            self.assertEqual(second.packet_id, first.packet_id)
            again.send(puback(second.packet_id))
            self.site.wait_for_push(push["id"], "acked")

    @staticmethod
    def rest_of(client):
        """All that comes until the end."""
        data = b""
        while True:
            try:
                more = client.read_some()
            except ConnectionError:
                return data
            if not more:
                return data
            data += more

    def test_half_closed(self):
        """[MQTT-3.1.2-8] a device that closes its half is gone"""
        client = self.device()
        client.shut_down()
        client.expect_closed()
        wait_until(lambda: self.site.connected(DEVICE) is None, "the device to be away")


if __name__ == "__main__":
    unittest.main()
