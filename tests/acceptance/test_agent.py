"""kscpush agent against kscpush serve: it answers, it comes back, it says what is wrong."""

import signal
import unittest

from harness import AcceptanceTest
from processes import Agent, free_port, openssl, wait_until


class AgentTest(AcceptanceTest):
    def setUp(self):
        self.site = self.new_site()
        self.site.prepare_to_serve()
        self.files = self.site.add_device("pc-1").key.parent
        self.address = f"localhost:{self.site.port}"

    def run_agent(self, *servers, device="pc-1"):
        return self.watch(Agent(device, self.files, servers or [self.address]))

    def wait_for_connection(self):
        wait_until(lambda: (self.site.connected("pc-1") or {}).get("subscribed"),
                   "the agent to be connected")


class Agents(AgentTest):
    def test_ping_shows_the_round_trip_of_the_agent(self):
        self.serve(self.site)
        self.run_agent()
        self.wait_for_connection()
        done = self.site.succeed("ping", "pc-1")
        self.assertRegex(done.out, r"(?m)^seq 1: PUBACK \d+\.\d\d ms, agent \S+ answered in "
                                   r"\d+\.\d\d ms$")
        probe = self.site.succeed("ping", "pc-1", "-o", "json").json()
        self.assertGreaterEqual(probe["agent_ms"], 0)
        self.assertIn(probe["agent"], self.site.succeed("device", "list", "-o", "wide").out)

    def test_of_many_each_has_its_line_and_exit_4_says_that_some_did_not_answer(self):
        self.serve(self.site)
        self.site.add_device("pc-away")
        self.run_agent()
        self.wait_for_connection()
        done = self.site.kscpush("ping", "pc-1", "pc-away")
        self.assertEqual(done.code, 4, done)
        self.assertIn("1 of 2 devices did not answer", done.err)
        self.assertRegex(done.out, r"(?m)^pc-1 +\d+\.\d+ +\d+\.\d+")
        self.assertRegex(done.out, r"(?m)^pc-away .*is not connected$")
        self.assertRegex(done.out, r"(?m)^2 sent, 1 answered; PUBACK ")
        chosen = self.site.succeed("ping", "--select", "id == pc-1", "-o", "json").json()
        self.assertEqual([row["device"] for row in chosen], ["pc-1"])

    def test_it_waits_for_a_server_that_is_not_there_yet(self):
        agent = self.run_agent()
        agent.wait_to_log(f"cannot connect ({self.address})")
        agent.wait_to_log("next attempt in ")
        self.serve(self.site)
        self.wait_for_connection()
        self.site.succeed("ping", "pc-1")

    def test_it_comes_back_when_the_server_has_crashed(self):
        server = self.serve(self.site)
        self.run_agent()
        self.wait_for_connection()
        server.kill()
        self.serve(self.site)
        self.wait_for_connection()
        self.site.succeed("ping", "pc-1")

    def test_it_comes_back_when_the_server_was_stopped(self):
        server = self.serve(self.site)
        agent = self.run_agent()
        self.wait_for_connection()
        self.assertEqual(server.stop(), 0)
        agent.wait_to_log("server shutting down")
        self.serve(self.site)
        self.wait_for_connection()

    def test_it_tries_the_servers_in_their_order(self):
        self.serve(self.site)
        agent = self.run_agent(f"localhost:{free_port()}", self.address)
        self.wait_for_connection()
        agent.wait_to_log(f"connected to {self.address}")  # the server knows it earlier
        self.assertIn("cannot connect", agent.log())

    def test_it_says_goodbye_when_it_is_stopped(self):
        for with_signal in signal.SIGTERM, signal.SIGINT:
            with self.subTest(signal=with_signal):
                server = self.serve(self.site, "--log-level", "debug")
                agent = self.run_agent()
                self.wait_for_connection()
                self.assertEqual(agent.stop(with_signal), 0)
                wait_until(lambda: self.site.connected("pc-1") is None, "the server to notice")
                self.assertEqual(server.stop(), 0)
                self.assertIn("session ended: device_disconnected", server.log())


class AgentErrors(AgentTest):
    def test_a_certificate_that_is_missing_is_exit_3(self):
        done = self.site.kscpush("agent", "--server", self.address, "--id", "pc-2",
                                 "--files", self.files)
        self.assert_error(done, 3, "pc-2.crt")
        self.assert_hint(done, "kscpush device enroll")

    def test_a_server_that_is_none_is_exit_2(self):
        for server in "localhost:0", "localhost:70000", "localhost:abc", "", ":13295":
            with self.subTest(server=server):
                done = self.site.kscpush("agent", "--server", server, "--id", "pc-1",
                                         "--files", self.files)
                self.assert_error(done, 2)

    def test_a_refusal_by_the_server_is_logged_with_its_reason(self):
        self.serve(self.site)
        for name in "key", "crt":  # the certificate says pc-1
            (self.files / f"pc-1.{name}").rename(self.files / f"pc-2.{name}")
        agent = self.run_agent(device="pc-2")
        agent.wait_to_log("the client identifier must be the name in the certificate")
        agent.wait_to_log("next attempt in ")

    def test_a_server_of_another_authority_is_not_trusted(self):
        self.serve(self.site)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-days", "2", "-subj", "/CN=kscpush device CA of dp-1",
                "-keyout", "other.key", "-out", "ca.crt", folder=self.files)
        agent = self.run_agent()
        agent.wait_to_log(f"its certificate is of no authority in {self.files / 'ca.crt'} (")
        self.assertIn("put its site's pki/ca.crt there", agent.log())
        self.assertIsNone(self.site.connected("pc-1"))

    def test_a_server_under_another_name_is_not_trusted(self):
        self.site.replace("listen: 127.0.0.1\n", "listen: 127.0.0.2\n")
        self.serve(self.site)
        agent = self.run_agent(f"127.0.0.2:{self.site.port}")
        agent.wait_to_log("next attempt in ")
        self.assertNotIn("connected to", agent.log())
        self.assertIn("its certificate is for another name (", agent.log())


if __name__ == "__main__":
    unittest.main()
