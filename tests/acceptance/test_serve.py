"""kscpush serve: refuses to start with the reason and what mends it; stops cleanly."""

import os
import signal
import socket
import subprocess
import time
import unittest

from clients import MosquittoSub
from harness import AcceptanceTest
from mqtt import DISCONNECT, V311, connect_device
from processes import (DEADLINE, KSCPUSH, environment, free_port, openssl,
                       wait_until)


class RefusesToStart(AcceptanceTest):
    def setUp(self):
        super().setUp()
        self.site = self.new_site()

    def refused(self, code, *fragments, hint=()):
        # What it logged before it gave up may stand before the error.
        done = self.site.kscpush("serve", "--log-level", "off")
        self.assert_error(done, code, *fragments)
        self.assert_hint(done, *hint)
        return done

    def listener(self, port):
        """Another program on the port."""
        taken = socket.socket()
        self.addCleanup(taken.close)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()

    def test_when_the_push_server_is_off(self):
        self.refused(3, "push server of distribution point 'dp-1' is off",
                     hint=["kscpush dp enable dp-1 --port 13295"])

    def test_when_its_port_is_taken(self):
        self.site.prepare_to_serve()
        self.listener(self.site.port)
        self.refused(1, f"cannot listen on 127.0.0.1:{self.site.port}", "in use",
                     hint=[f"sport = :{self.site.port}", "--port"])

    def test_when_the_admin_port_is_taken(self):
        self.site.prepare_to_serve()
        self.listener(self.site.admin_port)
        self.refused(1, f"the admin API cannot listen on 127.0.0.1:{self.site.admin_port}",
                     hint=["push_server.admin.listen"])

    def test_when_the_plain_port_is_taken(self):
        self.site.prepare_to_serve(f"plain_listener: 127.0.0.1:{self.site.plain_port}")
        self.listener(self.site.plain_port)
        self.refused(1, f"cannot listen on 127.0.0.1:{self.site.plain_port}")

    def test_when_another_server_has_one_of_the_ports(self):
        # SO_REUSEPORT, which the shards need, would let two servers share a port without a word.
        self.site.prepare_to_serve(f"plain_listener: 127.0.0.1:{self.site.plain_port}")
        self.serve(self.site)
        self.site.replace(" enabled: true", " enabled: true\n      state_directory: state/second")
        self.refused(1, f"cannot listen on 127.0.0.1:{self.site.port}")
        self.site.replace(f"port: {self.site.port}\n", f"port: {free_port()}\n")
        self.refused(1, f"cannot listen on 127.0.0.1:{self.site.plain_port}",
                     hint=["push_server.plain_listener"])

    def test_when_another_server_has_the_state_directory(self):
        self.site.prepare_to_serve()
        server = self.serve(self.site)
        self.refused(1, "state/dp-1 is in use by process", str(server.process.pid))

    def test_when_the_certificate_does_not_fit_its_key(self):
        self.site.prepare_to_serve()
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "pki/dp-1.key",
                folder=self.site.folder)
        self.refused(3, "pki/dp-1.key is not the key of the certificate", "pki/dp-1.crt",
                     hint=["push_server.tls.certificate and push_server.tls.key"])

    def test_when_the_certificate_has_expired(self):
        self.site.prepare_to_serve()
        make_certificate(self.site, "20200101000000Z", "20210101000000Z")
        self.refused(3, "pki/dp-1.crt has expired", hint=["push_server.tls.certificate"])

    def test_when_the_certificate_is_not_valid_yet(self):
        self.site.prepare_to_serve()
        make_certificate(self.site, "20900101000000Z", "20910101000000Z")
        self.refused(3, "pki/dp-1.crt is not valid yet", hint=["clock"])

    def test_when_the_certificate_is_missing(self):
        self.site.prepare_to_serve()
        (self.site.folder / "pki" / "dp-1.crt").unlink()
        self.refused(3, "pki/dp-1.crt", "No such file", hint=["push_server.tls.certificate"])

    def test_when_the_key_is_missing(self):
        self.site.prepare_to_serve()
        (self.site.folder / "pki" / "dp-1.key").unlink()
        self.refused(3, "pki/dp-1.key", "No such file", hint=["push_server.tls.key"])

    def test_when_the_key_is_encrypted_and_asks_nobody_for_a_password(self):
        self.site.prepare_to_serve()
        openssl("ec", "-in", "pki/dp-1.key", "-aes128", "-passout", "pass:secret", "-out",
                "pki/dp-1.key", folder=self.site.folder)
        self.refused(3, "pki/dp-1.key is encrypted", hint=["openssl pkey"])

    def test_when_the_certificate_is_no_certificate(self):
        self.site.prepare_to_serve()
        (self.site.folder / "pki" / "dp-1.crt").write_text("hello\n")
        self.refused(3, "pki/dp-1.crt", hint=["push_server.tls.certificate"])

    def test_when_the_authority_of_the_devices_is_missing(self):
        self.site.prepare_to_serve()
        (self.site.folder / "pki" / "ca.crt").unlink()
        self.refused(3, "pki/ca.crt", hint=["push_server.tls.client_ca"])

    def test_when_the_admin_token_is_missing(self):
        self.site.prepare_to_serve()
        (self.site.folder / "pki" / "admin.token").unlink()
        self.refused(3, "pki/admin.token")

    def test_when_the_admin_token_is_readable_by_others(self):
        self.site.prepare_to_serve()
        (self.site.folder / "pki" / "admin.token").chmod(0o644)
        self.refused(3, "pki/admin.token", hint=["chmod 600"])

    def test_when_the_configuration_is_invalid_and_every_error_has_its_place(self):
        self.site.prepare_to_serve("max_conections: 7")
        self.site.replace("status: active", "status: activ")
        self.site.replace("version: 1", "version: 2")
        done = self.refused(3)
        lines = [line for line in done.err.splitlines() if line.startswith("error: ")]
        self.assertEqual(len(lines), 3, done.err)
        for line, (at, fragment) in zip(lines, [
                ("version: 2", "version must be"), ("max_conections", "'max_connections'"),
                ("activ ", "status must be active, inactive or out_of_office")]):
            number, column = position(self.site.text, at)
            if at.startswith("version"):
                column += len("version: ")
            self.assertIn(f"error: kscpush.yaml:{number}:{column}: ", line)
            self.assertIn(fragment, line)

    def test_when_there_is_no_such_distribution_point(self):
        done = self.site.kscpush("serve", "--dp", "dp-2")
        self.assert_error(done, 7, "no distribution point 'dp-2'; did you mean 'dp-1'?")

    def test_when_there_is_no_configuration(self):
        empty = self.folder / "empty"
        empty.mkdir()
        self.site.folder = empty
        self.refused(7, "no site configuration", hint=["kscpush init"])


class StopsCleanly(AcceptanceTest):
    def stops(self, with_signal):
        site = self.new_site()
        site.prepare_to_serve()
        devices = {name: site.add_device(name) for name in ("pc-5", "pc-311", "pc-sub")}
        server = self.serve(site)
        with connect_device(site, "pc-5", devices["pc-5"]) as v5, \
                connect_device(site, "pc-311", devices["pc-311"], V311) as v311, \
                MosquittoSub(site, "pc-sub", devices["pc-sub"]):
            begin = time.monotonic()
            self.assertEqual(server.stop(with_signal), 0, server.log())
            self.assertLess(time.monotonic() - begin, 5)
            self.assertEqual(v5.expect(DISCONNECT).code, 0x8B)  # server shutting down
            v5.expect_closed()
            v311.expect_closed()
        self.assertIn("stopping: 3 devices connected", server.log())
        self.assertTrue(server.log().rstrip().endswith("stopped"))

    def test_on_sigterm_with_clients_connected(self):
        self.stops(signal.SIGTERM)

    def test_on_sigint_with_clients_connected(self):
        self.stops(signal.SIGINT)

    def test_with_connections_that_never_said_a_word(self):
        site = self.new_site()
        site.prepare_to_serve()
        server = self.serve(site)
        sockets = [socket.create_connection(("127.0.0.1", site.port), DEADLINE) for _ in range(5)]
        for silent in sockets:
            self.addCleanup(silent.close)
        wait_until(lambda: site.metric("kscpush_handshakes") == 5, "the connections")
        begin = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - begin, 5)

    def test_and_starts_again_with_what_it_knew(self):
        site = self.new_site()
        site.prepare_to_serve()
        credentials = site.add_device("pc-1")
        server = self.serve(site)
        with MosquittoSub(site, "pc-1", credentials):
            site.succeed("ping", "pc-1")
        self.assertEqual(server.stop(), 0)
        self.serve(site)
        with MosquittoSub(site, "pc-1", credentials):
            site.succeed("ping", "pc-1")

    def test_and_starts_and_reloads_when_a_change_of_its_certificate_was_cut(self):
        site = self.new_site()
        site.prepare_to_serve()
        key = site.folder / "pki" / "dp-1.key"
        right = key.read_bytes()

        def cut():
            """The new certificate is in place, its key beside the old one."""
            (site.folder / "pki" / "dp-1.key.new").write_bytes(right)
            openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key,
                    folder=site.folder)
        cut()
        server = self.serve(site)
        self.assertEqual(key.read_bytes(), right)
        cut()
        server.process.send_signal(signal.SIGHUP)
        server.wait_to_log("(reload)")
        self.assertEqual(key.read_bytes(), right)


class Logs(AcceptanceTest):
    def test_serve_says_where_it_listens_and_that_the_policy_half_is_missing(self):
        site = self.new_site()
        site.prepare_to_serve(hold=False)
        server = self.serve(site)
        self.assertIn(f"push server of 'dp-1' on 127.0.0.1:{site.port}", server.log())
        self.assertIn(f"admin API on 127.0.0.1:{site.admin_port}", server.log())
        self.assertIn("The other half is missing", server.log())
        self.assertIn("kscpush policy set force-via-dp", server.log())


def position(text, fragment):
    """(line, column) of its only place, both from 1."""
    assert text.count(fragment) == 1, fragment
    before = text[:text.index(fragment)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def make_certificate(site, not_before, not_after):
    """A server certificate of the site's authority with these dates, in place of its own."""
    folder = site.folder / "pki"
    (folder / "ca.conf").write_text(
        "[ca]\ndefault_ca = site\n[site]\nnew_certs_dir = .\ndatabase = index\nrand_serial = yes\n"
        "certificate = ca.crt\nprivate_key = ca.key\ndefault_md = sha256\npolicy = any\n"
        "[any]\ncommonName = supplied\n")
    (folder / "index").write_text("")
    openssl("req", "-new", "-key", "dp-1.key", "-subj", "/CN=dp-1", "-out", "dp-1.csr",
            folder=folder)
    openssl("ca", "-batch", "-config", "ca.conf", "-startdate", not_before, "-enddate", not_after,
            "-in", "dp-1.csr", "-out", "dp-1.crt", "-notext", folder=folder)



class Drains(AcceptanceTest):
    def setUp(self):
        super().setUp()
        self.site = self.new_site()
        self.site.prepare_to_serve()
        self.serve(self.site)

    def test_drain_sends_devices_away_lets_nobody_in_and_can_be_taken_back(self):
        credentials = self.site.add_device("pc-1")
        with MosquittoSub(self.site, "pc-1", credentials):
            done = self.site.succeed("dp", "drain", "--within", "1")
            self.assertEqual(done.out, "The push server of 'dp-1' lets nobody in and sends 1 device "
                                       "elsewhere within 1 s.\n")
            wait_until(lambda: self.site.request("GET", "/v1/server")[1]["connected"] == 0,
                       "the device to be gone")
        self.assertEqual(self.site.request("GET", "/readyz"), (503, "draining\n"))
        self.assertEqual(self.site.metric("kscpush_draining"), 1)
        with self.assertRaises(AssertionError):
            connect_device(self.site, "pc-1", credentials)
        self.site.succeed("dp", "drain", "--cancel")
        self.assertEqual(self.site.request("GET", "/readyz")[0], 200)
        with connect_device(self.site, "pc-1", credentials):
            pass

    def test_drain_waits_for_the_last_device(self):
        done = self.site.succeed("dp", "drain", "--within", "1", "--wait")
        self.assertTrue(done.out.endswith("No device is connected any more.\n"), done)
        told = self.site.succeed("dp", "drain", "--within", "1", "--wait", "-o", "json").json()
        self.assertEqual((told["name"], told["draining"], told["connected"]), ("dp-1", True, 0))



class WithSystemd(AcceptanceTest):
    """What systemd does, done by the test: a notify socket and a socket that is passed."""

    def setUp(self):
        super().setUp()
        self.site = self.new_site()
        self.site.prepare_to_serve()

    def start_service(self, **options):
        """`kscpush serve` with the environment that `sh` gives it: LISTEN_PID must be its own."""
        log = open(self.site.folder / "serve.log", "a", encoding="utf-8")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            ["sh", "-c", 'LISTEN_PID=$$ exec "$0" serve', KSCPUSH], cwd=self.site.folder,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
        self.addCleanup(lambda: (process.kill(), process.wait()))
        return process

    def test_it_notifies_of_readiness_reload_and_stop(self):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notify.close)
        notify.settimeout(DEADLINE)
        path = str(self.folder / "notify")
        notify.bind(path)
        process = self.start_service(env=environment(NOTIFY_SOCKET=path))
        told = notify.recv(4096).decode()
        self.assertTrue(told.startswith("READY=1\nSTATUS=push server of 'dp-1' on"), told)
        process.send_signal(signal.SIGHUP)
        self.assertEqual(notify.recv(4096).decode(), "RELOADING=1")
        self.assertTrue(notify.recv(4096).decode().startswith("READY=1"))
        process.terminate()
        self.assertEqual(notify.recv(4096).decode(), "STOPPING=1")
        self.assertEqual(process.wait(DEADLINE), 0)

    def test_it_serves_on_a_socket_that_is_passed(self):
        passed = socket.socket()
        self.addCleanup(passed.close)
        passed.bind(("127.0.0.1", self.site.port))
        passed.listen()

        def third_descriptor():
            os.dup2(passed.fileno(), 3)
            os.set_inheritable(3, True)  # dup2 does nothing when it is 3 already
        credentials = self.site.add_device("pc-1")
        # pylint: disable=subprocess-popen-preexec-fn
        self.start_service(env=environment(LISTEN_FDS="1"), close_fds=False,
                           preexec_fn=third_descriptor)
        with MosquittoSub(self.site, "pc-1", credentials):  # waits in the backlog at first
            self.assertIsNotNone(self.site.connected("pc-1"))
        # Switched off and on again: it is still the one that was passed.
        for edit in ("disable", "enable"):
            self.site.succeed("dp", edit)
            self.site.succeed("apply")
        with MosquittoSub(self.site, "pc-1", credentials):
            self.assertIsNotNone(self.site.connected("pc-1"))


if __name__ == "__main__":
    unittest.main()
