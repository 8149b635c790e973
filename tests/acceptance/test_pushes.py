"""Pushes from the request to the device's own answer, and what happens in between."""

import json
import subprocess
import unittest
from datetime import datetime, timezone

import paho.mqtt.client as paho

from clients import MosquittoSub, PahoDevice
from harness import AcceptanceTest, ServedTest
from mqtt import PINGREQ, PUBLISH, V311, V5, connect_device, inbox, puback, up
from processes import DEADLINE, wait_until


class PahoDevices(ServedTest):
    def life_of_a_push(self, version, device):
        credentials = self.site.add_device(device)
        with PahoDevice(self.site, device, credentials, version) as client:
            accepted = self.site.push(device)
            message = client.next_push()
            self.assertEqual(message.topic, inbox(device))
            payload = json.loads(message.payload)
            self.assertEqual((payload["id"], payload["kind"]), (accepted["id"], "sync"))

            acked = self.site.wait_for_push(accepted["id"], "acked")
            self.assertLessEqual({"stored", "sent", "acked"}, acked["times"].keys())
            client.answer(accepted["id"], "started")
            self.site.wait_for_push(accepted["id"], "started")
            client.answer(accepted["id"], "completed", {"synchronized": True, "took_s": 0.5})
            completed = self.site.wait_for_push(accepted["id"], "completed")
            self.assertEqual(completed["result"], {"synchronized": True, "took_s": 0.5})
            return message

    def test_with_mqtt_311_a_push_is_acked_and_completed_by_the_device(self):
        self.life_of_a_push(paho.MQTTv311, "pc-311")

    def test_with_mqtt_5_a_push_is_acked_and_completed_by_the_device(self):
        message = self.life_of_a_push(paho.MQTTv5, "pc-5")
        self.assertEqual(message.properties.ContentType, "application/json")
        self.assertEqual(message.properties.ResponseTopic, up("pc-5"))
        self.assertEqual(message.properties.CorrelationData.decode(),
                         json.loads(message.payload)["id"])
        self.assertTrue(0 < message.properties.MessageExpiryInterval <= 900)

    def test_a_device_that_reports_a_failure_ends_the_push_as_failed(self):
        credentials = self.site.add_device("pc-fail")
        with PahoDevice(self.site, "pc-fail", credentials, paho.MQTTv5) as client:
            push = self.site.push("pc-fail")
            client.next_push()
            client.answer(push["id"], "failed", {"error": "disk full"})
            failed = self.site.wait_for_push(push["id"], "failed")
            self.assertEqual(failed["result"], {"error": "disk full"})

    def test_nobody_answers_for_another_device(self):
        mine, other = self.site.add_device("pc-mine"), self.site.add_device("pc-other")
        with PahoDevice(self.site, "pc-mine", mine, paho.MQTTv5) as victim, \
                PahoDevice(self.site, "pc-other", other, paho.MQTTv5) as forger:
            push = self.site.push("pc-mine")
            victim.next_push()
            self.site.wait_for_push(push["id"], "acked")
            strays = self.site.metric("kscpush_stray_messages_total")
            forger.answer(push["id"], "completed")
            wait_until(lambda: self.site.metric("kscpush_stray_messages_total") > strays,
                       "the forged answer to be counted")
            self.assertEqual(self.site.request("GET", f"/v1/pushes/{push['id']}")[1]["state"],
                             "acked")

    def test_a_push_can_be_sent_with_curl(self):
        credentials = self.site.add_device("pc-curl")
        with MosquittoSub(self.site, "pc-curl", credentials) as subscriber:
            done = subprocess.run(
                ["curl", "-sS", "-H", f"Authorization: Bearer {self.site.token}",
                 "-d", '{"kind":"sync","params":{"reason":"update"}}',
                 f"http://127.0.0.1:{self.site.admin_port}/v1/devices/pc-curl/pushes"],
                capture_output=True, text=True, check=True, timeout=DEADLINE)
            push = json.loads(done.stdout)
            self.assertEqual(subscriber.wait_for_push(push["id"])["params"], {"reason": "update"})
            self.site.wait_for_push(push["id"], "acked")


class AwayAndBack(ServedTest):
    def test_a_push_to_a_device_that_is_away_arrives_when_it_comes_back(self):
        for version in V311, V5:
            with self.subTest(version=version):
                device = f"pc-away-{version}"
                credentials = self.site.add_device(device)
                push = self.site.push(device)
                self.assertEqual(push["state"], "stored")
                with connect_device(self.site, device, credentials, version) as client:
                    self.assertEqual(client.push().json()["id"], push["id"])
                    self.site.wait_for_push(push["id"], "acked")

    def test_a_second_sync_supersedes_the_one_that_waits(self):
        credentials = self.site.add_device("pc-twice")
        first, second = self.site.push("pc-twice"), self.site.push("pc-twice")
        self.site.wait_for_push(first["id"], "superseded")
        with connect_device(self.site, "pc-twice", credentials) as client:
            self.assertEqual(client.push().json()["id"], second["id"])
            client.round_trip()  # nothing came before the answer to it

    def test_a_push_past_its_time_to_live_never_arrives(self):
        credentials = self.site.add_device("pc-late")
        late = self.site.push("pc-late", kind="ping", ttl=1)
        expires = datetime.fromisoformat(late["expires"])
        wait_until(lambda: datetime.now(timezone.utc) > expires, "the time to live to pass")
        with connect_device(self.site, "pc-late", credentials) as client:
            in_time = self.site.push("pc-late")
            self.assertEqual(client.push().json()["id"], in_time["id"])

    def test_an_online_only_push_to_a_device_that_is_away_is_refused(self):
        self.site.add_device("pc-off")
        status, error = self.site.request("POST", "/v1/devices/pc-off/pushes", {"kind": "ping"})
        self.assertEqual((status, error["code"]), (409, "offline"))
        self.assertIn("time to live", error["hint"])

    def test_what_was_not_acknowledged_comes_again_to_a_resumed_session_with_dup(self):
        credentials = self.site.add_device("pc-dup")
        options = {"clean": False, "session_expiry": 600}
        with connect_device(self.site, "pc-dup", credentials, **options) as client:
            push = self.site.push("pc-dup")
            first = client.expect(PUBLISH)
        wait_until(lambda: self.site.connected("pc-dup") is None, "the device to be away")
        with connect_device(self.site, "pc-dup", credentials, **options) as client:
            again = client.push()
            self.assertTrue(again.dup)
            self.assertEqual((again.packet_id, again.payload), (first.packet_id, first.payload))
            self.site.wait_for_push(push["id"], "acked")

    def test_what_was_not_acknowledged_comes_again_to_a_new_session(self):
        credentials = self.site.add_device("pc-again")
        with connect_device(self.site, "pc-again", credentials) as client:
            push = self.site.push("pc-again")
            client.expect(PUBLISH)
            self.site.wait_for_push(push["id"], "sent")
        with connect_device(self.site, "pc-again", credentials) as client:
            again = client.push().json()
            self.assertEqual((again["id"], again["attempt"]), (push["id"], 2))
            self.site.wait_for_push(push["id"], "acked")


    def test_a_device_that_reconnects_in_a_loop_does_not_use_up_the_attempts(self):
        credentials = self.site.add_device("pc-loop")
        push = self.site.push("pc-loop")
        seen = []
        with connect_device(self.site, "pc-loop", credentials) as client:
            seen.append(client.expect(PUBLISH).json()["attempt"])
        while len(seen) < 3:  # at 1 and 6 seconds
            with connect_device(self.site, "pc-loop", credentials) as client:
                client.send(PINGREQ)
                answer = client.receive()
                if answer.type == PUBLISH:
                    seen.append(answer.json()["attempt"])
        self.assertEqual(seen, [1, 2, 3])
        wait_until(lambda: self.site.request("GET", f"/v1/pushes/{push['id']}")[1]["attempts"] == 3,
                   "the third attempt to be stored")
        times = self.site.request("GET", f"/v1/pushes/{push['id']}")[1]["times"]
        first, last = (datetime.fromisoformat(times[state].replace("Z", "+00:00"))
                       for state in ("stored", "sent"))
        self.assertGreaterEqual((last - first).total_seconds(), 6)

    def test_pushes_arrive_in_their_order_through_reconnects(self):
        credentials = self.site.add_device("pc-order")
        sent = [self.site.push("pc-order", kind="ping", ttl=60)["id"] for _ in range(40)]
        got = []
        while len(got) < len(sent):
            with connect_device(self.site, "pc-order", credentials) as client:
                fresh = [client.push().json()["id"] for _ in range(min(10, len(sent) - len(got)))]
                for push_id in fresh:
                    self.site.wait_for_push(push_id, "acked")
                got += fresh
        self.assertEqual(got, sent)


class Crash(AcceptanceTest):
    def test_what_was_accepted_survives_sigkill(self):
        site = self.new_site()
        site.prepare_to_serve()
        credentials = site.add_device("pc-1")
        server = self.serve(site)
        push = site.push("pc-1")
        server.kill()
        self.serve(site)
        with MosquittoSub(site, "pc-1", credentials) as subscriber:
            subscriber.wait_for_push(push["id"])
            site.wait_for_push(push["id"], "acked")

    def test_what_was_sent_but_not_acknowledged_survives_sigkill(self):
        site = self.new_site()
        site.prepare_to_serve()
        credentials = site.add_device("pc-1")
        server = self.serve(site)
        with connect_device(site, "pc-1", credentials) as client:
            push = site.push("pc-1")
            client.expect(PUBLISH)
            server.kill()
        self.serve(site)
        with connect_device(site, "pc-1", credentials) as client:
            self.assertEqual(client.push().json()["id"], push["id"])
            site.wait_for_push(push["id"], "acked")


class Bounds(ServedTest):
    @classmethod
    def prepare(cls, site):
        site.prepare_to_serve("limits: {pending_per_device: 3, message_bytes: 2048}")

    def test_a_device_has_room_for_so_many_pending_pushes_then_429(self):
        self.site.add_device("pc-full")
        for _ in range(3):
            self.site.push("pc-full", kind="ping", ttl=60)
        status, error = self.site.request("POST", "/v1/devices/pc-full/pushes",
                                          {"kind": "ping", "ttl": 60})
        self.assertEqual((status, error["code"]), (429, "overloaded"))
        self.assertIn("pc-full", error["message"])

    def test_a_stock_client_that_missed_a_synchronization_is_sent_one_when_it_comes(self):
        credentials = self.site.add_device("pc-missed")
        for _ in range(3):
            self.site.push("pc-missed", kind="ping", ttl=60)
        refused, _ = self.site.request("POST", "/v1/devices/pc-missed/pushes", {"kind": "sync"})
        self.assertEqual(refused, 429)

        def missed():
            return self.site.request("GET", "/v1/devices/pc-missed")[1]["resync_required"]
        self.assertEqual(missed()["reason"], "overflow")
        self.assertEqual(self.site.metric("kscpush_devices_resync_required"), 1)
        shown = self.site.succeed("device", "show", "pc-missed").out
        self.assertIn(f"since {missed()['since']}", shown)
        self.assertIn("kscpush sync pc-missed", shown)
        with MosquittoSub(self.site, "pc-missed", credentials) as subscriber:
            wait_until(lambda: missed() is None, "the device to be level")
            kinds = [push["kind"] for push in subscriber.pushes()]
            self.assertEqual(kinds.count("sync"), 1)
        with MosquittoSub(self.site, "pc-missed", credentials) as subscriber:
            after = self.site.push("pc-missed", kind="ping", ttl=60)
            subscriber.wait_for_push(after["id"])
            self.assertNotIn("sync", {push["kind"] for push in subscriber.pushes()})

    def test_a_push_larger_than_a_message_may_be_is_413(self):
        self.site.add_device("pc-large")
        status, error = self.site.request("POST", "/v1/devices/pc-large/pushes",
                                          {"kind": "sync", "params": {"x": "y" * 3000}})
        self.assertEqual((status, error["code"]), (413, "too_large"))

    def test_one_device_does_not_hold_up_another(self):
        stuck, fine = self.site.add_device("pc-stuck"), self.site.add_device("pc-fine")
        with connect_device(self.site, "pc-stuck", stuck) as idle, \
                connect_device(self.site, "pc-fine", fine) as client:
            self.site.push("pc-stuck")
            unanswered = idle.expect(PUBLISH)
            push = self.site.push("pc-fine")
            client.push()
            self.site.wait_for_push(push["id"], "acked")
            idle.send(puback(unanswered.packet_id))


if __name__ == "__main__":
    unittest.main()
