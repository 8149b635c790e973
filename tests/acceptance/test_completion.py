"""The generated files that are checked in are those that the program generates, and the script for
bash completes."""

import subprocess
import unittest
from pathlib import Path

from processes import DEADLINE, kscpush

REPOSITORY = Path(__file__).resolve().parents[2]


class CheckedIn(unittest.TestCase):
    maxDiff = None

    def is_current(self, kind, path):
        generated = kscpush("completion", kind, folder=REPOSITORY)
        self.assertEqual((generated.code, generated.err), (0, ""))
        file = REPOSITORY / path
        remedy = f"run: kscpush completion {kind} > {path}"
        self.assertTrue(file.exists(), f"{path} is missing; {remedy}")
        self.assertEqual(file.read_text(encoding="utf-8"), generated.out,
                         f"{path} is not what the program generates; {remedy}")

    def test_completions_kscpush_bash(self):
        self.is_current("bash", "completions/kscpush.bash")

    def test_completions_zsh(self):
        self.is_current("zsh", "completions/_kscpush")

    def test_completions_kscpush_fish(self):
        self.is_current("fish", "completions/kscpush.fish")

    def test_docs_kscpush_1(self):
        self.is_current("man", "docs/kscpush.1")

    def test_docs_settings(self):
        self.is_current("settings", "docs/settings.md")


class Bash(unittest.TestCase):
    def complete(self, line):
        """What <TAB> offers at the end of LINE, by the script in a bash of its own."""
        words = line.split(" ")
        script = kscpush("completion", "bash", folder=REPOSITORY).out + """
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_kscpush
printf '%s\\n' "${COMPREPLY[@]}"
"""
        done = subprocess.run(["bash", "-u", "-c", script, "bash", *words], capture_output=True,
                              text=True, check=True, timeout=DEADLINE, cwd=REPOSITORY)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_commands(self):
        self.assertEqual(self.complete("kscpush dp en"), ["enable"])
        self.assertEqual(self.complete("kscpush se"), ["serve"])
        self.assertLessEqual({"dp", "policy", "device", "ping"}, set(self.complete("kscpush ")))
        self.assertLessEqual({"add", "list", "enroll"}, set(self.complete("kscpush device ")))

    def test_settings(self):
        self.assertEqual(self.complete("kscpush policy set force"), ["force-via-dp"])
        self.assertEqual(self.complete("kscpush policy lock connectivity.schedule.s"),
                         ["connectivity.schedule.synchronization_interval"])

    def test_options(self):
        self.assertEqual(self.complete("kscpush dp enable --po"), ["--port"])
        self.assertEqual(self.complete("kscpush policy set force-via-dp --dr"), ["--dry-run"])
        self.assertEqual(self.complete("kscpush --conf"), ["--config"])

    def test_options_of_all_commands_after_a_command(self):
        self.assertEqual(self.complete("kscpush dp list --outp"), ["--output"])
        self.assertEqual(self.complete("kscpush -o json dp en"), ["enable"])

    def test_values_of_options(self):
        self.assertEqual(self.complete("kscpush dp list -o j"), ["json"])
        self.assertEqual(self.complete("kscpush serve --log-level w"), ["warn"])
        self.assertEqual(self.complete("kscpush completion z"), ["zsh"])

    def test_files_and_folders(self):
        self.assertIn("tests", self.complete("kscpush device enroll pc-1 --out te"))
        self.assertEqual(self.complete("kscpush dp list --config README"),
                         [path.name for path in REPOSITORY.glob("README*")])

    def test_nothing_where_only_the_user_knows(self):
        self.assertEqual(self.complete("kscpush dp enable --port "), [])


class Others(unittest.TestCase):
    def test_the_man_page_names_every_command(self):
        page = kscpush("completion", "man", folder=REPOSITORY).out.replace("\\-", "-")
        self.assertIn(".TH KSCPUSH 1", page.upper())
        for words in "kscpush init", "kscpush dp enable", "kscpush policy set", "kscpush ping":
            self.assertIn(words, page)



if __name__ == "__main__":
    unittest.main()
