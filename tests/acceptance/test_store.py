"""kscpush store check, compact and backup, beside a server and without one; a restored backup serves."""

import json
import shutil
import unittest

from harness import AcceptanceTest
from mqtt import PUBLISH, connect_device


class Store(AcceptanceTest):
    def setUp(self):
        self.site = self.new_site()
        self.site.prepare_to_serve()
        self.state = self.site.folder / "state/dp-1"

    def test_beside_a_server_and_without_one(self):
        for online in (True, False):
            with self.subTest(online=online):
                if online:
                    server = self.serve(self.site)
                    self.site.succeed("device", "add", "pc-1")
                    push = self.site.push("pc-1", kind="ping", ttl=3600)
                else:
                    server.stop()
                check = json.loads(self.site.succeed("store", "check", "-o", "json").out)
                self.assertEqual((check["problems"], check["devices"], check["pushes"]), ([], 1, 1))
                self.assertIn("all holds together: 1 devices, 1 pushes",
                              self.site.succeed("store", "check", "--quick").out)
                self.assertIn("freed", self.site.succeed("store", "compact").out)
                copy = self.site.folder / f"copy-{online}.db"
                self.assertIn("read back and checked",
                              self.site.succeed("store", "backup", copy).out)
                self.assertEqual(copy.stat().st_mode & 0o777, 0o600)
                before = copy.read_bytes()
                self.assert_error(self.site.kscpush("store", "backup", copy), 1, "exists")
                self.assertEqual(copy.read_bytes(), before)
                if online:
                    self.assertEqual(self.site.wait_for_push(push["id"], "stored")["attempts"], 0)

    def test_a_backup_is_restored_and_its_pushes_are_sent_as_perhaps_seen(self):
        server = self.serve(self.site)
        credentials = self.site.add_device("pc-1")
        push = self.site.push("pc-1", kind="ping", ttl=3600)
        backup = self.site.folder / "backup.db"
        self.site.succeed("store", "backup", backup)
        with connect_device(self.site, "pc-1", credentials) as client:
            self.assertEqual(client.push().json()["attempt"], 1)
            self.site.wait_for_push(push["id"], "acked")
        server.stop()
        database = self.state / "store.db"
        database.write_bytes(b"x" * 5000)
        self.assert_error(self.site.kscpush("serve"), 1, "is not a kscpush database")
        self.assertEqual(database.read_bytes(), b"x" * 5000)
        self.assert_error(self.site.kscpush("store", "check"), 1, "is not a kscpush database")
        shutil.copy(backup, database)
        self.site.succeed("store", "check")
        self.serve(self.site)
        with connect_device(self.site, "pc-1", credentials) as client:
            again = client.expect(PUBLISH).json()
            self.assertEqual((again["id"], again["attempt"]), (push["id"], 2))

    def test_without_a_database(self):
        for command in (["check"], ["compact"], ["backup", "copy"]):
            done = self.site.kscpush("store", *command)
            self.assert_error(done, 7, "there is no database", "store.db")
            self.assert_hint(done, "state_directory")
        self.assertFalse((self.state / "store.db").exists())

    def test_damage_is_named_line_by_line(self):
        server = self.serve(self.site)
        self.site.succeed("device", "add", "pc-1")
        self.site.push("pc-1", kind="ping", ttl=3600)
        server.stop()
        database = self.state / "store.db"
        raw = database.read_bytes()
        self.assertIn(b"ping{}", raw)  # kind and parameters, side by side
        database.write_bytes(raw.replace(b"ping{}", b"ping{!"))
        done = self.site.kscpush("store", "check")
        self.assert_error(done, 1, "are not JSON", "is damaged")
        self.assert_hint(done, "docs/store.md")


if __name__ == "__main__":
    unittest.main()
