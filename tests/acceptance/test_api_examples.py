"""Every example of docs/admin-api.md, in order, in one shell, against a server that runs."""

import re
import subprocess
import unittest
from pathlib import Path

from harness import AcceptanceTest
from processes import DEADLINE, environment

REPOSITORY = Path(__file__).resolve().parents[2]
STREAM_SECONDS = 3  # a stream never ends by itself


def examples(text):
    """(command, what it prints) of each in the console blocks."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = example.splitlines(keepends=True)
            count = 1
            while lines[count - 1].endswith("\\\n"):
                count += 1
            yield "".join(lines[:count]).strip(), "".join(lines[count:])


def pattern(shown):
    """What is printed, with anything for '...'."""
    return ".*?".join(re.escape(part) for part in shown.rstrip("\n").split("...")) + r"\s*$"


class Examples(AcceptanceTest):
    def test_each_prints_what_the_page_shows(self):
        site = self.new_site()
        site.prepare_to_serve()
        self.serve(site)
        shell = subprocess.Popen(["bash"], cwd=site.folder, stdin=subprocess.PIPE, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 env=environment())
        self.addCleanup(shell.kill)
        page = (REPOSITORY / "docs" / "admin-api.md").read_text()
        tried = 0
        for command, shown in examples(page):
            streams = "curl -sN" in command
            command = command.replace("127.0.0.1:13299", f"127.0.0.1:{site.admin_port}")
            if streams:
                command = command.replace("curl", f"curl --max-time {STREAM_SECONDS}", 1)
            with self.subTest(command=command):
                code, printed = self.run_in(shell, command)
                self.assertEqual(code, 28 if streams else 0, printed)
                printed = printed.replace("\r\n", "\n")
                self.assertRegex(printed, re.compile(pattern(shown), re.DOTALL))
                tried += 1
        shell.communicate("exit\n", timeout=DEADLINE)
        self.assertGreater(tried, 10)

    def run_in(self, shell, command):
        shell.stdin.write(f"{command}\necho; echo @@$?@@\n".replace("echo; ", "code=$?; echo; ")
                          .replace("$?@@", "$code@@"))
        shell.stdin.flush()
        printed = ""
        while not (end := re.search(r"\n@@(\d+)@@\n$", printed)):
            line = shell.stdout.readline()
            if not line:
                raise AssertionError(f"the shell ended: {printed}")
            printed += line
        return int(end[1]), printed[:end.start()]


if __name__ == "__main__":
    unittest.main()
