"""What all acceptance tests share: a site in a temporary folder, made with the real `kscpush init`,
and test cases that clean up after themselves however they end."""

import http.client
import json
import re
import sys
import tempfile
import unittest
from pathlib import Path
from typing import NamedTuple

from processes import DEADLINE, Running, Server, free_port, kscpush, wait_until


class Credentials(NamedTuple):
    """The three files of a device."""

    authority: Path
    certificate: Path
    key: Path


class Site:
    """A site in FOLDER. The ports are chosen when the site is, and written to its configuration by
    prepare_to_serve()."""

    def __init__(self, folder, *init_options):
        self.folder = Path(folder)
        self.port = free_port()
        self.admin_port = free_port()
        self.plain_port = free_port()
        done = kscpush("init", "--dir", self.folder, "--address", "localhost", *init_options,
                       folder=self.folder.parent)
        assert done.code == 0, done
        self.config = self.folder / "kscpush.yaml"

    def kscpush(self, *arguments, **options):
        return kscpush(*arguments, folder=self.folder, **options)

    def succeed(self, *arguments):
        done = self.kscpush(*arguments)
        assert done.code == 0, f"kscpush {' '.join(map(str, arguments))}: {done}"
        return done

    @property
    def text(self):
        return self.config.read_text()

    @text.setter
    def text(self, text):
        self.config.write_text(text)

    def replace(self, old, new):
        """An edit by hand: OLD stands in the file exactly once."""
        assert self.text.count(old) == 1, f"{old!r} in:\n{self.text}"
        self.text = self.text.replace(old, new)

    def add_to_push_server(self, lines):
        """LINES as below `push_server:`, without its indentation."""
        last = "      max_connections: 50000\n"
        self.replace(last, last + "".join(f"      {line}\n" for line in lines))

    def use_free_ports(self):
        self.replace("port: 13295", f"port: {self.port}")
        self.add_to_push_server(["listen: 127.0.0.1",
                                 f"admin: {{listen: 127.0.0.1:{self.admin_port}}}"])

    def prepare_to_serve(self, *lines, hold=True):
        """The push server on, on free ports, with further LINES below `push_server:`. HOLD: agents
        hold their connection, as the policy has the option on; else they come and go."""
        self.replace("enabled: false", "enabled: true")
        option = "use_distribution_point_to_force_connection: "
        if hold and option + "false" in self.text:
            self.replace(option + "false", option + "!locked true")
        self.use_free_ports()
        self.add_to_push_server(lines)

    def add_device(self, device):
        """Registers and enrolls it."""
        self.succeed("device", "add", device)
        return self.enroll(device)

    def enroll(self, device):
        out = self.folder / "devices" / device
        self.succeed("device", "enroll", device, "--out", out)
        return Credentials(out / "ca.crt", out / f"{device}.crt", out / f"{device}.key")

    @property
    def token(self):
        return (self.folder / "pki" / "admin.token").read_text().strip()

    def request(self, method, path, body=None, token=None):
        """(status, body), the body parsed if it is JSON. BODY: what json.dumps takes, or bytes."""
        headers = {}
        if token != "":
            headers["Authorization"] = f"Bearer {token or self.token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=DEADLINE)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode()
            is_json = response.getheader("Content-Type", "").startswith("application/json")
            return response.status, json.loads(text) if is_json else text
        finally:
            connection.close()

    def metric(self, name):
        """The value of a metric; NAME with its labels as in the text format."""
        text = self.request("GET", "/metrics")[1]
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        assert found, f"no metric {name} in:\n{text}"
        return float(found[1])

    def push(self, device, kind="sync", **fields):
        """Accepted, or the test has failed. The push as the API shows it."""
        status, push = self.request("POST", f"/v1/devices/{device}/pushes",
                                    {"kind": kind, **fields})
        assert status == 202, (status, push)
        return push

    def wait_for_push(self, push_id, state):
        """The push, once it has reached STATE."""
        def reached():
            push = self.request("GET", f"/v1/pushes/{push_id}")[1]
            return push if push["state"] == state else None
        return wait_until(reached, f"push {push_id} to be {state}")

    def connected(self, device):
        return self.request("GET", f"/v1/devices/{device}")[1]["connection"]


class AcceptanceTest(unittest.TestCase):
    """Cleans up after itself, and shows the logs of its daemons when it fails."""

    maxDiff = None
    daemons = ()

    def run(self, result=None):
        def failed():
            return len(result.failures) + len(result.errors) if result else 0
        before = failed()
        with tempfile.TemporaryDirectory(prefix="kscpush-test-") as folder:
            self.folder = Path(folder)
            outcome = super().run(result)
            if failed() > before:
                for daemon in self.daemons:
                    print(f"--- {daemon.log_path}:\n{daemon.log()}", file=sys.stderr)
        return outcome

    def new_site(self, *init_options):
        return Site(self.folder / "site", *init_options)

    def serve(self, site, *options):
        return self.watch(Server(site, *options))

    def watch(self, daemon):
        """Ends it with the test, and shows its log when the test fails."""
        self.addCleanup(daemon.kill)
        self.daemons = (*self.daemons, daemon)
        return daemon

    def start(self, site, *arguments):
        running = Running(*arguments, folder=site.folder)
        self.addCleanup(running.kill)
        return running

    def assert_error(self, done, code, *fragments):
        """The command failed with CODE and printed on stderr only, the FRAGMENTS among it."""
        self.assertEqual(done.code, code, done)
        self.assertEqual(done.out, "", done)
        self.assertTrue(done.err.startswith("error: "), done.err)
        for fragment in fragments:
            self.assertIn(fragment, done.err)

    def assert_hint(self, done, *fragments):
        hints = [line for line in done.err.splitlines() if line.startswith("hint: ")]
        for fragment in fragments:
            self.assertTrue(any(fragment in hint for hint in hints), f"{fragment!r} in {hints}")


class ServedTest(AcceptanceTest):
    """Tests that share one running server; each makes devices of its own."""

    @classmethod
    def prepare(cls, site):
        site.prepare_to_serve()

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="kscpush-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.site = Site(Path(folder.name) / "site")
        cls.prepare(cls.site)
        cls.server = Server(cls.site)
        cls.addClassCleanup(cls.server.kill)
        cls.daemons = (cls.server,)
