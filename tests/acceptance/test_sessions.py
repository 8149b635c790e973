"""Connections and sessions: takeover, keep alive, and what the server announces."""

import time
import unittest

from harness import ServedTest
from mqtt import (DISCONNECT, PUBACK, PUBLISH, V311, RawClient, connect_device, inbox,
                  tls_context, up)
from processes import wait_until


class Sessions(ServedTest):
    def raw(self, credentials):
        return RawClient(self.site.port, tls_context(credentials.authority, credentials))

    def test_connack_tells_mqtt_5_the_limits_of_the_profile(self):
        credentials = self.site.add_device("pc-profile")
        with self.raw(credentials) as client:
            told = client.connect("pc-profile", keep_alive=0).properties
            self.assertEqual(told["server_keep_alive"], 3600)
            self.assertEqual(told["maximum_qos"], 1)
            self.assertEqual(told["maximum_packet_size"], 65 * 1024)
            for feature in "retain", "wildcard", "subscription_identifier", "shared":
                self.assertEqual(told[f"{feature}_available"], 0)

    def test_a_subscription_at_qos_2_is_granted_qos_1(self):
        credentials = self.site.add_device("pc-qos2")
        with connect_device(self.site, "pc-qos2", credentials, subscribed=False) as client:
            self.assertEqual(client.subscribe(inbox("pc-qos2"), qos=2).codes, (1,))

    def test_a_second_connection_takes_over_and_mqtt_5_is_told_so(self):
        credentials = self.site.add_device("pc-take5")
        with connect_device(self.site, "pc-take5", credentials) as first, \
                connect_device(self.site, "pc-take5", credentials) as second:
            self.assertEqual(first.expect(DISCONNECT).code, 0x8E)  # session taken over
            first.expect_closed()
            push = self.site.push("pc-take5")
            self.assertEqual(second.push().json()["id"], push["id"])
            self.site.wait_for_push(push["id"], "acked")

    def test_a_second_connection_takes_over_and_mqtt_311_is_closed(self):
        credentials = self.site.add_device("pc-take311")
        with connect_device(self.site, "pc-take311", credentials, V311) as first, \
                connect_device(self.site, "pc-take311", credentials, V311) as second:
            first.expect_closed()
            push = self.site.push("pc-take311")
            self.assertEqual(second.push().json()["id"], push["id"])

    def test_a_device_that_is_silent_for_one_and_a_half_keep_alives_is_closed(self):
        credentials = self.site.add_device("pc-quiet")
        counter = 'kscpush_connections_ended_total{reason="keep_alive_expired"}'
        before = self.site.metric(counter)
        with connect_device(self.site, "pc-quiet", credentials, keep_alive=1) as client:
            begin = time.monotonic()
            client.round_trip()
            self.assertEqual(client.expect(DISCONNECT).code, 0x8D)  # keep alive timeout
            self.assertGreaterEqual(time.monotonic() - begin, 1.5)
            client.expect_closed()
        self.assertEqual(self.site.metric(counter), before + 1)

    def test_a_device_that_sends_pingreq_stays(self):
        credentials = self.site.add_device("pc-alive")
        with connect_device(self.site, "pc-alive", credentials, keep_alive=1) as client:
            begin = time.monotonic()
            while time.monotonic() - begin < 2:  # more than one and a half keep alives
                client.round_trip()
            self.assertIsNotNone(self.site.connected("pc-alive"))

    def test_a_session_is_resumed_with_its_subscription(self):
        credentials = self.site.add_device("pc-resume")
        options = {"clean": False, "session_expiry": 60}
        with connect_device(self.site, "pc-resume", credentials, **options):
            pass
        wait_until(lambda: self.site.connected("pc-resume") is None, "the device to be away")
        with self.raw(credentials) as client:
            self.assertEqual(client.connect("pc-resume", **options).flags, 1)  # session present
            push = self.site.push("pc-resume")
            self.assertEqual(client.push().json()["id"], push["id"])

    def test_a_device_may_publish_below_its_own_up(self):
        credentials = self.site.add_device("pc-up")
        with connect_device(self.site, "pc-up", credentials) as client:
            for leaf in "event", "state", "result":
                client.publish(up("pc-up", leaf), b"{}")
                self.assertEqual(client.expect(PUBACK).code, 0)
            # This one is answered, whichever comes first.
            client.publish(up("pc-up", "sync"), b'{"v":1,"revision":""}')
            packets = {packet.type: packet for packet in (client.receive(), client.receive())}
            self.assertEqual(packets[PUBACK].code, 0)
            self.assertEqual(packets[PUBLISH].json()["kind"], "policy")


if __name__ == "__main__":
    unittest.main()
