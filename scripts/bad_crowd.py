"""Connections that misbehave, one kind at a time: what scripts/bad-neighbours puts beside devices that
behave. As a program: `bad_crowd.py KIND RATE FOLDER PORT`, until its standard input ends, and
`bad_crowd.py --silent COUNT FOLDER PORT`.

At most MOST_OPEN are open and each lives at most LONGEST seconds. A crowd is nice to the others, so that
the processor time which it takes is not mistaken for the server's.
"""

import asyncio
import errno
import os
import random
import resource
import select
import socket
import ssl
import struct
import sys
from pathlib import Path

MOST_OPEN = 2_000
LONGEST = 30.0
DEVICES = 8  # of the crowd's own: registered, with certificates
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(505)  # no ClientHello, but its size


def device(number):
    return f"bad-{number % DEVICES + 1}"


def text(value):
    return struct.pack(">H", len(value)) + value


def packet(first_byte, body):
    length, rest = b"", len(body)
    while True:
        rest, digit = rest >> 7, rest & 0x7F
        length += bytes([digit | (0x80 if rest else 0)])
        if not rest:
            return bytes([first_byte]) + length + body


def connect(client_id, filling=0):
    pair = b"\x26" + text(b"filling") + text(b"x" * filling) if filling else b""
    size = packet(0, pair)[1:]  # its length, and itself
    return packet(0x10, text(b"MQTT") + b"\x05\x02\x00\x3c" + size + text(client_id))


class Crowd:
    """KINDS are its methods: each opens one connection and does with it what its name says."""

    def __init__(self, folder, port):
        self.port = port
        self.pki = Path(folder) / "pki"
        self.devices = Path(folder) / "crowd"
        self.contexts = {}
        self.made = 0

    def context(self, name=None):
        """NAME: the device whose certificate is shown; None: none is."""
        if name not in self.contexts:
            context = ssl.create_default_context(cafile=self.pki / "ca.crt")
            if name is not None:
                files = self.devices / name
                context.load_cert_chain(files / f"{name}.crt", files / f"{name}.key")
            self.contexts[name] = context
        return self.contexts[name]

    async def open(self, plain):
        made = socket.socket()
        made.setblocking(False)
        self.made += 1
        made.bind((f"127.2.{self.made // 200 % 200}.{self.made % 200 + 1}", 0))
        await asyncio.get_running_loop().sock_connect(
            made, ("127.0.0.1", self.port + 1 if plain else self.port))
        return made

    async def say(self, data, plain=True, half=False):
        """Says it and waits for the end."""
        loop = asyncio.get_running_loop()
        with await self.open(plain) as client:
            await loop.sock_sendall(client, data)
            if half:
                client.shutdown(socket.SHUT_WR)
            while await loop.sock_recv(client, 65536):
                pass

    async def secure(self, name, data):
        client = await self.open(plain=False)
        reader, writer = await asyncio.open_connection(sock=client, ssl=self.context(name),
                                                       server_hostname="localhost")
        try:
            for piece in data:
                writer.write(piece)
                await writer.drain()
            while await reader.read(65536):
                pass
        finally:
            writer.transport.abort()

    async def silent(self):
        await self.say(b"")

    async def silent_to_tls(self):
        await self.say(b"", plain=False)

    async def dripping(self):
        loop = asyncio.get_running_loop()
        with await self.open(plain=True) as client:
            for byte in connect(b"bad-1", 1000):
                await loop.sock_sendall(client, bytes([byte]))
                await asyncio.sleep(1)

    async def largest_connect_without_its_end(self):
        await self.say(connect(b"bad-1", 8100)[:-1])

    async def largest_connect(self):
        await self.say(connect(b"nobody", 8100))

    async def identifier_of_64_kib(self):
        await self.say(connect(b"x" * 65535))

    async def identifier_with_nul(self):
        await self.say(connect(random.choice((b"a\0b", b"a/b", b"\xff\xfe"))))

    async def half_closed(self):
        await self.say(connect(device(self.made).encode())[:-1], half=True)

    async def reset(self):
        with await self.open(plain=self.made % 2 == 0) as client:
            await asyncio.get_running_loop().sock_sendall(client, HELLO[:self.made % 50])
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def malformed_packet(self):
        bad = random.choice((b"\x00\x00", b"\xc3\x00", b"\x30\x80\x80\x80\x80\x01", b"\x36\x02\x00\x00",
                             b"\x40\x01\x00", b"\x82\x02\x00\x01", b"\xd0\x00", b"\x20\x02\x00\x00"))
        await self.say(connect(device(self.made).encode()) + bad)

    async def no_tls(self):
        await self.say(os.urandom(500), plain=False)

    async def half_a_client_hello(self):
        await self.say(HELLO[:200], plain=False)

    async def no_certificate(self):
        await self.secure(None, [])

    async def foreign_identifier(self):
        await self.secure(device(self.made), [connect(b"nobody")])

    async def broken_record(self):
        client = await self.open(plain=False)
        loop = asyncio.get_running_loop()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context(device(self.made)).wrap_bio(incoming, outgoing,
                                                       server_hostname="localhost")
        with client:
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    await loop.sock_sendall(client, outgoing.read())
                    incoming.write(await loop.sock_recv(client, 65536))
            tls.write(connect(device(self.made).encode()))
            await loop.sock_sendall(client, outgoing.read()[:-1] + b"?")
            while await loop.sock_recv(client, 65536):
                pass

    async def not_reading(self):
        """Asks and asks, and takes no answer, until the server has had enough."""
        loop = asyncio.get_running_loop()
        with await self.open(plain=True) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await loop.sock_sendall(client, connect(device(self.made).encode()))
            while True:
                await loop.sock_sendall(client, b"\xc0\x00" * 2000)


KINDS = [name for name, member in vars(Crowd).items()
         if asyncio.iscoroutinefunction(member) and name not in ("open", "say", "secure")]


async def run(kind, rate, crowd):
    async def one():
        try:
            await asyncio.wait_for(getattr(crowd, kind)(), LONGEST)
        except (OSError, ssl.SSLError, asyncio.TimeoutError):
            pass  # thrown out, as it should be

    loop = asyncio.get_running_loop()
    ended = loop.run_in_executor(None, sys.stdin.read)
    open_now, begun, started = set(), 0, loop.time()
    while not ended.done():
        due = int((loop.time() - started) * rate) - begun
        for _ in range(min(due, MOST_OPEN - len(open_now))):
            task = asyncio.create_task(one())
            open_now.add(task)
            task.add_done_callback(open_now.discard)
        begun += max(0, due)
        await asyncio.sleep(0.01)
    for task in open_now:
        task.cancel()
    await asyncio.gather(*open_now, return_exceptions=True)
    print(crowd.made)


def open_silently(count, port, most_open=8_000):
    """COUNT connections in all that send nothing, held until the server closes them; as many at a time
    as MOST_OPEN. Closed by a reset, so that none of their ports rests in TIME_WAIT."""
    poller = select.epoll()
    held = {}
    begun = ended = 0
    while ended < count:
        while begun < count and len(held) < most_open:
            client = socket.socket()
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.bind((f"127.3.{begun // 250 % 250}.{begun % 250 + 1}", 0))
            error = client.connect_ex(("127.0.0.1", port + begun % 2))
            if error not in (0, errno.EINPROGRESS):
                raise OSError(error, os.strerror(error))
            poller.register(client, select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR)
            held[client.fileno()] = client
            begun += 1
            if begun % 100 == 0:
                break  # what has ended makes room first
        for descriptor, _ in poller.poll(0 if begun < count and len(held) < most_open else 1, 1_000):
            held.pop(descriptor).close()
            ended += 1
    print(ended)


def main():
    if sys.argv[1] == "--silent":
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        open_silently(int(sys.argv[2]), int(sys.argv[4]))
    else:
        os.nice(5)
        asyncio.run(run(sys.argv[1], float(sys.argv[2]), Crowd(sys.argv[3], int(sys.argv[4]))))


if __name__ == "__main__":
    main()
