"""docs/openapi.json against the program: real requests and answers are as it says."""

import json
import re
import unittest
from pathlib import Path
from urllib.parse import urlencode

from jsonschema import Draft202012Validator, RefResolver

from harness import ServedTest
from mqtt import connect_device

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = json.loads((REPOSITORY / "docs" / "openapi.json").read_text())


def validator(schema):
    return Draft202012Validator(schema, resolver=RefResolver("", DOCUMENT))


class OpenApi(ServedTest):
    tried = set()

    @classmethod
    def prepare(cls, site):
        site.prepare_to_serve()

    def ask(self, method, template, body=None, expect=None, **values):
        """Sends a request and holds both it and its answer to the description."""
        path = re.sub(r"\{(\w+)\}", lambda found: str(values.pop(found[1])), template)
        query = urlencode(values)
        status, answer = self.site.request(method, path + ("?" + query if query else ""), body)
        operation = DOCUMENT["paths"][template][method.lower()]
        named = {p["name"] for p in operation.get("parameters", []) if p["in"] == "query"}
        self.assertLessEqual(values.keys(), named)
        response = operation["responses"].get(str(status))
        if response is None:
            self.assertGreaterEqual(status, 400)
            response = DOCUMENT["components"]["responses"]["Error"]
        elif body is not None:
            validator(operation["requestBody"]["content"]["application/json"]["schema"]).validate(body)
        if "application/json" in response["content"]:
            validator(response["content"]["application/json"]["schema"]).validate(answer)
        self.tried.add((method.lower(), template))
        if expect is not None:
            self.assertEqual(status, expect, answer)
        return answer

    def test_the_document_is_what_the_server_serves_and_its_schemas_are_schemas(self):
        self.assertEqual(self.ask("GET", "/v1/openapi.json", expect=200), DOCUMENT)
        self.assertTrue(DOCUMENT["openapi"].startswith("3.1."))
        for schema in DOCUMENT["components"]["schemas"].values():
            Draft202012Validator.check_schema(schema)
        refs = re.findall(r'"\$ref": "#/components/(\w+)/(\w+)"', json.dumps(DOCUMENT))
        for kind, name in refs:
            self.assertIn(name, DOCUMENT["components"][kind])
        used = {name for kind, name in refs if kind == "schemas"}
        self.assertEqual(used, DOCUMENT["components"]["schemas"].keys())

    def test_real_answers_are_as_the_description_says(self):
        ask = self.ask
        for path in "/healthz", "/readyz", "/metrics", "/v1/server", "/v1/groups", "/v1/openapi.json":
            ask("GET", path, expect=200)
        ask("POST", "/v1/devices", {"id": "one", "tags": ["a"], "platform": "linux"}, 201)
        ask("POST", "/v1/devices", {"devices": [{"id": "two"}]}, 201)
        ask("POST", "/v1/devices", {"devices": [{"id": "two"}], "dry_run": True}, 200)
        ask("POST", "/v1/devices", {"id": "one"}, 409)
        ask("POST", "/v1/devices", {"id": "a b"}, 400)
        ask("PATCH", "/v1/devices/{id}", {"add_tags": ["b"]}, 200, id="one")
        ask("POST", "/v1/devices/{id}/certificate", expect=201, id="two")
        ask("POST", "/v1/devices/{id}/token", {"ttl": 60}, 201, id="one")
        ask("POST", "/v1/devices/{id}/token", {"ttl": 1}, 400, id="one")
        self.pushes()
        ask("GET", "/v1/compliance", limit=1, group="Managed devices", state="offline", expect=200)
        ask("GET", "/v1/compliance", devices="one,two", expect=200)
        ask("GET", "/v1/compliance", devices="one,none", expect=404)
        ask("GET", "/v1/compliance", select="id ==", expect=400)
        ask("GET", "/v1/devices", limit=1, group="Managed devices", revoked="false", expect=200)
        ask("DELETE", "/v1/devices/{id}", expect=200, id="two")
        ask("GET", "/v1/devices/{id}", expect=404, id="two")
        self.configuration()
        ask("POST", "/v1/server/drain", {"seconds": 1}, 200)
        ask("DELETE", "/v1/server/drain", expect=200)
        described = {(method, path) for path, item in DOCUMENT["paths"].items()
                     for method in item if method != "parameters"}
        self.assertEqual(described - self.tried, set())

    def pushes(self):
        ask = self.ask
        credentials = self.site.add_device("live")
        with connect_device(self.site, "live", credentials) as client:
            ask("GET", "/v1/devices/{id}", expect=200, id="live")
            push = ask("POST", "/v1/devices/{id}/pushes",
                       {"kind": "sync", "ttl": 60, "params": {"a": 1}}, 202, id="live")
            client.push()
            ask("GET", "/v1/pushes/{id}", expect=200, id=push["id"], wait="acked", timeout=30)
            ask("DELETE", "/v1/pushes/{id}", expect=409, id=push["id"])
        waiting = ask("POST", "/v1/devices/{id}/pushes", {"kind": "sync"}, 202, id="one")
        ask("GET", "/v1/devices/{id}", expect=200, id="one")
        ask("DELETE", "/v1/pushes/{id}", expect=200, id=waiting["id"])
        ask("GET", "/v1/pushes", limit=1, device="one", state="cancelled", kind="sync", expect=200)
        ask("GET", "/v1/pushes", device="none", expect=404)
        # What it is when it is a stream, test_push_commands follows.
        ask("GET", "/v1/events", device="none", expect=404)
        ask("GET", "/v1/events", group="Nowhere", expect=404)
        ask("POST", "/v1/devices/{id}/pushes", {"kind": "sync", "ttl": -1}, 400, id="one")
        ask("POST", "/v1/devices/{id}/ping", {"timeout_ms": 100}, 409, id="one")
        self.many()
        self.tunnels()
        for _ in range(50):
            self.site.push("two", kind="ping", ttl=60)
        ask("POST", "/v1/devices/{id}/pushes", {"kind": "sync"}, 429, id="two")
        missed = ask("GET", "/v1/devices/{id}", expect=200, id="two")
        self.assertEqual(missed["resync_required"]["reason"], "overflow")

    def tunnels(self):
        ask = self.ask
        body = {"host": "127.0.0.1", "port": 22, "idle_s": 60, "lifetime_s": 60, "max_bytes": 1}
        ask("POST", "/v1/devices/{id}/tunnels", body, 409, id="one")
        ask("GET", "/v1/tunnels", expect=200)
        ended = ask("GET", "/v1/tunnels", ended="true", limit=1, expect=200)["tunnels"]
        self.assertEqual([row["reason"] for row in ended], ["device 'one' is not connected"])
        ask("GET", "/v1/tunnels/{id}", expect=200, id=ended[0]["id"])
        ask("DELETE", "/v1/tunnels/{id}", expect=200, id=ended[0]["id"])

    def many(self):
        ask = self.ask
        report = ask("POST", "/v1/ping", {"devices": ["one", "none"], "timeout_ms": 100}, 200)
        self.assertEqual([row["code"] for row in report["failed"]], ["offline", "not_found"])
        ask("POST", "/v1/ping", {"all": True, "group": "Managed devices"}, 400)
        stored = ask("POST", "/v1/pushes", {"kind": "sync", "devices": ["one", "none"]}, 202)
        self.assertEqual([row["device"] for row in stored["accepted"]], ["one"])
        self.assertEqual([row["device"] for row in stored["failed"]], ["none"])
        counted = ask("POST", "/v1/pushes", {"kind": "sync", "all": True, "dry_run": True}, 200)
        begun = ask("POST", "/v1/pushes", {"kind": "sync", "all": True, "rate": 10.5,
                                           "max_failures": 3, "canary": 1}, 202)["rollout"]
        self.assertEqual(begun["targets"], counted["targets"])
        ask("GET", "/v1/pushes", rollout=begun["id"], expect=200)
        ask("GET", "/v1/rollouts/{id}", expect=200, id=begun["id"])
        self.assertEqual(ask("DELETE", "/v1/rollouts/{id}", expect=200, id=begun["id"])["state"],
                         "cancelled")
        ask("DELETE", "/v1/rollouts/{id}", expect=409, id=begun["id"])
        ask("GET", "/v1/rollouts", limit=1, expect=200)

    def configuration(self):
        ask = self.ask
        site = ask("GET", "/v1/site", expect=200)
        files = [{"name": file["name"], "text": file["text"] + "# edited\n"} for file in site["files"]]
        ask("POST", "/v1/site/plan", {"files": files}, 200)
        ask("PUT", "/v1/site", {"files": files, "comment": "a test"}, 200)
        changed = [{"name": file["name"], "text": file["text"].replace("!locked true", "!locked false")}
                   for file in site["files"]]
        told = ask("PUT", "/v1/site", {"files": changed, "rate": 5, "canary": 1}, 200)["sync"]
        self.assertEqual(told["rollout"]["targets"], told["devices"])
        ask("PUT", "/v1/site", {"files": files, "sync": False, "rate": 5}, 400)
        self.assertIsNone(ask("PUT", "/v1/site", {"files": files, "sync": False}, 200)["sync"])
        ask("PUT", "/v1/site", {"files": [{"name": "kscpush.yaml", "text": "version: 9"}]}, 422)
        ask("GET", "/v1/site/revisions", limit=1, expect=200)
        ask("GET", "/v1/site/revisions/{id}", expect=200, id=1)
        ask("POST", "/v1/site/revisions/{id}/plan", {}, 200, id=1)
        ask("POST", "/v1/site/revisions/{id}/rollback", {"comment": "back"}, 200, id=1)


if __name__ == "__main__":
    unittest.main()
