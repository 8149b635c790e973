"""Stock MQTT clients over TLS, in both versions, each cut off in mid-connection and back by its own
means: mosquitto_sub, _pub and _rr, Paho Python, and the programs of tests/clients on Paho C,
Paho C++, MQTT.js and aws-crt."""

import json
import os
import shutil
import subprocess
import unittest
from pathlib import Path

import paho.mqtt.client as paho

from clients import PahoDevice
from cutter import Cutter
from harness import ServedTest
from mqtt import inbox, up
from processes import DEADLINE, wait_until

PROGRAMS = Path(__file__).resolve().parent.parent / "clients"
BUILT = Path(os.environ.get("KSCPUSH_CLIENTS", "."))
NODE_MODULES = Path(os.environ.get("KSCPUSH_NODE_MODULES")
                    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
                    / "kscpush" / "node_modules")
VERSIONS = {4: "mqttv311", 5: "mqttv5"}


class Program:
    """A client that runs until the test ends, its output a line for whatever happens."""

    def __init__(self, command, log_path, **environment):
        self._log_path = log_path
        with open(log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["stdbuf", "-oL", *map(str, command)], stdin=subprocess.PIPE, stdout=log,
                stderr=subprocess.STDOUT, env={**os.environ, **environment})

    def lines(self, start):
        text = self._log_path.read_text(errors="replace")
        return [line for line in text.splitlines() if line.startswith(start)]

    def wait_for(self, start, count=1):
        def there():
            assert self.process.poll() is None, f"it ended: {self._log_path.read_text()}"
            return len(self.lines(start)) >= count
        try:
            wait_until(there, f"{count} lines '{start}...'")
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self._log_path.read_text()}") from None

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class CutOff(ServedTest):
    """Clients reach the server over a wire that can be cut."""

    def setUp(self):
        super().setUp()
        self.wire = Cutter(self.site.port)
        self.addCleanup(self.wire.close)

    def start(self, command, log_name, **environment):
        program = Program(command, self.folder / log_name, **environment)
        self.addCleanup(program.close)
        return program

    def connections(self, device):
        """When the device connected; None while it is away."""
        connection = self.site.connected(device)
        return connection and connection["since"]

    def cut(self, device, subscribes=True):
        """Cuts the wire and waits until the device is back, and subscribed if it ever does."""
        before = self.connections(device)
        self.wire.cut()
        wait_until(lambda: self.connections(device) not in (None, before), f"{device} to be back")
        if subscribes:
            wait_until(lambda: self.site.connected(device)["subscribed"], f"{device} to subscribe")

    # --- Programs of tests/clients

    def stays_with_us(self, name, command, **environment):
        for version in VERSIONS:
            with self.subTest(version=version):
                device = f"pc-{name}-{version}"
                files = self.site.add_device(device)
                program = self.start(
                    [*command, self.wire.port, files.authority, files.certificate, files.key,
                     device, version], f"{device}.log", **environment)
                program.wait_for("subscribed")
                for round_number in 1, 2, 3:
                    push = self.site.push(device)
                    self.site.wait_for_push(push["id"], "completed")
                    pushes = [json.loads(line[5:])["id"] for line in program.lines("push ")]
                    self.assertEqual(pushes.count(push["id"]), 1)
                    if round_number < 3:
                        self.cut(device)
                        program.wait_for("connected", round_number + 1)
                program.close()

    def built(self, name):
        program = BUILT / f"client_{name}"
        if not program.exists():
            self.skipTest(f"{name} is not built: libpaho-mqtt-dev, libpaho-mqttpp-dev are missing")
        return [program]

    def node(self, package, program):
        node = shutil.which("node")
        if node is None or not (NODE_MODULES / package).is_dir():
            self.skipTest(f"no npm package {package} in {NODE_MODULES}: see scripts/install-deps")
        return [node, PROGRAMS / program]


class StockClients(CutOff):
    def test_paho_cpp(self):
        self.stays_with_us("pahocpp", self.built("paho_cpp"))

    def test_mqtt_js(self):
        self.stays_with_us("mqttjs", self.node("mqtt", "mqttjs.js"), NODE_PATH=str(NODE_MODULES))

    def test_aws_crt(self):
        self.stays_with_us("awscrt", self.node("aws-crt", "awscrt.js"),
                           NODE_PATH=str(NODE_MODULES))

    # --- Mosquitto's command line clients

    def command(self, program, device, files, version, *options):
        return [program, "-V", VERSIONS[version], "-h", "localhost", "-p", self.wire.port,
                "--cafile", files.authority, "--cert", files.certificate, "--key", files.key,
                "-i", device, *options]

    def mosquitto(self, program, device, version, *options):
        files = self.site.add_device(device)
        return self.start(self.command(program, device, files, version, *options),
                          f"{device}.log")

    def test_mosquitto_sub(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                device = f"pc-sub-{version}"
                program = self.mosquitto("mosquitto_sub", device, version, "-t", inbox(device),
                                         "-q", "1", "-c")
                wait_until(lambda: self.site.connected(device), "it to be connected")
                for round_number in 1, 2:
                    push = self.site.push(device)
                    self.site.wait_for_push(push["id"], "acked")
                    program.wait_for("{", round_number)
                    if round_number == 1:
                        self.cut(device)
                program.close()

    def test_mosquitto_pub(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                device = f"pc-pub-{version}"
                program = self.mosquitto("mosquitto_pub", device, version, "-t",
                                         up(device, "state"), "-q", "1", "-l")
                wait_until(lambda: self.site.connected(device), "it to be connected")
                for revision in "first", "second":
                    program.tell(json.dumps(
                        {"v": 1, "policy": {"revision": revision, "result": "applied"}}))
                    wait_until(lambda: revision in json.dumps(
                        self.site.request("GET", f"/v1/devices/{device}")[1]),
                        f"the server to know revision {revision}")
                    if revision == "first":
                        self.cut(device, subscribes=False)
                program.close()

    def test_mosquitto_rr(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                device = f"pc-rr-{version}"
                files = self.site.add_device(device)
                command = self.command("mosquitto_rr", device, files, version, "-t",
                                       up(device, "event"), "-e", inbox(device), "-q", "1",
                                       "-m", "{}")
                # It does not connect again by itself: cut off, it is started anew.
                first = self.start(command, f"{device}-1.log")
                wait_until(lambda: self.site.connected(device), "it to be connected")
                self.wire.cut()
                wait_until(lambda: self.site.connected(device) is None, "it to be away")
                first.close()
                second = self.start(command, f"{device}-2.log")
                wait_until(lambda: (self.site.connected(device) or {}).get("subscribed"),
                           "it to be subscribed")
                push = self.site.push(device)
                self.assertEqual(second.process.wait(DEADLINE), 0)  # it leaves with the response
                self.assertIn(push["id"], second.lines("{")[0])

    # --- Paho Python

    def test_paho_python(self):
        for version in paho.MQTTv311, paho.MQTTv5:
            with self.subTest(version=version):
                device = f"pc-pahopy-{version}"
                files = self.site.add_device(device)
                with PahoDevice(self.site, device, files, version, port=self.wire.port,
                                lasting=True) as client:
                    for cut in True, False:
                        push = self.site.push(device)
                        self.assertIn(push["id"], client.next_push().payload.decode())
                        client.answer(push["id"], "completed")
                        self.site.wait_for_push(push["id"], "completed")
                        if cut:
                            self.cut(device)


class ClientsThatDoNotSubscribeAgain(CutOff):
    @classmethod
    def prepare(cls, site):
        site.prepare_to_serve("subscribe_inbox: true")

    def test_paho_c(self):
        self.stays_with_us("pahoc", self.built("paho_c"))


if __name__ == "__main__":
    unittest.main()
