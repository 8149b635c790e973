"""`kscpush policy edit` with scripts as editors."""

import os
import re
import stat
import unittest

from harness import AcceptanceTest

POLICY = """\
name: Network Agent
group: Managed devices
status: active                   # active | inactive | out_of_office
inherit: true
force_inheritance: false
settings:
  connectivity:
    network:
      use_distribution_point_to_force_connection: false   # kscpush policy set force-via-dp
"""
SITE = """\
version: 1\r
policies:\r
- name: First   # one\r
  group: Managed devices\r
\r
# about the second\r
-   name: Second\r
    status: inactive\r
# in the first column\r
    group:    'Managed devices'\r
\r
    # its last words\r
\r
-   {name: Third, group: Managed devices,\r
     status: inactive}   # flow"""


class PolicyEditing(AcceptanceTest):
    def setUp(self):
        self.site = self.new_site()
        self.before = self.site.config.read_bytes()
        self.seen = self.folder / "seen"

    def editor(self, script):
        """An editor: a shell script that is given the file as $1. It keeps what it saw."""
        path = self.folder / "an editor.sh"
        path.write_text(f'#!/bin/sh\nset -e\ncat "$1" > "{self.seen}"\n{script}\n')
        path.chmod(0o755)
        return f"'{path}'"

    def edit(self, script, *arguments, **environment):
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        done = self.site.kscpush("policy", "edit", *arguments,
                                 **{"EDITOR": self.editor(script), "VISUAL": "",
                                    "TMPDIR": str(temporary), **environment})
        self.kept = list(temporary.glob("*/*"))
        return done

    def assert_unchanged(self):
        self.assertEqual(self.site.config.read_bytes(), self.before)


class PolicyEdit(PolicyEditing):
    def test_the_editor_gets_the_policy_alone_and_its_text_is_put_back(self):
        done = self.edit("sed -i 's/: false   #/: !locked true   #/' \"$1\"")
        self.assertEqual(done.code, 0, done)
        self.assertEqual(done.out, "kscpush.yaml: policy 'Network Agent' of group 'Managed devices'"
                                   " edited\n")
        seen = self.seen.read_text()
        self.assertTrue(seen.startswith("#| This is policy 'Network Agent' of group 'Managed "
                                        "devices', from kscpush.yaml:"), seen)
        self.assertEqual("".join(l for l in seen.splitlines(True) if l[:2] != "#|"), POLICY)
        self.assertEqual(self.site.config.read_bytes(),
                         self.before.replace(b": false   #", b": !locked true   #"))
        self.assertEqual(self.kept, [])

    def test_dry_run_prints_the_difference(self):
        done = self.edit("sed -i 's/inherit: true/inherit: false/' \"$1\"", "--dry-run")
        self.assertIn("\n-    inherit: true\n+    inherit: false\n", done.out)
        self.assert_unchanged()

    def test_unchanged_and_emptied_texts_end_it(self):
        done = self.edit("true")
        self.assertEqual((done.code, done.err), (0, ""), done)
        self.assertIn("is as it was (nothing to change)", done.out)
        self.assert_error(self.edit(": > \"$1\""), 1, "emptied; nothing was written")
        self.assert_error(self.edit("sed -i '/^#|/!d' \"$1\""), 1, "emptied")
        self.assert_unchanged()

    def test_errors_are_shown_on_top_at_their_lines_and_the_text_is_edited_again(self):
        done = self.edit("""
            if grep -q error: "$1"; then sed -i 's/statsu/status/; s/maybe/false/' "$1"
            else sed -i 's/status/statsu/; s/inherit: true/inherit: maybe # mine/' "$1"; fi""")
        self.assertEqual(done.code, 0, done)
        lines = self.seen.read_text().splitlines()
        self.assertEqual([l for l in lines if "error: " in l],
                         ["#| error: line 9, column 1: unknown key 'statsu' in a policy; did you "
                          "mean 'status'? (known here: name, group, status, inherit, "
                          "force_inheritance, settings, profiles)",
                          "#| error: line 10, column 10: inherit must be true or false, not "
                          "'maybe'"])
        self.assertEqual(lines[8][:7], "statsu:")
        self.assertEqual(lines[9], "inherit: maybe # mine")
        self.assertIn("    inherit: false # mine\n", self.site.text)

    def test_yaml_errors_are_shown_too(self):
        self.edit("""
            if grep -q error: "$1"; then sed -i 's/: \\[/: /' "$1"
            else sed -i 's/inherit: true/inherit: [false/' "$1"; fi""")
        self.assertRegex(self.seen.read_text(), r"#\| error: line \d+, column \d+: .*not closed")
        self.assertIn("    inherit: false\n", self.site.text)

    def test_who_leaves_the_errors_in_finds_the_text_again(self):
        done = self.edit("sed -i 's/^status/statsu/' \"$1\"")
        self.assert_error(done, 3, "unknown key 'statsu'", "nothing was written")
        kept = re.search(r"kept in (\S+)", done.err)[1]
        with open(kept, encoding="utf-8") as file:
            self.assertIn("statsu: active", file.read())
        self.assertEqual(stat.S_IMODE(os.stat(kept).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(kept)).st_mode), 0o700)
        self.assert_unchanged()

    def test_a_file_changed_by_someone_else_meanwhile_is_left_to_them(self):
        done = self.edit(f"""sed -i 's/inherit: true/inherit: false/' "$1"
                             echo '# theirs' >> '{self.site.config}'""")
        self.assert_error(done, 1, "was changed by someone else")
        self.assert_hint(done, "the text is kept in")
        self.assertEqual(self.site.config.read_bytes(), self.before + b"# theirs\n")

    def test_an_editor_that_fails_or_is_not_there(self):
        self.assert_error(self.edit("exit 3"), 1, "ended with status 3; nothing was written")
        done = self.edit("", EDITOR="/nowhere/editor")
        self.assertEqual(done.code, 1)
        self.assertIn("error: the editor ended with status 127", done.err)
        self.assert_error(self.edit("", EDITOR=""), 2, "no terminal")
        self.assert_unchanged()

    def test_an_editor_that_makes_it_worse_each_time_comes_to_an_end(self):
        done = self.edit("echo 'x: y' >> \"$1\"; sed -i 's/^x: y$/x: yy/' \"$1\"")
        self.assertEqual(done.code, 3, done)
        self.assert_hint(done, "the text is kept in")
        self.assert_unchanged()

    def test_the_editor_may_have_arguments_and_visual_comes_first(self):
        done = self.edit("", VISUAL="sed -i -e 's/inherit: true/inherit: false/'", EDITOR="false")
        self.assertEqual(done.code, 0, done)
        self.assertEqual(self.site.config.read_bytes(),
                         self.before.replace(b"inherit: true", b"inherit: false"))

    def test_more_than_the_policy_cannot_be_put_back(self):
        add = "grep -q error: \"$1\" || printf '%s\\n' "
        done = self.edit(add + "'- name: Other' '  group: Managed devices' >> \"$1\"")
        self.assertEqual(done.code, 3, done)
        self.site.replace("  - name: Network Agent\n    group: Managed devices\n",
                          "  - {name: Network Agent, group: Managed devices}\n"
                          "  - name: Other\n    group: Managed devices/Berlin\n")
        self.before = self.site.config.read_bytes()
        done = self.edit("sed -i 's/^{.*}/&, {name: More, group: X}/' \"$1\"",
                         "--policy", "Network Agent")
        self.assertNotEqual(done.code, 0, done)
        self.assertIn("error", self.seen.read_text())
        self.assert_unchanged()

    def test_what_an_alias_elsewhere_shows_is_not_changed(self):
        self.site.replace("inherit: true", "inherit: &yes true")
        self.site.replace("enabled: false ", "enabled: *yes ")
        text = self.site.text
        head, policies = text.split("distribution_points:")
        points, policies = policies.split("policies:")
        self.site.text = head + "policies:" + policies + "distribution_points:" + points
        self.before = self.site.config.read_bytes()
        done = self.edit("sed -i 's/&yes true/\\&yes false/' \"$1\"")
        self.assert_error(done, 3, "an alias elsewhere")
        self.assert_unchanged()
        done = self.edit("sed -i 's/force_inheritance: false/force_inheritance: true/' \"$1\"")
        self.assertEqual(done.code, 0, done)


class InOddLayouts(PolicyEditing):
    """Line ends, comments, and lines that were not touched keep their bytes."""

    def setUp(self):
        super().setUp()
        self.site.config.write_bytes(SITE.encode())
        self.before = self.site.config.read_bytes()

    def shown(self):
        return "".join(l for l in self.seen.read_text().splitlines(True) if l[:2] != "#|")

    def test_block_style(self):
        done = self.edit("sed -i -e 's/inactive/out_of_office/' \"$1\"; echo '# new' >> \"$1\"",
                         "--policy", "Second")
        self.assertEqual(done.code, 0, done)
        self.assertEqual(self.shown(), "name: Second\nstatus: inactive\n# in the first column\n"
                                       "group:    'Managed devices'\n\n# its last words\n")
        self.assertEqual(self.site.config.read_bytes(),
                         self.before.replace(b"Second\r\n    status: inactive",
                                             b"Second\r\n    status: out_of_office")
                         .replace(b"# its last words\r\n", b"# its last words\r\n    # new\r\n"))

    def test_the_comment_behind_the_name(self):
        done = self.edit("sed -i -e 's/# one/# the first/' \"$1\"", "--policy", "First")
        self.assertEqual(done.code, 0, done)
        self.assertEqual(self.shown(), "name: First   # one\ngroup: Managed devices\n")
        self.assertEqual(self.site.config.read_bytes(), self.before.replace(b"# one", b"# the first"))

    def test_flow_style_at_the_end_without_a_line_end(self):
        done = self.edit("sed -i -e 's/status/inherit: false, status/' \"$1\"", "--policy", "Third")
        self.assertEqual(done.code, 0, done)
        self.assertEqual(self.shown(), "{name: Third, group: Managed devices,\n"
                                       "status: inactive}   # flow\n")
        self.assertEqual(self.site.config.read_bytes(),
                         self.before.replace(b"     status", b"     inherit: false, status"))


if __name__ == "__main__":
    unittest.main()
