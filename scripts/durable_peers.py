"""scripts/compare-peers --durable: what is left of acknowledged messages when a server is killed.

Devices connect once with a session that lasts, subscribe and leave. QoS 1 messages for them are accepted, the
server is killed with SIGKILL right after the last acknowledgement and started again, the devices come back, and
what reaches them is counted. kscpush takes requests of 1,000 devices each, the others PUBLISH packets from one
connection that waits for nothing but their PUBACKs.
"""

import asyncio
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import lab
import mqtt

BASE = 24720  # ports
EACH = 10  # messages a device
QUIET_S = 8  # without any message: nothing more will come
DEADLINE_S = 600
BATCH = 1000  # devices in a request
REQUESTS = 4  # under way
AT_ONCE = 64  # connects


class Device(mqtt.Connection):
    def __init__(self, name, fleet):
        super().__init__(name, clean=False)
        self.fleet = fleet
        self.ready = asyncio.get_running_loop().create_future()
        self.gone = asyncio.get_running_loop().create_future()

    def subscribed(self):
        if not self.ready.done():
            self.ready.set_result(None)

    def received(self, push, dup):
        self.fleet.arrived.add(push["id"])
        self.fleet.news.set()
        return True

    def connection_lost(self, error):
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionError(f"{self.name} was not let in"))
        self.gone.set_result(None)


class Fleet:
    """Devices with sessions that last, on PORT."""

    def __init__(self, port, names):
        self.port, self.names = port, names
        self.arrived = set()
        self.news = asyncio.Event()
        self.devices = []

    async def connect(self):
        places = asyncio.Semaphore(AT_ONCE)

        async def one(name):
            async with places:
                _, device = await asyncio.get_running_loop().create_connection(
                    lambda: Device(name, self), "127.0.0.1", self.port)
                await asyncio.wait_for(device.ready, DEADLINE_S)
                self.devices.append(device)
        await asyncio.gather(*(one(name) for name in self.names))

    async def leave(self):
        for device in self.devices:
            device.transport.write(mqtt.DISCONNECT)
            device.transport.close()
        await asyncio.gather(*(device.gone for device in self.devices))
        self.devices.clear()

    async def collect(self, expected):
        """Until all have come, or nothing comes any more."""
        while not expected <= self.arrived:
            self.news.clear()
            try:
                await asyncio.wait_for(self.news.wait(), QUIET_S)
            except asyncio.TimeoutError:
                break


async def visit(port, names):
    """Makes the sessions."""
    fleet = Fleet(port, names)
    await fleet.connect()
    await fleet.leave()


async def come_back(port, names, expected):
    """How many of these messages arrive."""
    fleet = Fleet(port, names)
    await fleet.connect()
    await fleet.collect(expected)
    await fleet.leave()
    return len(expected & fleet.arrived)


def read_exactly(stream, size):
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            lab.fail("the server closed the publisher's connection")
        data += more
    return data


class Broker:
    """One that is published to. COMMAND starts it, listening on PORT."""

    def __init__(self, command, port):
        self.command, self.port = [str(word) for word in command], port

    def prepare(self, names):
        pass

    def start(self):
        process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        lab.wait_for_port(process, self.port)
        return process

    def accept(self, names):
        """The messages that were acknowledged."""
        messages = [(mqtt.inbox(name), f"{name}-{n}") for n in range(EACH) for name in names]
        rest = {"v": 1, "kind": "sync", "attempt": 1, "ttl": 900, "params": {}}
        data = b"".join(mqtt.publish(topic, number + 1, json.dumps({"id": name, **rest}).encode())
                        for number, (topic, name) in enumerate(messages))
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE_S) as stream:
            stream.sendall(mqtt.connect("publisher", clean=True))
            read_exactly(stream, 4)
            sender = threading.Thread(target=stream.sendall, args=(data,))
            began = time.monotonic()
            sender.start()
            answers = read_exactly(stream, 4 * len(messages))
            seconds = time.monotonic() - began
            sender.join()
        packets, _ = mqtt.split(answers)
        numbers = {struct.unpack(">H", body)[0] for first, body in packets
                   if first >> 4 == mqtt.PUBACK}
        return {name for number, (_, name) in enumerate(messages) if number + 1 in numbers}, seconds


class Kscpush:
    def __init__(self, folder, binary):
        self.site = lab.Site(folder / "durable", binary, BASE)
        self.port = self.site.port + 1

    def prepare(self, names):
        self.site.register(names)

    def start(self):
        return self.site.start()

    def accept(self, names):
        batches = [{"kind": "sync", "ttl": 3600, "collapse_key": f"message-{n}",
                    "devices": names[at:at + BATCH]}
                   for n in range(EACH) for at in range(0, len(names), BATCH)]
        own = threading.local()

        def send(batch):
            if not hasattr(own, "connection"):
                own.connection = self.site.admin()
            return self.site.request(own.connection, "POST", "/v1/pushes", batch)
        began = time.monotonic()
        with ThreadPoolExecutor(REQUESTS) as pool:
            answers = list(pool.map(send, batches))
        seconds = time.monotonic() - began
        return {push["id"] for answer in answers for push in answer["accepted"]}, seconds


def mosquitto(folder, program, on_changes):
    state = folder / "mosquitto-state"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    configuration = folder / "mosquitto-durable.conf"
    configuration.write_text(f"""listener {BASE + 4} 127.0.0.1
allow_anonymous true
log_type none
user {os.environ.get('USER', 'root')}
persistence true
persistence_location {state}/
""" + ("autosave_on_changes true\nautosave_interval 1\n" if on_changes else ""))
    return Broker([program, "-c", configuration], BASE + 4)


def nats(folder, program):
    state = folder / "nats-state"
    shutil.rmtree(state, ignore_errors=True)
    configuration = folder / "nats.conf"
    configuration.write_text(f"""server_name: one
listen: 127.0.0.1:{BASE + 6}
jetstream {{ store_dir: "{state}" }}
mqtt {{ listen: 127.0.0.1:{BASE + 5} }}
""")
    return Broker([program, "-c", configuration], BASE + 5)


def measure(server, names):
    """Messages, a second, CPU us each, arrived."""
    server.prepare(names)
    process = server.start()
    try:
        asyncio.run(visit(server.port, names))
        before = lab.cpu_seconds(process.pid)
        accepted, seconds = server.accept(names)
        cpu = lab.cpu_seconds(process.pid) - before
        process.kill()
        process.wait()
        process = server.start()
        arrived = asyncio.run(come_back(server.port, names, accepted))
    finally:
        lab.end(process)
    return len(accepted), len(accepted) / seconds, cpu / len(accepted) * 1e6, arrived


def compare(folder, kscpush, rounds):
    """Prints the table."""
    programs = {name: lab.require(name) for name in ("mosquitto", "nats-server")}
    many = [f"pc-{n}" for n in range(1000)]
    runs = {
        "kscpush": (many, lambda where: Kscpush(where, kscpush)),
        "mosquitto": (many, lambda where: mosquitto(where, programs["mosquitto"], False)),
        "mosquitto, saving at every change":
            (many[:50], lambda where: mosquitto(where, programs["mosquitto"], True)),
        "nats-server, JetStream": (many, lambda where: nats(where, programs["nats-server"])),
    }
    results = {name: [] for name in runs}
    for number in range(rounds):
        for name, (names, make) in runs.items():
            print(f"round {number + 1}: {name}", file=sys.stderr)
            where = folder / f"{number}-{len(results[name])}-{name.split(',')[0]}-{len(names)}"
            where.mkdir()
            results[name].append(measure(make(where), names))
    print("\n| server | messages | acknowledged a second | CPU us each | lost, of all rounds |")
    print("|---|---|---|---|---|")
    for name, rows in results.items():
        rate, cpu = (statistics.median(row[at] for row in rows) for at in (1, 2))
        lost = sum(row[0] - row[3] for row in rows)
        print(f"| {name} | {rows[0][0]:,} | {rate:,.0f} | {cpu:,.0f} | "
              f"{lost:,} of {sum(row[0] for row in rows):,} |")
