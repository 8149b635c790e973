"""The command line itself: help, unknown words, formats, and hints that can be followed."""

import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

from harness import AcceptanceTest
from processes import DEADLINE, KSCPUSH, Outcome, environment, kscpush

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("core", "policy", "server", "agent", "cli")


NOBODY = ("setpriv", "--reuid=65534", "--clear-groups")


@unittest.skipIf(os.geteuid() != 0, "only root can become another user")
class AnotherUser(AcceptanceTest):
    """Who may read the configuration, but neither the admin token nor the registry."""

    def setUp(self):
        self.site = self.new_site()
        self.site.prepare_to_serve()
        self.folder.chmod(0o755)
        # What is built may lie where only its builder may look.
        self.program = self.folder / "kscpush"
        shutil.copy(KSCPUSH, self.program)
        self.token = str(self.site.folder / "pki" / "admin.token")

    def run_as_nobody(self, *arguments):
        done = subprocess.run([*NOBODY, self.program, *arguments], cwd=self.site.folder, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, env=environment(),
                              timeout=DEADLINE, check=False)
        return Outcome(done.returncode, done.stdout, done.stderr)

    def is_told(self):
        for command in (["device", "list"], ["device", "show", "pc-1"], ["ping", "pc-1"],
                        ["policy", "explain", "pc-1"],
                        ["dp", "assign", "pc-1"], ["dp", "capacity", "--dp", "dp-1"],
                        ["push", "list"], ["apply"]):
            self.assert_error(self.run_as_nobody(*command), 9, self.token)
        counted = self.run_as_nobody("dp", "capacity")
        self.assertEqual(counted.code, 0, counted)
        self.assertIn("warning: no devices are counted: ", counted.err)
        self.assertIn(self.token, counted.err)
        self.assertIn("dp-1", counted.out)

    def test_is_told_which_file_may_not_be_read_with_a_server_and_without(self):
        self.serve(self.site)
        self.site.succeed("device", "add", "pc-1")
        self.is_told()
        self.assertEqual(self.daemons[0].stop(), 0)
        self.is_told()

    def test_before_there_is_a_registry_nobody_is_told_of_files(self):
        done = self.site.succeed("dp", "capacity")
        self.assertTrue(done.err.startswith("warning: no devices are counted: there is no registry "
                                            "yet\n"), done.err)
        self.assertNotIn(self.token, done.err)


class CommandLine(AcceptanceTest):
    def run_here(self, *arguments, **options):
        return kscpush(*arguments, folder=self.folder, **options)

    def usage_error(self, *arguments):
        done = self.run_here(*arguments)
        self.assert_error(done, 2)
        return done

    def test_help_and_version_go_to_stdout(self):
        for arguments in ["--help"], ["dp", "--help"], ["dp", "enable", "--help"], ["--version"]:
            done = self.run_here(*arguments)
            self.assertEqual((done.code, done.err), (0, ""))
            self.assertIn("kscpush", done.out)

    def test_no_command(self):
        done = self.usage_error()
        for command in "init", "serve", "ping":
            self.assertIn(command, done.err)
        self.assert_hint(done, "kscpush --help")

    def test_an_unknown_command(self):
        self.assertIn("unknown command 'srve'; did you mean 'serve'?", self.usage_error("srve").err)
        self.assertIn("did you mean 'enable'?", self.usage_error("dp", "enabel").err)
        self.assert_hint(self.usage_error("dp", "enabel"), "kscpush dp --help")

    def test_an_unknown_option(self):
        done = self.usage_error("dp", "enable", "--prot", "13295")
        self.assertIn("unknown option '--prot'; did you mean '--port'?", done.err)
        self.assert_hint(done, "kscpush dp enable --help")
        self.assertIn("unknown option '-z'", self.usage_error("ping", "pc-1", "-z").err)

    def test_a_word_too_many(self):
        self.assertIn("unexpected word 'pc-2'", self.usage_error("device", "show", "pc-1", "pc-2").err)

    def test_a_word_too_few(self):
        self.usage_error("ping")
        self.usage_error("device", "add")
        self.assertIn("--out", self.usage_error("device", "enroll", "pc-1").err)
        self.usage_error("dp", "enable", "--port")

    def test_values_that_an_option_does_not_take(self):
        self.assertIn("json", self.usage_error("dp", "list", "-o", "xml").err)
        self.assertIn("zsh", self.usage_error("completion", "tcsh").err)
        for value in "0", "x", "-1":
            self.assertIn(value, self.usage_error("ping", "pc-1", f"--count={value}").err)
            self.assertIn(value, self.usage_error("ping", "pc-1", f"--timeout={value}").err)

    def test_regression_a_number_that_is_none_is_told_without_the_largest_one(self):
        for command in (["rollback"], ["history"], ["tunnel", "pc-1", "pc:22", "--max-bytes"]):
            for value in "abc", "0", "-1", "1.5", "99999999999999999999":
                line = command[:-1] + [f"--max-bytes={value}"] if "tunnel" in command \
                    else [*command, value]
                done = self.usage_error(*line)
                self.assertIn(f"'{value}' is not a whole number from 1 on", done.err)

    def test_no_configuration(self):
        done = self.run_here("dp", "list")
        self.assert_error(done, 7, "no site configuration")
        self.assert_hint(done, "kscpush init")

    def test_no_color_where_there_is_no_terminal(self):
        self.assertNotIn("\033", self.usage_error("srve").err)

    def test_lists_are_printed_in_every_format(self):
        site = self.new_site()
        self.assertEqual(site.succeed("dp", "list", "-o", "name").out, "dp-1\n")
        self.assertEqual(site.succeed("dp", "list", "-o", "json").json()[0]["name"], "dp-1")
        self.assertIn('- address: "localhost"\n', site.succeed("dp", "list", "-o", "yaml").out)
        table = site.succeed("dp", "list").out.splitlines()
        wide = site.succeed("dp", "list", "-o", "wide").out.splitlines()
        self.assertRegex(table[0], r"^NAME +PUSH SERVER +PORT")
        self.assertRegex(table[1], r"^dp-1 +no +13295")
        self.assertRegex(wide[0], r"ADMIN API$")

class OutputThatCannotBeWritten(AcceptanceTest):
    """Regression: it was lost without a word, with exit code 0."""

    FULL = "error: cannot write to standard output: No space left on device\nhint: "

    def run_into(self, output, *arguments, **options):
        """The outcome of a command whose standard output is OUTPUT: exit code and standard error."""
        done = subprocess.run([KSCPUSH, *arguments], cwd=self.folder, env=environment(), text=True,
                              stdout=output, stderr=subprocess.PIPE, timeout=DEADLINE, check=False,
                              **options)
        return done.returncode, done.stderr

    def test_a_full_disk(self):
        site = self.new_site()
        with open("/dev/full", "w", encoding="utf-8") as full:
            for arguments in (["--version"], ["--help"], ["completion", "bash"],
                              ["--config", site.config, "dp", "list", "-o", "json"]):
                code, err = self.run_into(full, *arguments)
                self.assertEqual(code, 1, arguments)
                self.assertTrue(err.startswith(self.FULL), err)
            # What goes to standard error as well must not hide it.
            site.succeed("device", "add", "pc-1")
            code, err = self.run_into(full, "--config", site.config, "device", "enroll", "pc-1",
                                      "--token")
            self.assertEqual(code, 1)
            self.assertIn(self.FULL, err)
            code, err = self.run_into(full, "srve")
            self.assertEqual(code, 2)
            self.assertNotIn("standard output", err)

    def test_a_closed_descriptor(self):
        def close_output():
            os.close(1)
        code, err = self.run_into(None, "--version", preexec_fn=close_output)
        self.assertEqual(code, 1)
        self.assertIn("cannot write to standard output: Bad file descriptor", err)
        # What is opened later does not get the descriptor, and with it what was to be printed.
        code, err = self.run_into(None, "init", "--dir", "site", preexec_fn=close_output)
        self.assertIn("cannot write to standard output", err)
        self.assertEqual(kscpush("validate", folder=self.folder / "site").code, 0)

    def test_a_reader_that_has_enough(self):
        reads, writes = os.pipe()
        os.close(reads)
        code, err = self.run_into(writes, "completion", "bash", restore_signals=False)
        os.close(writes)
        self.assertEqual((code, err), (0, ""))


class Texts(unittest.TestCase):
    def test_commands_that_the_program_tells_to_run_exist(self):
        script = kscpush("completion", "bash", folder=REPOSITORY).out
        commands = set(re.findall(r'^ +"([a-z -]+)"\) path=', script, re.MULTILINE))
        self.assertLessEqual({"serve", "dp enable", "device enroll"}, commands)
        told = [(path, *found) for folder in SOURCES
                for path in (REPOSITORY / folder).rglob("*.cpp")
                for found in self.commands_in(path.read_text(encoding="utf-8"))]
        self.assertGreater(len(told), 20)
        for path, noun, verb in told:
            group = any(command.startswith(noun + " ") for command in commands)
            self.assertIn(f"{noun} {verb}" if group and verb else noun, commands, path)

    @staticmethod
    def commands_in(source):
        """'kscpush NOUN VERB' behind a colon, a quote or an indentation in a string."""
        joined = re.sub(r'"\s*\n\s*"', "", source)
        for literal in re.findall(r'"(?:[^"\\\n]|\\.)*"', joined):
            yield from re.findall(r"(?:: |'|  )kscpush ([a-z]+)(?: ([a-z]+(?:-[a-z]+)*))?", literal)


if __name__ == "__main__":
    unittest.main()
