"""The admin API under clients that are many, or slow."""

import json
import resource
import selectors
import socket
import time
import unittest

from harness import AcceptanceTest, ServedTest
from processes import DEADLINE, wait_until

WAITS = 10_000


class ManyWaits(AcceptanceTest):
    def test_10_000_requests_wait_for_a_push_and_one_more_is_told_so(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < WAITS + 1000:
            self.skipTest(f"{hard} descriptors are too few")
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, WAITS + 1000), hard))
        site = self.new_site()
        site.prepare_to_serve()
        site.add_device("pc-1")
        server = self.serve(site)
        push = site.push("pc-1")
        path = f"/v1/pushes/{push['id']}"
        request = (f"GET {path}?wait=acked&timeout=60 HTTP/1.1\r\nHost: h\r\n"
                   f"Authorization: Bearer {site.token}\r\nConnection: close\r\n\r\n").encode()
        clients = []
        self.addCleanup(lambda: [client.close() for client in clients])
        threads = len(list((self.proc(server) / "task").iterdir()))
        for _ in range(WAITS):
            client = socket.create_connection(("127.0.0.1", site.admin_port), timeout=DEADLINE)
            client.sendall(request)
            clients.append(client)
        wait_until(lambda: site.metric("kscpush_push_waits") == WAITS, "all of them to wait")
        self.assertEqual(len(list((self.proc(server) / "task").iterdir())), threads)
        status, error = site.request("GET", f"{path}?wait=acked&timeout=60")
        self.assertEqual((status, error["code"]), (429, "overloaded"))
        self.assertEqual(site.request("GET", path)[1]["state"], "stored")
        begun = time.monotonic()
        self.assertEqual(site.request("DELETE", path)[0], 200)
        self.assertEqual(self.answered(clients), WAITS)
        print(f"{WAITS} waiting requests answered in {time.monotonic() - begun:.2f} s")
        self.assertEqual(site.metric("kscpush_push_waits"), 0)

    def proc(self, server):
        return self.folder.parent.joinpath("/proc", str(server.process.pid))

    def answered(self, clients):
        """How many of them were answered with the cancelled push."""
        good = 0
        with selectors.DefaultSelector() as selector:
            texts = {client: b"" for client in clients}
            for client in clients:
                client.setblocking(False)
                selector.register(client, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(DEADLINE)
                self.assertTrue(ready, f"{len(selector.get_map())} were not answered")
                for key, _ in ready:
                    piece = key.fileobj.recv(65536)
                    texts[key.fileobj] += piece
                    if not piece:
                        selector.unregister(key.fileobj)
                        body = texts[key.fileobj].partition(b"\r\n\r\n")[2]
                        good += json.loads(body)["state"] == "cancelled"
        return good


class Rate(ServedTest):
    @classmethod
    def prepare(cls, site):
        site.prepare_to_serve()
        site.replace("admin: {", "admin: {requests_per_second: 20, ")

    def test_beyond_the_rate_it_is_429_with_retry_after_and_health_goes_on(self):
        statuses = [self.site.request("GET", "/v1/server")[0] for _ in range(200)]
        self.assertEqual(set(statuses), {200, 429})
        self.assertEqual(self.site.request("GET", "/healthz")[0], 200)
        self.assertEqual(self.site.metric("kscpush_api_rate_limited_total"), statuses.count(429))


if __name__ == "__main__":
    unittest.main()
