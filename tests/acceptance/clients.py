"""Stock MQTT clients as devices: mosquitto_sub and paho-mqtt, each with TLS and its certificate."""

import json
import queue
import subprocess

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from mqtt import inbox, up
from processes import DEADLINE, wait_until


class MosquittoSub:
    """mosquitto_sub as in the manual, subscribed. VERSION: mqttv311 or mqttv5."""

    def __init__(self, site, device, credentials, version="mqttv5", *options):
        self._log_path = site.folder / f"mosquitto-{device}.log"
        command = ["stdbuf", "-oL", "mosquitto_sub", "-d", "-V", version, "-h", "localhost",
                   "-p", str(site.port), "--cafile", str(credentials.authority),
                   "--cert", str(credentials.certificate), "--key", str(credentials.key),
                   "-i", device, "-t", inbox(device), "-q", "1", *options]
        with open(self._log_path, "w", encoding="utf-8") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: self._says("Subscribed"), "mosquitto_sub to be subscribed")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def log(self):
        return self._log_path.read_text(errors="replace")

    def _says(self, text):
        if self._process.poll() is not None:
            raise AssertionError(f"mosquitto_sub ended: {self.log()}")
        return text in self.log()

    def pushes(self):
        """The messages that it has printed."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    def wait_for_push(self, push_id):
        return wait_until(lambda: next((p for p in self.pushes() if p["id"] == push_id), None),
                          f"mosquitto_sub to print push {push_id}")

    def close(self):
        """Ends as a device that is switched off does, without DISCONNECT."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


class PahoDevice:
    """A program on paho-mqtt, connected and subscribed. VERSION: paho.MQTTv311 or paho.MQTTv5.
    LASTING: its session outlives a connection; it reconnects by itself and subscribes only once."""

    def __init__(self, site, device, credentials, version, port=None, lasting=False):
        self.device = device
        self._events = queue.Queue()  # what paho's thread reports
        self._pushes = queue.Queue()
        clean = {} if version == paho.MQTTv5 else {"clean_session": not lasting}
        session = {}
        if lasting and version == paho.MQTTv5:
            session["clean_start"] = False
            session["properties"] = Properties(PacketTypes.CONNECT)
            session["properties"].SessionExpiryInterval = 3600
        self._client = paho.Client(device, protocol=version, **clean)
        self._client.tls_set(str(credentials.authority), str(credentials.certificate),
                             str(credentials.key))
        self._client.on_connect = lambda _c, _u, _f, code, *_: self._events.put(("connect", code))
        self._client.on_subscribe = lambda _c, _u, _m, codes, *_: self._events.put(
            ("subscribe", [getattr(code, "value", code) for code in codes]))
        self._client.on_message = lambda _c, _u, message: self._pushes.put(message)
        self._client.connect("localhost", port or site.port, keepalive=60, **session)
        self._client.loop_start()
        try:
            assert self._next("connect") == 0
            self._client.subscribe(inbox(device), qos=1)
            assert self._next("subscribe") == [1]
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _next(self, expected):
        event, value = self._events.get(timeout=DEADLINE)
        assert event == expected, (event, value)
        return value

    def next_push(self):
        """The next message; paho acknowledges it."""
        return self._pushes.get(timeout=DEADLINE)

    def answer(self, push_id, status, result=None):
        """Publishes an answer and waits for the server's acknowledgement of it."""
        payload = json.dumps({"id": push_id, "status": status, "result": result})
        self._client.publish(up(self.device), payload, qos=1).wait_for_publish(DEADLINE)

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()
