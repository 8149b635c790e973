"""Configurations that are wrong in every way we know: a clear error, in bounded time and memory, and
nothing written. How each kind of YAML is told is in tests/corpus and tests/unit/core/yaml_*."""

import os
import random
import subprocess
import unittest

from harness import AcceptanceTest
from processes import KSCPUSH, environment

SECONDS = 10.0  # of processor time; each takes a small part of it, the largest files 1 to 2
MEGABYTES = 300
LARGE_MEGABYTES = 2_000  # for files as large as they may be, whose tree must be built

HEAD = b"version: 1\ndistribution_points: [{name: dp-1}]\n"
POLICY = HEAD + b"policies:\n  - name: A\n    group: Managed devices\n    profiles:\n      - name: P\n"


class BadInput(AcceptanceTest):
    def snapshot(self):
        """What would differ after any writing."""
        def state(path):
            status = path.lstat()
            return status.st_ino, status.st_size, status.st_mtime_ns
        return {path: state(path) for path in self.folder.rglob("*")}

    def large(self, name, piece, times, first=b""):
        """A file of FIRST and TIMES pieces. This process must stay small itself: the system counts
        the memory of whom it is forked from for a program too."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            file.write(first)
            for _ in range(times):
                file.write(piece)

    def refused(self, text, *fragments, code=3, command=("dp", "enable"), files=(),
                megabytes=MEGABYTES):
        """TEXT: of kscpush.yaml, None if it is there; FILES: further (name, bytes)."""
        for name, content in [("kscpush.yaml", text), *files]:
            if content is None:
                continue
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        before = self.snapshot()
        with open(os.devnull, "wb") as null:
            process = subprocess.Popen([KSCPUSH, *command], cwd=self.folder, stdin=null,
                                       stdout=null, stderr=subprocess.PIPE, env=environment())
            err = process.stderr.read(100_000).decode(errors="replace")
            while process.stderr.read(100_000):
                pass
            process.stderr.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, code, err[:2000])
        self.assertTrue(err.startswith("error: "), err[:200])
        for fragment in fragments:
            self.assertIn(fragment, err)
        self.assertLess(usage.ru_utime + usage.ru_stime, SECONDS)
        self.assertLess(usage.ru_maxrss / 1024, megabytes)
        self.assertEqual(self.snapshot(), before)

    def test_a_file_of_100_MB(self):
        self.large("kscpush.yaml", b"# x\n" * 2_500, 10_000, HEAD)
        self.refused(None, "larger than", code=1)

    def test_included_files_of_100_MB_in_all(self):
        for i in range(3):
            self.large(f"big/{i}.yaml", b"# x\n" * 2_500, 4_000)
        self.refused(HEAD + b"include: big/*.yaml\n", "kscpush.yaml:3:10: ", "more than 100 MB")

    def test_an_included_file_of_100_MB(self):
        self.large("big.yaml", b"# x\n" * 2_500, 10_000)
        self.refused(HEAD + b"include: big.yaml\n", "kscpush.yaml:3:10: ", "more than 64 MiB")

    def test_a_file_of_10_MB_of_brackets(self):
        self.large("kscpush.yaml", b"[" * 1_000, 10_000, HEAD + b"groups: ")
        self.refused(None, "kscpush.yaml:3:")

    def test_a_million_entries(self):
        self.large("kscpush.yaml", b"  - x\n" * 1_000, 1_000, HEAD + b"groups:\n")
        self.refused(None, "group 'x' is not below 'Managed devices'", " more errors",
                     megabytes=LARGE_MEGABYTES)

    def test_10_000_levels(self):
        # In block style each level is a line that is longer than the one before; 2,000 are 2 MB.
        deep = b"".join(b" " * i + b"a:\n" for i in range(2_000))
        for text in [HEAD + deep, HEAD + b"groups: " + b"[" * 10_000 + b"]" * 10_000,
                     HEAD + b"groups: " + b"{a: " * 10_000 + b"}" * 10_000,
                     HEAD + b"groups:\n  " + b"- " * 10_000 + b"x\n"]:
            self.refused(text, "nested deeper than")

    def test_alias_bombs(self):
        levels = [b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"]
        for i in range(1, 60):
            item = b"*a%d" % (i - 1)
            levels.append(b"a%d: &a%d [%s]\n" % (i, i, b", ".join([item] * 10)))
        self.refused(HEAD + b"".join(levels) + b"groups: *a59\n", "a group must be a text")

    def test_a_bomb_of_merge_keys(self):
        levels = [b"m0: &m0 {port: 1}\n"]
        for i in range(1, 200):
            levels.append(b"m%d: &m%d {<<: [*m%d, *m%d], k%d: 1}\n" % (i, i, i - 1, i - 1, i))
        self.refused(b"version: 1\n" + b"".join(levels) +
                     b"distribution_points: [{name: dp-1, push_server: *m199}]\n",
                     "unknown key 'k199' in push_server")

    def test_a_bomb_in_the_settings(self):
        levels = [b"s0: &s0 {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8}\n"]
        for i in range(1, 12):
            keys = b", ".join(b"%c: *s%d" % (97 + k, i - 1) for k in range(8))
            levels.append(b"s%d: &s%d {%s}\n" % (i, i, keys))
        self.refused(HEAD + b"".join(levels) +
                     b"policies: [{name: A, group: Managed devices, settings: *s11}]\n",
                     "more than 10000 settings")

    def test_includes_that_go_in_a_circle(self):
        self.refused(HEAD + b"include: a.yaml\n", "b.yaml:1:10: the includes go in a circle",
                     files=[("a.yaml", b"include: b.yaml\n"), ("b.yaml", b"include: a.yaml\n")])
        (self.folder / "link.yaml").symlink_to("kscpush.yaml")
        self.refused(HEAD + b"include: link.yaml\n", "the includes go in a circle")

    def test_includes_that_are_folders_pipes_and_loops_of_links(self):
        os.mkfifo(self.folder / "pipe.yaml")
        (self.folder / "folder.yaml").mkdir()
        (self.folder / "loop.yaml").symlink_to("loop.yaml")
        self.refused(HEAD + b"include: [pipe.yaml, folder.yaml, loop.yaml]\n",
                     "kscpush.yaml:3:11: cannot include 'pipe.yaml': it is not a regular file",
                     "kscpush.yaml:3:22: cannot include 'folder.yaml': it is a folder",
                     "kscpush.yaml:3:35: ")

    def test_a_thousand_patterns(self):
        self.refused(HEAD + b"include: [x, " + b", ".join([b"'*/*/*/*.yaml'"] * 1_000) + b"]\n",
                     "the included file 'x' does not exist",
                     files=[(f"a{i}/b{j}/x.txt", b"") for i in range(9) for j in range(9)])

    def test_bytes_that_are_no_text(self):
        self.refused(HEAD + "# Köln\n".encode("cp1252"), "kscpush.yaml:3:4: byte 0xF6 is not UTF-8")
        self.refused(HEAD.decode().encode("utf-16"), "UTF-16")
        self.refused(HEAD + b"\0", "NUL byte")
        # With a seed: one in a hundred begins with a line feed, and errs in the second line.
        self.refused(random.Random(1).randbytes(1_000_000), "kscpush.yaml:1:")
        self.refused(b"\x1f\x8b\x08" * 1_000, "control character 0x1F")

    def test_tabs_markers_duplicate_keys_and_two_documents(self):
        self.refused(b"version: 1\ngroups:\n\t- x\n", "kscpush.yaml:3:1: a tab in the indentation")
        self.refused(HEAD + b"version: 1\n", "kscpush.yaml:3:1: key 'version' stands twice")
        self.refused(HEAD + b"---\n" + HEAD, "a second document begins here")
        self.refused(b"", "the file is empty")
        self.refused(b"\xef\xbb\xbf", "the file is empty")
        self.refused(b"---\n...\n", "the file is empty")

    def test_an_edit_that_would_leak_through_an_anchor_or_a_merge_key(self):
        self.refused(b"version: 1\ndistribution_points:\n  - name: a\n    push_server: &p {port: 5}\n"
                     b"  - {name: b, push_server: *p}\n",
                     "kscpush.yaml:4:18: the change would also change kscpush.yaml:5:28", code=1,
                     command=("dp", "enable", "a"))
        self.refused(b"version: 1\ndistribution_points:\n  - name: a\n    push_server: &p {port: 5}\n"
                     b"  - {name: b, push_server: {<<: *p}}\n",
                     "the change would also change kscpush.yaml:5", code=1,
                     command=("dp", "enable", "a"))

    def test_conditions_that_mean_nothing(self):
        for condition, what in [("tagz contains a", "'tagz' is not a property of a device"),
                                ("tags == a", "'==' cannot be used with tags"),
                                ("(" * 100_000, "condition"), ("not " * 100_000 + "x", "condition"),
                                ("tags contains", "condition")]:
            self.refused(POLICY + f"        condition: '{condition}'\n        settings: {{}}\n"
                         .encode(), "kscpush.yaml:8:20: the condition of profile 'P'", what)

    def test_a_device_that_is_in_no_group(self):
        self.refused(HEAD, "no group 'Managed devices/Nowhere'", code=7,
                     command=("policy", "explain", "--group", "Managed devices/Nowhere"))


if __name__ == "__main__":
    unittest.main()
