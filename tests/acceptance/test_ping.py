"""kscpush ping when there is nothing to be glad about: each outcome has its own exit code, its own
words and its own hint, and prints nothing on stdout."""

import contextlib
import http.server
import signal
import threading
import unittest

from harness import AcceptanceTest, ServedTest
from mqtt import PUBLISH, connect_device, inbox


class Silent(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def http_server(port):
    """Some other program: a web server that knows no POST."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Silent) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class PingOutcomes(ServedTest):
    def test_a_device_that_is_not_connected_is_exit_5(self):
        self.site.add_device("pc-off")
        done = self.site.kscpush("ping", "pc-off")
        self.assert_error(done, 5, "device 'pc-off' is not connected")
        self.assert_hint(done, "kscpush device list")

    def test_a_device_that_there_is_not_is_exit_7(self):
        done = self.site.kscpush("ping", "pc-none")
        self.assert_error(done, 7, "no device 'pc-none'")
        self.assert_hint(done, "kscpush device list")

    def test_a_device_that_does_not_answer_is_exit_6(self):
        credentials = self.site.add_device("pc-mute")
        with connect_device(self.site, "pc-mute", credentials) as client:
            done = self.site.kscpush("ping", "pc-mute", "--timeout", "0.5")
            self.assert_error(done, 6, "device 'pc-mute' is connected but did not answer in time")
            self.assert_hint(done, "--timeout")
            self.assertEqual(client.expect(PUBLISH).json()["kind"], "ping")

    def test_ids_come_from_a_file(self):
        (self.site.folder / "ids").write_text("# two\npc-2  # old\n\npc-1\n")
        done = self.site.kscpush("ping", "--from", "ids", "-o", "json")
        self.assertEqual(done.code, 4, done)
        self.assertEqual([row["device"] for row in done.json()], ["pc-1", "pc-2"])
        (self.site.folder / "ids").write_text("pc-1\npc 2\n")
        self.assert_error(self.site.kscpush("ping", "--from", "ids"), 2, "ids:2: ")
        self.assert_hint(self.site.kscpush("ping"), "--group")

    def test_a_device_that_has_not_subscribed_is_exit_5(self):
        credentials = self.site.add_device("pc-deaf")
        with connect_device(self.site, "pc-deaf", credentials, subscribed=False):
            done = self.site.kscpush("ping", "pc-deaf")
            self.assert_error(done, 5, "has not subscribed")
            self.assert_hint(done, inbox("pc-deaf"))

    def test_a_device_that_subscribed_at_qos_0_is_exit_6(self):
        credentials = self.site.add_device("pc-qos0")
        with connect_device(self.site, "pc-qos0", credentials, subscribed=False) as client:
            self.assertEqual(client.subscribe(inbox("pc-qos0"), qos=0).codes, (0,))
            done = self.site.kscpush("ping", "pc-qos0")
            self.assert_error(done, 6, "QoS 0")
            self.assert_hint(done, "QoS 1")

    def test_a_device_whose_connection_ends_meanwhile_is_exit_5(self):
        credentials = self.site.add_device("pc-gone")
        with connect_device(self.site, "pc-gone", credentials) as client:
            ping = self.start(self.site, "ping", "pc-gone", "--timeout", "30")
            client.expect(PUBLISH)
            client.close()
        self.assert_error(ping.outcome(), 5, "the connection of 'pc-gone' ended")

    def test_of_several_pings_some_failed_is_exit_4(self):
        credentials = self.site.add_device("pc-some")
        with connect_device(self.site, "pc-some", credentials) as client:
            ping = self.start(self.site, "ping", "pc-some", "-c", "2", "-i", "0",
                              "--timeout", "0.5")
            client.push()
            client.expect(PUBLISH)  # and is not acknowledged
            done = ping.outcome()
        self.assertEqual(done.code, 4, done)
        self.assertIn("2 sent, 1 answered", done.out)
        self.assertIn("error: 1 of 2 pings failed", done.err)

    def test_ctrl_c_ends_it_at_once_with_a_summary_and_exit_130(self):
        credentials = self.site.add_device("pc-cut")
        with connect_device(self.site, "pc-cut", credentials) as client:
            ping = self.start(self.site, "ping", "pc-cut", "-c", "9", "-i", "0", "--timeout", "60")
            client.push()
            client.expect(PUBLISH)  # and is not acknowledged
            ping.process.send_signal(signal.SIGINT)
            done = ping.outcome()
        self.assertEqual(done.code, 130, done)
        self.assertIn("1 sent, 1 answered; PUBACK", done.out)
        self.assertEqual(done.err, "error: interrupted after 1 of 9 pings\n")

    def test_as_json_or_name_an_answer_each(self):
        credentials = self.site.add_device("pc-each")
        with connect_device(self.site, "pc-each", credentials) as client:
            for form, count in (("json", 1), ("json", 2), ("name", 2)):
                ping = self.start(self.site, "ping", "pc-each", "-c", str(count), "-i", "0",
                                  "-o", form)
                for _ in range(count):
                    client.push()
                done = ping.outcome()
                self.assertEqual(done.code, 0, done)
                if form == "name":
                    self.assertEqual(done.out, "pc-each\npc-each\n")
                else:
                    listed = done.json() if count > 1 else [done.json()]
                    self.assertEqual([one["device"] for one in listed], ["pc-each"] * count)

    def test_what_is_no_device_id_is_exit_2(self):
        done = self.site.kscpush("ping", "not/an/id")
        self.assert_error(done, 2, "'not/an/id' is not a device id")


class NoServer(AcceptanceTest):
    def test_a_server_that_does_not_run_is_exit_8(self):
        site = self.new_site()
        site.prepare_to_serve()
        site.add_device("pc-1")
        done = site.kscpush("ping", "pc-1")
        self.assert_error(done, 8, f"127.0.0.1:{site.admin_port} cannot be reached")
        self.assert_hint(done, "kscpush serve")

    def test_an_admin_port_that_is_another_programs_is_exit_8(self):
        site = self.new_site()
        site.prepare_to_serve()
        with http_server(site.admin_port):
            done = site.kscpush("ping", "pc-1")
        self.assert_error(done, 8, "is not a kscpush admin API (HTTP 501)")
        self.assert_hint(done, "push_server.admin.listen")

    def test_a_token_that_cannot_be_read_is_exit_9(self):
        site = self.new_site()
        (site.folder / "pki" / "admin.token").unlink()
        done = site.kscpush("ping", "pc-1")
        self.assert_error(done, 9, "admin.token")

    def test_a_token_of_another_site_is_exit_9(self):
        site = self.new_site()
        site.prepare_to_serve()
        self.serve(site)
        (site.folder / "pki" / "admin.token").write_text("x" * 43 + "\n")
        done = site.kscpush("ping", "pc-1")
        self.assert_error(done, 9, "token")


if __name__ == "__main__":
    unittest.main()
