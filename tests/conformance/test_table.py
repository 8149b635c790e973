"""docs/conformance.md against the names of the tests: what a row says is tested, is, and every case
that names a statement stands in that statement's row.

    python3 test_table.py --write     puts the cases that there are into the table
"""

import re
import sys
import unittest
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
TABLE = TESTS.parent / "docs" / "conformance.md"
STATEMENTS = {"MQTT 5.0": 251, "MQTT 3.1.1": 117}  # by the specifications' own lists
LEFT_OUT = "Left out: ", "Left to clients: "

_CPP_CASE = re.compile(r'TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\)')
_PYTHON_CASE = re.compile(r'def test_\w+\(self\):\s+"""(\[MQTT.*?)"""', re.DOTALL)
_NUMBER = re.compile(r"\[MQTT-([\d.]+-\d+)( of 3\.1\.1)?\]")


def titles(path):
    text = path.read_text()
    if path.suffix == ".py":
        return [" ".join(title.split()) for title in _PYTHON_CASE.findall(text)]
    return ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals))
            for literals in _CPP_CASE.findall(text)]


def cases():
    """Of each (version, number) what the table has to say: `FILE` TITLE."""
    found = {}
    paths = sorted([*TESTS.rglob("*_test.cpp"), *TESTS.rglob("test_*.py")])
    for path in paths:
        for title in titles(path):
            plain = _NUMBER.sub("", title).replace("  ", " ").strip().rstrip(".")
            plain = plain.replace("regression: ", "").replace("|", "\\|")
            for number, old in _NUMBER.findall(title):
                version = "MQTT 3.1.1" if old else "MQTT 5.0"
                lines = found.setdefault((version, number), [])
                line = f"`{path.name}` {plain}"
                if line not in lines:
                    lines.append(line)
    return found


def rows(text):
    """(version, number, cells, line number) of every row."""
    version = None
    for at, line in enumerate(text.splitlines()):
        if line.startswith("## "):
            version = line[3:]
        match = re.match(r"\| MQTT-([\d.]+-\d+) \|", line)
        if match:
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            yield version, match[1], cells, at


class Table(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.rows = list(rows(TABLE.read_text()))

    def test_every_statement_has_one_row(self):
        for version, count in STATEMENTS.items():
            numbers = [number for of, number, *_ in self.rows if of == version]
            self.assertEqual(len(numbers), count, version)
            self.assertEqual(len(set(numbers)), count, version)

    def test_rows_and_cases_agree(self):
        expected = cases()
        for version, number, cells, _ in self.rows:
            with self.subTest(version=version, number=number):
                self.assertEqual(len(cells), 4)
                self.assertEqual(cells[3].split("<br>") if cells[3] else [],
                                 expected.pop((version, number), []),
                                 "python3 test_table.py --write")
        self.assertEqual(expected, {}, "cases of statements that the table does not have")

    def test_names_have_no_semicolon(self):
        # CMake would cut them in two there, and CTest then runs neither half: both pass.
        for path in TESTS.rglob("*_test.cpp"):
            for title in titles(path):
                self.assertNotIn(";", title, path.name)

    def test_what_has_no_test_says_why(self):
        for version, number, cells, _ in self.rows:
            with self.subTest(version=version, number=number):
                self.assertTrue(cells[1])
                self.assertTrue(cells[2])
                left_out = cells[2].startswith(LEFT_OUT)
                self.assertNotEqual(bool(cells[3]), left_out,
                                    "either a test, or a reason that begins with " +
                                    " or ".join(LEFT_OUT))


def write():
    text = TABLE.read_text()
    lines = text.splitlines()
    found = cases()
    for version, number, cells, at in rows(text):
        tested = "<br>".join(found.get((version, number), []))
        lines[at] = f"| MQTT-{number} | {cells[1]} | {cells[2]} | {tested} |"
    TABLE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        unittest.main()
