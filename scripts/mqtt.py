"""As much of MQTT 3.1.1 as the scripts speak: packets as bytes, and a device that reads them."""

import asyncio
import json
import struct

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
DISCONNECT = b"\xe0\0"


def varint(data, at):
    """The number and the place behind it; None when bytes are missing."""
    value = shift = 0
    while at < len(data):
        value |= (data[at] & 0x7F) << shift
        at += 1
        shift += 7
        if data[at - 1] < 0x80:
            return value, at
    return None


def packet(first, body):
    size, length = len(body), b""
    while True:
        size, digit = size >> 7, size & 0x7F
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return bytes([first]) + length + body


def text(value):
    raw = value.encode()
    return struct.pack(">H", len(raw)) + raw


def connect(name, clean):
    return packet(CONNECT << 4, text("MQTT") + bytes([4, 2 if clean else 0])
                  + struct.pack(">H", 600) + text(name))


def subscribe(topic):
    """At QoS 1."""
    return packet(SUBSCRIBE << 4 | 2, b"\0\1" + text(topic) + b"\1")


def publish(topic, number, payload):
    """At QoS 1; NUMBER is its packet identifier."""
    return packet(PUBLISH << 4 | 2, text(topic) + struct.pack(">H", number) + payload)


def split(data):
    """The whole packets in it, each with its first byte and its body, and what is left over."""
    packets, at = [], 0
    while at < len(data):
        header = varint(data, at + 1)
        if header is None or len(data) < header[1] + header[0]:
            break
        size, body = header
        packets.append((data[at], data[body:body + size]))
        at = body + size
    return packets, data[at:]


def inbox(name):
    return f"ksc/v1/devices/{name}/push"


class Connection(asyncio.Protocol):
    """A device's connection: subscribes to its inbox, and hands on what it gets."""

    def __init__(self, name, clean):
        self.name, self.clean = name, clean
        self.data = b""
        self.transport = None

    def subscribed(self):
        """Called at the server's SUBACK."""

    def received(self, push, dup):
        """Called with the payload's JSON; whether it is to be acknowledged."""

    def connection_made(self, transport):
        self.transport = transport
        transport.write(connect(self.name, self.clean))

    def data_received(self, data):
        packets, self.data = split(self.data + data)
        for first, body in packets:
            self.take(first, body)

    def take(self, first, body):
        if first >> 4 == CONNACK and body[1] == 0:
            self.transport.write(subscribe(inbox(self.name)))
        elif first >> 4 == SUBACK:
            self.subscribed()
        elif first >> 4 == PUBLISH:
            topic = struct.unpack(">H", body[:2])[0]
            acknowledge = self.received(json.loads(body[topic + 4:]), bool(first & 8))
            if acknowledge and not self.transport.is_closing():
                self.transport.write(b"\x40\2" + body[topic + 2:topic + 4])
