"""The admin API as a script sees it: who may, what is answered, and what is refused."""

import unittest

from harness import AcceptanceTest, ServedTest
from mqtt import connect_device
from processes import wait_until


class AdminApi(ServedTest):
    def refused(self, status, code, method, path, body=None, **options):
        """The error that was answered."""
        got, error = self.site.request(method, path, body, **options)
        self.assertEqual((got, error["code"]), (status, code), error)
        self.assertTrue(error["message"])
        return error

    def test_health_readiness_and_metrics_need_no_token(self):
        self.assertEqual(self.site.request("GET", "/healthz", token=""), (200, "ok\n"))
        self.assertEqual(self.site.request("GET", "/readyz", token=""), (200, "ready\n"))
        status, text = self.site.request("GET", "/metrics", token="")
        self.assertEqual(status, 200)
        self.assertIn("# TYPE kscpush_devices_connected gauge\n", text)

    def test_everything_else_needs_a_token(self):
        for method, path in [("GET", "/v1/server"), ("GET", "/v1/devices"),
                             ("GET", "/v1/devices/pc-1"), ("POST", "/v1/devices"),
                             ("PATCH", "/v1/devices/pc-1"), ("DELETE", "/v1/devices/pc-1"),
                             ("GET", "/v1/groups"),
                             ("POST", "/v1/devices/pc-1/certificate"),
                             ("POST", "/v1/devices/pc-1/ping"),
                             ("POST", "/v1/devices/pc-1/pushes"),
                             ("GET", "/v1/pushes/01ARZ3NDEKTSV4RRFFQ69G5FAV")]:
            for token in "", "x" * 43:
                with self.subTest(method=method, path=path, token=token):
                    error = self.refused(401, "denied", method, path, token=token)
                    self.assertIn("Authorization: Bearer", error["hint"])

    def test_an_unknown_path_is_404(self):
        error = self.refused(404, "not_found", "GET", "/v1/nothing")
        self.assertIn("/v1/nothing", error["message"])

    def test_a_wrong_method_is_405(self):
        self.refused(405, "usage", "PUT", "/v1/devices")
        self.refused(405, "usage", "GET", "/v1/devices/pc-1/pushes")

    def test_invalid_json_is_400(self):
        self.site.succeed("device", "add", "pc-json")
        for body in b"{", b"[]", b'"text"', b"\xff\xfe", b'{"kind":"sync"} x':
            with self.subTest(body=body):
                self.refused(400, "usage", "POST", "/v1/devices/pc-json/pushes", body)

    def test_fields_of_the_wrong_type_are_400(self):
        self.site.succeed("device", "add", "pc-field")
        for body in [{"kind": 1}, {}, {"kind": "dance"}, {"kind": "sync", "ttl": "long"},
                     {"kind": "sync", "ttl": -1}, {"kind": "sync", "ttl": 10**9},
                     {"kind": "sync", "params": []}]:
            with self.subTest(body=body):
                self.refused(400, "usage", "POST", "/v1/devices/pc-field/pushes", body)
        self.refused(400, "usage", "POST", "/v1/devices/pc-field/ping", {"timeout_ms": 0})
        self.refused(400, "usage", "POST", "/v1/devices", {"id": "not an id"})
        self.refused(400, "usage", "GET", "/v1/devices?limit=many")

    def test_an_unknown_device_is_404(self):
        self.refused(404, "not_found", "GET", "/v1/devices/pc-9")
        self.refused(404, "not_found", "POST", "/v1/devices/pc-9/pushes", {"kind": "sync"})
        self.refused(404, "not_found", "POST", "/v1/devices/pc-9/ping")
        self.refused(404, "not_found", "POST", "/v1/devices/pc-9/certificate")

    def test_an_unknown_push_is_404_and_what_is_no_push_id_is_400(self):
        self.refused(404, "not_found", "GET", "/v1/pushes/01ARZ3NDEKTSV4RRFFQ69G5FAV")
        self.refused(400, "usage", "GET", "/v1/pushes/last")

    def test_a_body_beyond_the_limit_is_refused_and_the_next_request_works(self):
        for size in (1 << 20) + 1, 16 << 20:
            self.refused(413, "too_large", "POST", "/v1/devices", b" " * size)
        with self.assertRaises(OSError):  # beyond what is read at all
            self.site.request("POST", "/v1/devices", b" " * ((16 << 20) + 1))
        self.assertEqual(self.site.request("GET", "/healthz")[0], 200)

    def test_the_server_tells_what_it_is(self):
        status, server = self.site.request("GET", "/v1/server")
        self.assertEqual((status, server["name"], server["port"], server["max_connections"]),
                         (200, "dp-1", self.site.port, 50000))

    def test_devices_are_listed_in_pages(self):
        for i in range(5):
            self.site.request("POST", "/v1/devices", {"id": f"page-{i}"})
        ids, after = [], ""
        while after is not None:
            status, page = self.site.request("GET", f"/v1/devices?limit=2&after={after}")
            self.assertEqual(status, 200)
            self.assertLessEqual(len(page["devices"]), 2)
            ids += [device["id"] for device in page["devices"]]
            after = page["next"]
        self.assertEqual(ids, sorted(set(ids)))
        self.assertLessEqual({f"page-{i}" for i in range(5)}, set(ids))

    def test_metrics_count_connected_devices(self):
        credentials = self.site.add_device("pc-metric")
        before = self.site.metric("kscpush_devices_connected")
        accepted = self.site.metric("kscpush_connections_accepted_total")
        with connect_device(self.site, "pc-metric", credentials):
            self.assertEqual(self.site.metric("kscpush_devices_connected"), before + 1)
        wait_until(lambda: self.site.metric("kscpush_devices_connected") == before,
                   "the device to be away")
        self.assertEqual(self.site.metric("kscpush_connections_accepted_total"), accepted + 1)


class Roles(AcceptanceTest):
    def test_viewers_look_operators_push_and_only_admins_change_the_registry(self):
        site = self.new_site()
        site.prepare_to_serve()
        site.replace("admin: {", "admin: {viewer_token_file: pki/viewer.token, "
                                 "operator_token_file: pki/operator.token, ")
        tokens = {"viewer": "v" * 40, "operator": "o" * 40}
        for role, token in tokens.items():
            path = site.folder / "pki" / f"{role}.token"
            path.write_text(token + "\n")
            path.chmod(0o600)
        site.succeed("device", "add", "pc-1")
        self.serve(site)

        def status(role, method, path, body=None):
            return site.request(method, path, body, token=tokens[role])[0]

        push = {"kind": "sync"}
        self.assertEqual(status("viewer", "GET", "/v1/devices"), 200)
        self.assertEqual(status("viewer", "POST", "/v1/devices/pc-1/pushes", push), 403)
        self.assertEqual(status("operator", "POST", "/v1/devices/pc-1/pushes", push), 202)
        self.assertEqual(status("operator", "POST", "/v1/devices", {"id": "pc-2"}), 403)
        self.assertEqual(site.request("POST", "/v1/devices", {"id": "pc-2"})[0], 201)


if __name__ == "__main__":
    unittest.main()
