"""The completion scripts complete, each in the shell that it is for."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from processes import DEADLINE, Terminal, environment, kscpush


class Cases:
    """What every shell offers. A subclass says how to ask its shell."""

    shell = ""

    @classmethod
    def setUpClass(cls):
        if not shutil.which(cls.shell):
            raise unittest.SkipTest(f"no {cls.shell} here; scripts/install-deps test installs it")
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.home = Path(temporary.name)
        cls.folder = cls.home / "folder"
        (cls.folder / "devices").mkdir(parents=True)
        (cls.folder / "devices of Berlin.csv").touch()
        (cls.folder / "kscpush.yaml").touch()
        script = kscpush("completion", cls.shell, folder=cls.folder)
        assert (script.code, script.err) == (0, ""), script
        cls.script = cls.home / "_kscpush"
        cls.script.write_text(script.out, encoding="utf-8")

    def run_shell(self, *command, **extra):
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=DEADLINE,
                              cwd=self.folder, env=environment(HOME=str(self.home), **extra))
        self.assertEqual(done.stderr, "")
        return done.stdout

    def offers(self, line, *words):
        self.assertEqual(self.complete(line), set(words), line)

    def test_commands(self):
        self.offers("kscpush dp en", "enable")
        self.offers("kscpush se", "serve")
        self.assertLessEqual({"dp", "policy", "device", "ping"}, self.complete("kscpush "))
        self.assertLessEqual({"add", "list", "enroll"}, self.complete("kscpush device "))
        self.assertNotIn("dp", self.complete("kscpush device "))

    def test_settings(self):
        self.offers("kscpush policy set force", "force-via-dp")
        self.offers("kscpush policy lock connectivity.schedule.s",
                    "connectivity.schedule.synchronization_interval")

    def test_options(self):
        self.offers("kscpush dp enable --po", "--port")
        self.offers("kscpush policy set force-via-dp --dr", "--dry-run")
        self.offers("kscpush --conf", "--config")

    def test_options_of_all_commands_after_a_command(self):
        self.offers("kscpush dp list --outp", "--output")
        self.offers("kscpush -o json dp en", "enable")

    def test_options_that_may_be_given_again(self):
        self.offers("kscpush device add pc-1 --tag laptop --ta", "--tag")

    def test_values_of_options(self):
        self.offers("kscpush dp list -o j", "json")
        self.offers("kscpush serve --log-level w", "warn")
        self.offers("kscpush completion z", "zsh")

    def test_files_and_folders(self):
        self.offers("kscpush device enroll pc-1 --out de", "devices")
        self.offers("kscpush dp list --config ks", "kscpush.yaml")
        self.assertIn("devices of Berlin.csv", self.complete("kscpush device import de"))

    def test_nothing_where_only_the_user_knows(self):
        self.offers("kscpush dp enable --port ")
        self.offers("kscpush device show kscp")


class Bash(Cases, unittest.TestCase):
    shell = "bash"

    def complete(self, line):
        ask = """
source "$1"; shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_kscpush
printf '%s\\n' "${COMPREPLY[@]}"
"""
        shown = self.run_shell("bash", "-u", "-c", ask, "bash", self.script, *line.split(" "))
        return set(shown.splitlines()) - {""}


class Fish(Cases, unittest.TestCase):
    shell = "fish"

    def complete(self, line):
        shown = self.run_shell("fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]",
                               self.script, line)
        # A line each: the word, a tab, what it is. Folders end in '/'.
        return {offer.split("\t")[0].rstrip("/") for offer in shown.splitlines()}


class Zsh(Cases, unittest.TestCase):
    """zsh completes only in its line editor, which wants a terminal. All that is offered goes through
    compadd; -O asks it for what matches, once more."""

    shell = "zsh"
    SETTINGS = """
fpath=($ZDOTDIR $fpath)
autoload -Uz compinit && compinit -u -C -d $ZDOTDIR/dump
compadd() {
  local -a offered
  if (( ! ${@[(I)-[OAD]]} )); then
    builtin compadd -O offered "$@"
    print -rl -- $offered >> $KSCPUSH_OFFERED
  fi
  builtin compadd "$@"
}
zle-line-init() {
  BUFFER=$KSCPUSH_LINE CURSOR=$#KSCPUSH_LINE
  zle list-choices
  exit
}
zle -N zle-line-init
"""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.home / ".zshrc").write_text(cls.SETTINGS, encoding="utf-8")

    def complete(self, line):
        offered = self.home / "offered"
        offered.write_text("")
        with Terminal("-i", program="zsh", folder=self.folder, ZDOTDIR=str(self.home), TERM="dumb",
                      KSCPUSH_LINE=line, KSCPUSH_OFFERED=str(offered)) as zsh:
            zsh.code()
            # zsh itself says what is wrong with a script in the terminal alone.
            self.assertNotIn("_kscpush:", zsh.shown)
            self.assertNotIn("_arguments:", zsh.shown)
        # As it would stand in the line, where a blank is quoted.
        return set(offered.read_text(encoding="utf-8").replace("\\ ", " ").splitlines()) - {""}


if __name__ == "__main__":
    unittest.main()
