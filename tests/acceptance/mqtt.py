"""MQTT 3.1.1 and 5 by hand: packets as bytes, and a device that does exactly what a test tells it.

For what no well-behaved client does: wrong bytes, no acknowledgement, a CONNECT that never comes.
"""

import json
import socket
import ssl
import struct
import time
from typing import NamedTuple

from processes import DEADLINE

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP, DISCONNECT = 2, 3, 4, 9, 13, 14
V311, V5 = 4, 5
PINGREQ = b"\xc0\x00"

# Identifier -> (name, type): those that the server sends.
_PROPERTIES = {
    0x01: ("payload_format", "B"), 0x02: ("message_expiry", ">I"), 0x03: ("content_type", "text"),
    0x08: ("response_topic", "text"), 0x09: ("correlation_data", "text"),
    0x11: ("session_expiry", ">I"), 0x13: ("server_keep_alive", ">H"), 0x1C: ("reference", "text"),
    0x1F: ("reason", "text"), 0x21: ("receive_maximum", ">H"),
    0x22: ("topic_alias_maximum", ">H"), 0x24: ("maximum_qos", "B"),
    0x25: ("retain_available", "B"), 0x27: ("maximum_packet_size", ">I"),
    0x28: ("wildcard_available", "B"), 0x29: ("subscription_identifier_available", "B"),
    0x2A: ("shared_available", "B"),
}


def varint(number):
    result = b""
    while True:
        number, digit = number >> 7, number & 0x7F
        if number == 0:
            return result + bytes([digit])
        result += bytes([digit | 0x80])


def text(value):
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(raw)) + raw


def packet(first_byte, body):
    return bytes([first_byte]) + varint(len(body)) + body


def properties(version, raw=b""):
    return varint(len(raw)) + raw if version == V5 else b""


def connect(client_id, version=V5, keep_alive=60, clean=True, session_expiry=None):
    raw = b"" if session_expiry is None else b"\x11" + struct.pack(">I", session_expiry)
    return packet(0x10, text("MQTT") + bytes([version, 2 if clean else 0])
                  + struct.pack(">H", keep_alive) + properties(version, raw) + text(client_id))


def subscribe(topic, qos=1, version=V5, packet_id=1):
    return packet(0x82, struct.pack(">H", packet_id) + properties(version) + text(topic)
                  + bytes([qos]))


def publish(topic, payload, qos=1, version=V5, packet_id=1):
    return packet(0x30 | qos << 1, text(topic)
                  + (struct.pack(">H", packet_id) if qos else b"") + properties(version) + payload)


def puback(packet_id):
    return packet(0x40, struct.pack(">H", packet_id))


class Packet(NamedTuple):
    """One that the server sent. CODES: its reason codes, one but in SUBACK."""

    type: int
    flags: int = 0
    packet_id: int = 0
    codes: tuple = ()
    properties: dict = {}
    topic: str = ""
    payload: bytes = b""

    @property
    def code(self):
        return self.codes[0]

    @property
    def dup(self):
        return bool(self.flags & 8)

    def json(self):
        return json.loads(self.payload)


def _parse_properties(body, version):
    if version != V5 or not body:
        return {}, body
    length, body = _parse_varint(body)
    raw, rest = body[:length], body[length:]
    found = {}
    while raw:
        name, kind = _PROPERTIES[raw[0]]
        raw = raw[1:]
        if kind == "text":
            size = struct.unpack(">H", raw[:2])[0] + 2
            found[name] = raw[2:size].decode()
        else:
            size = struct.calcsize(kind)
            found[name] = struct.unpack(kind, raw[:size])[0]
        raw = raw[size:]
    return found, rest


def _parse_varint(data):
    value = 0
    for i in range(4):
        value |= (data[i] & 0x7F) << 7 * i
        if data[i] < 0x80:
            return value, data[i + 1:]
    raise AssertionError("a length of more than four bytes")


def parse(first_byte, body, version):
    kind, flags = first_byte >> 4, first_byte & 0xF
    if kind == PUBLISH:
        size = struct.unpack(">H", body[:2])[0] + 2
        topic, body = body[2:size].decode(), body[size:]
        packet_id = 0
        if flags & 6:
            packet_id, body = struct.unpack(">H", body[:2])[0], body[2:]
        found, payload = _parse_properties(body, version)
        return Packet(kind, flags, packet_id, properties=found, topic=topic, payload=payload)
    if kind == CONNACK:
        found, _ = _parse_properties(body[2:], version)
        return Packet(kind, body[0], codes=(body[1],), properties=found)
    if kind == PUBACK:
        found, _ = _parse_properties(body[3:], version)
        return Packet(kind, 0, struct.unpack(">H", body[:2])[0], tuple(body[2:3]) or (0,), found)
    if kind == SUBACK:
        found, codes = _parse_properties(body[2:], version)
        return Packet(kind, 0, struct.unpack(">H", body[:2])[0], tuple(codes), found)
    if kind == DISCONNECT:
        found, _ = _parse_properties(body[1:], version)
        return Packet(kind, codes=tuple(body[:1]) or (0,), properties=found)
    return Packet(kind, flags)


def tls_context(authority, credentials=None):
    context = ssl.create_default_context(cafile=str(authority))
    if credentials is not None:
        context.load_cert_chain(str(credentials.certificate), str(credentials.key))
    return context


class RawClient:
    """A connection to a push server. CONTEXT: of tls_context(); None for plain TCP."""

    def __init__(self, port, context=None, version=V5):
        self.version = version
        self._buffer = b""
        self._socket = socket.create_connection(("127.0.0.1", port), DEADLINE)
        try:
            if context is not None:
                self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._socket.close()

    @property
    def tls_session(self):
        """What a later connection may resume."""
        return self._socket.session

    def shut_down(self):
        """Closes this half: nothing more is sent, and without TLS's own words for it. With TLS what
        comes is not decrypted any more."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Ends the connection as a machine that has forgotten it does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def send(self, data):
        self._socket.sendall(data)

    def says_nothing_for(self, seconds):
        """Waits for the server's next byte or its end; true if neither came so soon."""
        self._socket.settimeout(seconds)
        try:
            self._buffer += self.read_some()
            return False
        except (TimeoutError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        finally:
            self._socket.settimeout(DEADLINE)

    def read_some(self):
        """Bytes as they come; b"" at the end. What goes wrong is raised."""
        return self._socket.recv(65536)

    def _fill(self):
        """False at the end of the stream, however it came."""
        try:
            more = self.read_some()
        except TimeoutError:
            raise AssertionError(f"no byte came in {self._socket.gettimeout():g} s") from None
        except (ssl.SSLError, ConnectionError):
            return False
        self._buffer += more
        return bool(more)

    def receive(self):
        """The next packet; None when the server has closed the connection."""
        while True:
            for size in range(2, 6):
                if len(self._buffer) >= size and self._buffer[size - 1] < 0x80:
                    length, _ = _parse_varint(self._buffer[1:size])
                    break
            else:
                length = None
            if length is not None and len(self._buffer) >= size + length:
                raw, self._buffer = self._buffer[:size + length], self._buffer[size + length:]
                return parse(raw[0], raw[size:], self.version)
            if not self._fill():
                assert not self._buffer, f"the stream ends inside of a packet: {self._buffer!r}"
                return None

    def expect(self, kind):
        got = self.receive()
        assert got is not None and got.type == kind, f"expected a packet of type {kind}, got {got}"
        return got

    def expect_closed(self):
        got = self.receive()
        assert got is None, f"expected the end of the connection, got {got}"

    def expect_end(self):
        """Until the server has closed the connection, whatever it says before."""
        while self._fill():
            self._buffer = b""

    def connect(self, client_id, **options):
        self.send(connect(client_id, self.version, **options))
        return self.expect(CONNACK)

    def subscribe(self, topic, qos=1):
        self.send(subscribe(topic, qos, self.version))
        return self.expect(SUBACK)

    def publish(self, topic, payload, qos=1):
        self.send(publish(topic, payload, qos, self.version))

    def push(self):
        """The next push, acknowledged."""
        got = self.expect(PUBLISH)
        if got.packet_id:
            self.send(puback(got.packet_id))
        return got

    def round_trip(self):
        """Seconds from PINGREQ to PINGRESP."""
        begin = time.monotonic()
        self.send(PINGREQ)
        self.expect(PINGRESP)
        return time.monotonic() - begin


class BufferedTlsClient(RawClient):
    """TLS whose records are in the test's hand: what is sent waits in `records` until flush()."""

    def __init__(self, port, context, version=V5, alpn=None):
        super().__init__(port, version=version)
        if alpn is not None:
            context.set_alpn_protocols(alpn)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        try:
            self._with_what_comes(self._tls.do_handshake)
        except BaseException:
            self.close()
            raise

    def _with_what_comes(self, call):
        """Its result, once enough has come for it; b"" at the end."""
        while True:
            try:
                return call()
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLWantReadError:
                self.flush()
                data = self._socket.recv(65536)
                if not data:
                    raise ConnectionError("the server has closed without close_notify") from None
                self._incoming.write(data)
            finally:
                self.flush()

    def send(self, data):
        self.seal(data)
        self.flush()

    def seal(self, data):
        """A record with DATA, to be sent with the next flush()."""
        self._tls.write(data)

    def seal_close_notify(self):
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            pass  # for the server's own

    def records(self):
        """What would be sent, taken out."""
        return self._outgoing.read()

    def flush(self):
        records = self.records()
        if records:  # nothing at all is an error once our half is closed
            self.send_raw(records)

    def send_raw(self, data):
        self._socket.sendall(data)

    def read_some(self):
        return self._with_what_comes(lambda: self._tls.read(65536))

    @property
    def alpn(self):
        return self._tls.selected_alpn_protocol()


def inbox(device):
    return f"ksc/v1/devices/{device}/push"


def up(device, leaf="result"):
    return f"ksc/v1/devices/{device}/up/{leaf}"


def connect_device(site, device, credentials, version=V5, subscribed=True, **options):
    """A device that is connected and, unless told otherwise, subscribed at QoS 1."""
    client = RawClient(site.port, tls_context(credentials.authority, credentials), version)
    try:
        connack = client.connect(device, **options)
        assert connack.code == 0, connack
        if subscribed and not connack.flags & 1:
            assert client.subscribe(inbox(device)).codes == (1,)
        return client
    except BaseException:
        client.close()
        raise
