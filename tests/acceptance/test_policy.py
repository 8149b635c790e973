"""Groups, distribution points and policies as a whole: edited, resolved, explained, sized."""

import json
import unittest

from harness import AcceptanceTest

OPTION = "connectivity.network.use_distribution_point_to_force_connection"


class SiteTest(AcceptanceTest):
    def setUp(self):
        self.site = self.new_site()


class Policies(SiteTest):
    def setUp(self):
        super().setUp()
        self.site.succeed("group", "add", "Managed devices/Berlin/Plant A")
        self.site.succeed("policy", "add", "Berlin", "--group", "Managed devices/Berlin")

    def json(self, *arguments):
        return json.loads(self.site.succeed(*arguments, "-o", "json").out)

    def effective(self, *arguments):
        return {row["setting"]: row for row in self.json("policy", "effective", *arguments)}

    def test_a_group_without_a_policy_gets_its_parents(self):
        self.site.succeed("policy", "set", "force-via-dp", "--policy", "Berlin")
        row = self.effective("--group", "Managed devices/Berlin/Plant A")[OPTION]
        self.assertEqual((row["value"], row["lock"]), ("true", "locked"))
        self.assertEqual(row["from"], "policy 'Berlin' of 'Managed devices/Berlin'")

    def test_a_value_that_a_lock_above_makes_void_is_refused_naming_the_lock(self):
        self.site.succeed("policy", "set", "force-via-dp", "--policy", "Network Agent")
        before = self.site.text
        done = self.site.kscpush("policy", "set", "force-via-dp", "off", "--policy", "Berlin")
        self.assert_error(done, 1)
        self.assertRegex(done.err, r"policy 'Network Agent' .* locks it to true \(kscpush.yaml:\d+")
        self.assertEqual(self.site.text, before)

    def test_explain_says_why_each_loser_lost(self):
        self.site.succeed("policy", "set", "force-via-dp", "--policy", "Network Agent")
        done = self.site.succeed("policy", "explain", "--group", "Managed devices/Berlin",
                                 "force-via-dp", "--local", "force-via-dp=off")
        self.assertIn(f"{OPTION} = true", done.out)
        self.assertRegex(done.out, r"\* true +policy 'Network Agent' of 'Managed devices', locked")
        self.assertRegex(done.out, r"false +local setting of the device: a locked value overwrites")

    def test_the_policy_of_a_registered_device(self):
        self.site.succeed("device", "add", "pc-1", "--group", "Managed devices/Berlin")
        self.site.succeed("policy", "set", "connectivity.schedule.synchronization_interval", "5",
                          "--policy", "Berlin")
        row = self.effective("pc-1")["connectivity.schedule.synchronization_interval"]
        self.assertEqual((row["value"], row["lock"]), ("5", "open"))

    def test_a_profile_acts_while_its_condition_holds(self):
        self.site.text += """    profiles:
      - name: Laptops
        condition: tags contains laptop
        settings: {connectivity: {schedule: {synchronization_interval: !locked 30}}}
"""
        group = ["--group", "Managed devices/Berlin"]
        name = "connectivity.schedule.synchronization_interval"
        self.assertEqual(self.effective(*group)[name]["value"], "15")
        self.assertEqual(self.effective(*group, "--tag", "laptop")[name]["value"], "30")

    def test_a_condition_that_is_wrong_is_an_error_at_its_place(self):
        self.site.text += """    profiles:
      - name: Laptops
        condition: tag contains laptop
        settings: {}
"""
        done = self.site.kscpush("validate")
        self.assert_error(done, 3)
        self.assertRegex(done.err, r"kscpush.yaml:\d+:20: the condition of profile 'Laptops', at "
                                   r"its byte 1: 'tag' is not a property of a device")

    def test_a_policy_that_is_removed_leaves_the_others_alone(self):
        self.site.succeed("policy", "remove", "Berlin")
        self.assertEqual([p["name"] for p in self.json("policy", "list")], ["Network Agent"])


class Points(SiteTest):
    def test_warnings_say_what_will_not_work(self):
        self.site.succeed("dp", "enable", "--port", "13295")
        done = self.site.succeed("validate")
        self.assertIn("warning:", done.err)
        self.assertIn("no policy in its scope has force-via-dp on and locked", done.err)
        self.site.succeed("policy", "set", "force-via-dp")
        self.assertEqual(self.site.succeed("validate").err, "")
        self.site.succeed("dp", "disable")
        self.assertIn("no distribution point in reach", self.site.succeed("validate").err)

    def test_a_point_that_is_added_shares_the_devices(self):
        self.site.succeed("dp", "enable", "--port", "13295")
        self.site.succeed("dp", "add", "dp-2", "--address", "dp2.example.com", "--group",
                          "Managed devices")
        self.site.succeed("dp", "enable", "dp-2", "--max-connections", "10000")
        done = self.site.succeed("dp", "capacity", "--devices", "Managed devices=12000", "-o",
                                 "json")
        rows = {row["dp"]: row for row in json.loads(done.out)}
        self.assertEqual(rows["dp-1"]["expected_devices"], 10000)
        self.assertEqual(rows["dp-2"]["expected_devices"], 2000)
        self.assertFalse(rows["dp-1"]["survives_loss"])
        self.assertIn("2 distribution points at least, 4 recommended", done.err)
        ranks = json.loads(self.site.succeed("dp", "assign", "--group", "Managed devices", "-o",
                                             "json").out)
        self.assertEqual({row["dp"] for row in ranks}, {"dp-1", "dp-2"})

    def test_a_group_that_is_in_use_is_not_removed(self):
        self.site.succeed("group", "add", "Managed devices/Berlin/Plant A")
        done = self.site.kscpush("group", "remove", "Managed devices/Berlin")
        self.assert_error(done, 1)
        self.assertIn("still used by its subgroup 'Managed devices/Berlin/Plant A'", done.err)
        self.site.succeed("group", "remove", "Managed devices/Berlin/Plant A")
        self.site.succeed("group", "remove", "Managed devices/Berlin")

    def test_a_point_that_is_added_and_removed_leaves_the_file_as_it_was(self):
        before = self.site.text
        self.site.succeed("dp", "add", "dp-2", "--address", "dp2.example.com", "--group",
                          "Managed devices")
        self.assertNotEqual(self.site.text, before)
        self.site.succeed("dp", "remove", "dp-2")
        self.assertEqual(self.site.text, before)


if __name__ == "__main__":
    unittest.main()
