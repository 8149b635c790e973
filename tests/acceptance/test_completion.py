"""The generated files that are checked in are those that the program generates."""

import unittest
from pathlib import Path

from processes import kscpush

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


class Others(unittest.TestCase):
    def test_the_man_page_names_every_command(self):
        page = kscpush("completion", "man", folder=REPOSITORY).out.replace("\\-", "-")
        self.assertIn(".TH KSCPUSH 1", page.upper())
        for words in "kscpush init", "kscpush dp enable", "kscpush policy set", "kscpush ping":
            self.assertIn(words, page)


if __name__ == "__main__":
    unittest.main()
