"""The scenario of docs/fleet.md, with fewer agents."""

import subprocess
import unittest
from pathlib import Path

from processes import KSCPUSH

REPOSITORY = Path(__file__).resolve().parents[2]


class Fleet(unittest.TestCase):
    def test_the_scenario_with_30_agents(self):
        script = REPOSITORY / "scripts" / "fleet-scenario"
        done = subprocess.run([script, "--agents", "30", "--kscpush", KSCPUSH], text=True,
                              capture_output=True, timeout=240, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-3000:])
        for step in ("exactly the 10 agents of Dresden", "the rollout halted", "through the tunnel",
                     "all are back and in sync"):
            self.assertIn(step, done.stdout)


if __name__ == "__main__":
    unittest.main()
