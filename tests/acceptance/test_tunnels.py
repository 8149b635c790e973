"""kscpush tunnel: a real sshd behind an agent, and all that can be wrong on the way to it."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from harness import AcceptanceTest
from processes import DEADLINE, KSCPUSH, Daemon, environment, free_port, wait_until

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin")


class Target:
    """A TCP server on loopback: SERVE gets each connection, on a thread of its own."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port = self.listener.getsockname()[1]
        self.serve = serve
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.settimeout(DEADLINE)
            threading.Thread(target=self.run, args=(connection,), daemon=True).start()

    def run(self, connection):
        with connection:
            try:
                self.serve(connection)
            except OSError:
                pass

    def close(self):
        self.listener.close()


def read_all(connection):
    text = b""
    while piece := connection.recv(65536):
        text += piece
    return text


def reverse(connection):
    """Answers after the end of the question: only who keeps half-close gets an answer."""
    connection.sendall(read_all(connection)[::-1])


def echo(connection):
    while piece := connection.recv(65536):
        connection.sendall(piece)


class TunnelTest(AcceptanceTest):
    LINES = ()

    def setUp(self):
        self.site = self.new_site()
        self.site.prepare_to_serve(*self.LINES)
        self.files = self.site.add_device("pc-1").key.parent
        self.server = self.serve(self.site)

    def run_agent(self, *allow, limit=16, idle=600):
        config = self.files / "agent.yaml"
        rules = ", ".join(f'"{rule}"' for rule in allow)
        config.write_text(f"version: 1\nid: pc-1\nservers: [localhost:{self.site.port}]\n"
                          "state_directory: state\n"
                          f"tunnels: {{allow: [{rules}], max: {limit}, idle_s: {idle}}}\n")
        agent = self.watch(Daemon("agent", "--config-file", config, folder=self.files,
                                  log_path=self.files / "agent.log"))
        wait_until(lambda: (self.site.connected("pc-1") or {}).get("subscribed"),
                   "the agent to be connected")
        return agent

    def target(self, serve):
        target = Target(serve)
        self.addCleanup(target.close)
        return target

    def forward(self, target_port, *options):
        """`kscpush tunnel` on a free port: the process, and its port."""
        process = subprocess.Popen(
            [KSCPUSH, "tunnel", "pc-1", f"127.0.0.1:{target_port}", *options],
            cwd=self.site.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=environment())

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.addCleanup(end)
        here = process.stdout.readline()
        self.assertRegex(here, r"^127\.0\.0\.1:\d+$")
        return process, int(here.split(":")[1])

    def connect(self, port):
        connection = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self.addCleanup(connection.close)
        return connection

    def stdio(self, target_port, text=b"", *options, timeout=DEADLINE):
        return subprocess.run(
            [KSCPUSH, "tunnel", "pc-1", f"127.0.0.1:{target_port}", "--stdio", *options],
            cwd=self.site.folder, input=text, capture_output=True, timeout=timeout,
            env=environment(), check=False)

    def ended(self):
        """The audit, newest first."""
        return self.site.request("GET", "/v1/tunnels?ended=true")[1]["tunnels"]

    def wait_for_end(self, reason):
        def newest():
            ended = self.ended()
            return ended[0] if ended and reason in ended[0]["reason"] else None
        return wait_until(newest, f"a tunnel to end as {reason!r}")


class Tunnels(TunnelTest):
    @unittest.skipUnless(SSHD, "there is no sshd")
    def test_ssh_through_a_proxy_command(self):
        folder = self.folder / "ssh"
        folder.mkdir(mode=0o700)
        for name in "host", "user":
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name],
                           check=True)
        (folder / "authorized").write_text((folder / "user.pub").read_text())
        os.makedirs("/run/sshd", exist_ok=True)
        port = free_port()
        config = folder / "sshd_config"
        config.write_text(f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
                          f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
                          f"PidFile none\nPermitRootLogin yes\n")
        sshd = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stderr=subprocess.DEVNULL)
        self.addCleanup(sshd.wait)
        self.addCleanup(sshd.kill)

        def listens():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        wait_until(listens, "sshd to listen")
        self.run_agent(f"127.0.0.1:{port}")
        proxy = (f"{KSCPUSH} --config {self.site.config} tunnel pc-1 127.0.0.1:{port} --stdio")
        done = subprocess.run(
            ["ssh", "-F", "none", "-i", folder / "user", "-o", f"ProxyCommand={proxy}",
             "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={folder}/known",
             "-o", "BatchMode=yes", "pc-1", "echo from $SSH_CONNECTION; head -c 3000000 /dev/zero"],
            capture_output=True, timeout=DEADLINE, env=environment(), check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        line, _, zeros = done.stdout.partition(b"\n")
        self.assertTrue(line.startswith(b"from 127.0.0.1 "), line)
        self.assertEqual(len(zeros), 3_000_000)
        tunnel = self.wait_for_end("both sides have closed")
        self.assertEqual((tunnel["device"], tunnel["host"], tunnel["port"], tunnel["state"]),
                         ("pc-1", "127.0.0.1", port, "ended"))
        self.assertEqual(tunnel["opened_by"], "admin at 127.0.0.1")
        self.assertGreater(tunnel["from_device"], 3_000_000)

    def test_half_close_is_kept_through_standard_input_and_output(self):
        target = self.target(reverse)
        self.run_agent("127.0.0.1:*")
        question = bytes(range(256)) * 8192  # 2 MiB, more than all buffers on the way
        done = self.stdio(target.port, question)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, question[::-1])
        self.assertIn(f"{len(question)} bytes to pc-1, {len(question)} bytes from it",
                      done.stderr.decode())
        tunnel = self.wait_for_end("both sides have closed")
        self.assertEqual((tunnel["to_device"], tunnel["from_device"]),
                         (len(question), len(question)))

    def test_many_connections_at_once_through_a_local_port(self):
        target = self.target(echo)
        self.run_agent("127.0.0.1:*", limit=32)
        process, port = self.forward(target.port)
        connections = [self.connect(port) for _ in range(20)]
        # One that nobody reads holds up none of the others.
        stalled = self.connect(port)
        stalled.setblocking(False)
        try:
            while stalled.send(bytes(65536)):
                pass
        except BlockingIOError:
            pass
        for number, connection in enumerate(connections):
            connection.sendall(f"this is {number}".encode())
        for number, connection in enumerate(connections):
            self.assertEqual(connection.recv(100), f"this is {number}".encode())
        listed = self.site.succeed("tunnel", "list", "-o", "json").json()
        self.assertEqual({row["state"] for row in listed}, {"open"})
        self.assertEqual(len(listed), 21)
        self.assertEqual(self.site.metric("kscpush_tunnels_open"), 21)
        for connection in connections:
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(connection.recv(100), b"")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(DEADLINE), 0)
        self.assertIn("21 connections, ", process.stderr.read())
        wait_until(lambda: self.site.metric("kscpush_tunnels_open") == 0, "all tunnels to end")
        self.assertEqual(self.site.metric("kscpush_tunnels_opened_total"), 21)

    def test_a_thousand_tunnels_at_once(self):
        target = self.target(echo)
        self.run_agent("127.0.0.1:*", limit=1000)
        _, port = self.forward(target.port)
        begun = time.monotonic()
        connections = [self.connect(port) for _ in range(1000)]
        for connection in connections:
            connection.sendall(b"here")
        for connection in connections:
            connection.settimeout(4 * DEADLINE)
            self.assertEqual(connection.recv(4), b"here")
        self.assertLess(time.monotonic() - begun, 4 * DEADLINE)
        self.assertEqual(self.site.metric("kscpush_tunnels_open"), 1000)
        self.site.succeed("ping", "pc-1")  # beside all of them
        extra = self.connect(port)  # one more than the agent takes
        self.assertEqual(self.end_of(extra), b"")

    def end_of(self, connection):
        """What comes until it is closed, or reset."""
        try:
            return read_all(connection)
        except ConnectionError:
            return b""


class Refusals(TunnelTest):
    def assert_refused(self, done, code, *fragments):
        self.assertEqual(done.returncode, code, done.stderr)
        for fragment in fragments:
            self.assertIn(fragment, done.stderr.decode())
        self.assertEqual(done.stdout, b"")

    def test_a_host_that_the_device_does_not_allow(self):
        self.run_agent("127.0.0.1:22", "*:443")
        done = self.stdio(23)
        self.assert_refused(done, 9, "it allows no tunnel to 127.0.0.1:23",
                            'tunnels: {allow: ["127.0.0.1:23"]}')
        self.assertIn("it allows no tunnel", self.wait_for_end("it allows no")["reason"])
        self.assertEqual(self.site.metric("kscpush_tunnels_failed_total"), 1)

    def test_nothing_is_allowed_where_nothing_is_said(self):
        self.run_agent()
        self.assert_refused(self.stdio(22), 9, "it allows no tunnel to 127.0.0.1:22")

    def test_a_target_that_refuses(self):
        self.run_agent("127.0.0.1:*")
        port = free_port()
        self.assert_refused(self.stdio(port), 8,
                            f"cannot connect to 127.0.0.1:{port}: Connection refused")

    def test_a_device_that_is_away_or_unknown(self):
        self.assert_refused(self.stdio(22), 5, "device 'pc-1' is not connected")
        done = self.site.kscpush("tunnel", "pc-9", "127.0.0.1:22", "--stdio")
        self.assertEqual(done.code, 7, done)

    def test_words_that_make_no_sense(self):
        for words in [], ["pc-1"], ["pc-1", "127.0.0.1"], ["pc-1", "::1"], ["pc-1", "a:0"], \
                ["pc-1", "a:22", "--stdio", "--local", "9"]:
            with self.subTest(words=words):
                self.assertEqual(self.site.kscpush("tunnel", *words).code, 2)

    def test_one_more_than_the_agent_takes(self):
        target = self.target(echo)
        self.run_agent("127.0.0.1:*", limit=1)
        _, port = self.forward(target.port)
        first = self.connect(port)
        first.sendall(b"first")
        self.assertEqual(first.recv(5), b"first")
        self.assert_refused(self.stdio(target.port), 1, "it has 1 tunnels already")

    def test_the_api_refuses_what_makes_no_sense(self):
        for body in {}, {"host": "", "port": 1}, {"host": "a b", "port": 1}, {"host": "a"}, \
                {"host": "a", "port": 0}, {"host": "a", "port": 65536}, \
                {"host": "a", "port": 1, "idle_s": 0}, \
                {"host": "a", "port": 1, "lifetime_s": 86401}, \
                {"host": "a", "port": 1, "max_bytes": -1}, {"host": "a", "port": 1, "x": 1}:
            with self.subTest(body=body):
                status, error = self.site.request("POST", "/v1/devices/pc-1/tunnels", body)
                self.assertEqual(status, 400, error)
        self.assertEqual(self.site.request("GET", "/v1/tunnels?ended=perhaps")[0], 400)
        unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
        self.assertEqual(self.site.request("GET", f"/v1/tunnels/{unknown}")[0], 404)
        self.assertEqual(self.site.kscpush("tunnel", "close", unknown).code, 7)


class Ends(TunnelTest):
    def open_one(self, *options, serve=echo, idle=600):
        target = self.target(serve)
        agent = self.run_agent("127.0.0.1:*", idle=idle)
        process, port = self.forward(target.port, *options)
        connection = self.connect(port)
        connection.sendall(b"hello")
        self.assertEqual(connection.recv(5), b"hello")
        return agent, process, connection

    def assert_cut(self, connection):
        with self.assertRaises(ConnectionError):
            while connection.recv(65536):
                pass
            raise AssertionError("an end in good order")

    def test_silence_ends_it(self):
        _, process, connection = self.open_one("--idle", "2")
        self.assert_cut(connection)
        self.wait_for_end("no byte has passed for its idle time")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=DEADLINE)
        self.assertIn("no byte has passed for its idle time", err)

    def test_its_lifetime_ends_it_however_busy(self):
        _, _, connection = self.open_one("--lifetime", "3")
        with self.assertRaises(ConnectionError):
            while True:
                connection.sendall(b"more")
                connection.recv(100)
        self.wait_for_end("its lifetime is over")

    def test_its_bytes_end_it(self):
        _, _, connection = self.open_one("--max-bytes", "1000")
        with self.assertRaises(ConnectionError):
            connection.sendall(bytes(2000))
            while connection.recv(100):
                pass
            raise AssertionError("an end in good order")
        tunnel = self.wait_for_end("it has carried its 1000 bytes")
        self.assertLessEqual(tunnel["to_device"] + tunnel["from_device"], 1000)

    def test_close_ends_it(self):
        _, process, connection = self.open_one()
        tunnel = self.site.request("GET", "/v1/tunnels")[1]["tunnels"][0]
        self.assertEqual((tunnel["state"], tunnel["to_device"], tunnel["from_device"]),
                         ("open", 5, 5))
        self.assertEqual(tunnel["ended"], None)
        closed = self.site.succeed("tunnel", "close", tunnel["id"], "-o", "json").json()
        self.assertEqual(closed["reason"], "closed by admin")
        self.assert_cut(connection)
        self.assertEqual(self.site.succeed("tunnel", "list", "-o", "name").out, "")
        self.assertEqual(self.site.succeed("tunnel", "list", "--all", "-o", "name").out.strip(),
                         tunnel["id"])
        self.assertEqual(process.poll(), None)  # the port goes on

    def test_an_agent_that_is_killed(self):
        agent, _, connection = self.open_one()
        agent.kill()
        self.assert_cut(connection)
        self.wait_for_end("the device's side was lost")

    def test_a_command_that_is_killed(self):
        _, process, _ = self.open_one()
        process.kill()
        self.wait_for_end("the operator's side was lost")

    def test_a_target_that_is_reset(self):
        def cut(connection):
            connection.sendall(connection.recv(5))
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        _, _, connection = self.open_one(serve=cut)
        connection.sendall(b"!")
        self.assert_cut(connection)
        self.wait_for_end("the device's side was lost")

    def test_a_server_that_is_killed_leaves_an_audit(self):
        _, _, connection = self.open_one()
        self.server.kill()
        self.assert_cut(connection)
        self.serve(self.site)
        self.wait_for_end("the push server ended without a word")

    def test_a_device_that_is_revoked(self):
        _, _, connection = self.open_one()
        self.site.succeed("device", "revoke", "pc-1")
        self.assert_cut(connection)
        self.wait_for_end("the device was revoked")

    def test_the_agent_says_how_many_there_are(self):
        self.open_one()
        state = self.files / "state"
        done = self.site.kscpush("agent", "status", "--config-file", self.files / "agent.yaml",
                                 "-o", "json")
        self.assertTrue(state.exists())
        self.assertEqual(done.code, 0, done)
        self.assertEqual(done.json()["tunnels"]["open"], 1)


if __name__ == "__main__":
    unittest.main()
