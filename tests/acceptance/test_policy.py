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

    def test_a_list_is_set_by_words_or_commas(self):
        name = "connectivity.schedule.intervals"
        berlin = ["--policy", "Berlin"]
        self.site.succeed("policy", "set", name, "22:00-06:00", "12:00-13:00", *berlin)
        both = '["22:00-06:00","12:00-13:00"]'
        self.assertEqual(self.effective("--group", "Managed devices/Berlin")[name]["value"], both)
        before = self.site.text
        self.site.succeed("policy", "set", name, "22:00-06:00,12:00-13:00", *berlin)
        self.assertEqual(self.site.text, before)
        self.site.succeed("policy", "set", name, "none", "--lock", *berlin)
        row = self.effective("--group", "Managed devices/Berlin")[name]
        self.assertEqual((row["value"], row["lock"]), ("[]", "locked"))
        self.assert_error(self.site.kscpush("policy", "set", name, "noon", *berlin), 2)

    def test_a_list_of_mappings_is_not_set_by_a_command(self):
        before = self.site.text
        done = self.site.kscpush("policy", "set", "connectivity.connection_profiles.profiles",
                                 "Office", "--policy", "Berlin")
        self.assert_error(done, 2)
        self.assertIn("kscpush policy edit", done.err)
        self.assertEqual(self.site.text, before)

    def test_explain_says_why_each_loser_lost(self):
        self.site.succeed("policy", "set", "force-via-dp", "--policy", "Network Agent")
        done = self.site.succeed("policy", "explain", "--group", "Managed devices/Berlin",
                                 "force-via-dp", "--local", "force-via-dp=off")
        self.assertIn(f"{OPTION} = true", done.out)
        self.assertRegex(done.out, r"\* true +policy 'Network Agent' of 'Managed devices', locked")
        self.assertRegex(done.out, r"false +local setting of the device: a locked value overwrites")

    def test_a_local_setting_may_stand_before_the_device(self):
        self.site.succeed("device", "add", "pc-1", "--group", "Managed devices/Berlin")
        done = self.site.succeed("policy", "explain", "--local", "force-via-dp=on", "pc-1",
                                 "force-via-dp")
        self.assertRegex(done.out, r"\* true +local setting of the device")

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

    def test_how_many_devices_move_by_counts(self):
        self.site.succeed("dp", "enable", "--port", "13295")
        devices = ["--devices", "Managed devices=12000"]
        done = self.site.succeed("dp", "capacity", *devices, "--add", "dp-2", "--max-connections",
                                 "10000")
        self.assertIn("As it would be with 'dp-2': about 2000 of 12000 devices move; the fair share "
                      "is 2000.", done.err)
        self.assertIn("dp-2", done.out)
        done = self.site.succeed("dp", "capacity", *devices, "--lose", "dp-1")
        self.assertIn("As it would be without 'dp-1': about 12000 of 12000", done.err)
        self.assertIn("12000 devices that no enabled push server serves", done.err)

    def test_how_many_devices_move_and_who_is_full_by_the_registry(self):
        for i in range(6):
            self.site.succeed("device", "add", f"pc-{i}", "--group", "Managed devices/Berlin")
        self.site.succeed("dp", "enable", "--max-connections", "2")
        self.site.succeed("dp", "add", "dp-2", "--address", "dp2.example.com", "--group",
                          "Managed devices")
        self.site.succeed("dp", "enable", "dp-2")
        own = ["--dp", "dp-1"]
        rows = {row["dp"]: row for row in json.loads(
            self.site.succeed("dp", "capacity", *own, "-o", "json").out)}
        self.assertEqual(rows["dp-1"]["devices"] + rows["dp-2"]["devices"], 6)
        self.assertLessEqual(rows["dp-1"]["devices"], 2)
        done = self.site.succeed("dp", "capacity", *own, "--lose", "dp-1")
        self.assertIn(f"exactly {rows['dp-1']['devices']} of 6 devices move", done.err)

    def test_assign_says_when_the_first_choice_is_full(self):
        for i in range(8):
            self.site.succeed("device", "add", f"laptop-{i}", "--group", "Managed devices/Berlin")
        self.site.succeed("dp", "enable", "--max-connections", "4")
        self.site.succeed("dp", "add", "dp-2", "--address", "dp2.example.com", "--group",
                          "Managed devices")
        self.site.succeed("dp", "enable", "dp-2", "--max-connections", "4")
        held, overflowed = {"dp-1": 0, "dp-2": 0}, 0
        for i in range(8):
            rows = json.loads(self.site.succeed("dp", "assign", f"laptop-{i}", "--dp", "dp-1", "-o",
                                                "json").out)
            chosen = [row for row in rows if row["assigned"]]
            self.assertEqual(len(chosen), 1)
            held[chosen[0]["dp"]] += 1
            if chosen[0]["rank"] == 2:
                overflowed += 1
                self.assertEqual(rows[0]["why"], "would be first, but it is full: 4 of 4")
                self.assertEqual(rows[1]["why"], "the first that is not full: holds 4 of 4")
        self.assertEqual(held, {"dp-1": 4, "dp-2": 4})
        self.assertGreater(overflowed, 0)

    def test_a_push_server_that_is_off_cannot_be_lost(self):
        done = self.site.kscpush("dp", "capacity", "--devices", "Managed devices=10", "--lose",
                                 "dp-1")
        self.assert_error(done, 2)
        self.assertIn("push server of 'dp-1' is off", done.err)

    def test_a_scope_with_network_locations_and_all_services_is_shown(self):
        self.site.replace("    push_server:\n", """    ksn_proxy: {enabled: true}
    multicast: {enabled: true}
    push_server:
""")
        self.site.replace("      groups: [Managed devices] ", """      network_locations:
        - {name: Lab, subnets: [10.20.0.0/16]}
      groups: [Managed devices] """)
        self.assertEqual(self.site.succeed("validate").err, "")
        shown = json.loads(self.site.succeed("dp", "show", "-o", "json").out)
        self.assertEqual(shown["scope"]["network_locations"],
                         [{"name": "Lab", "subnets": ["10.20.0.0/16"]}])
        ports = {(p["transport"], p["port"]) for p in shown["ports"]}
        self.assertEqual(ports, {("TCP", 13000), ("UDP", 15000), ("TCP", 13111), ("UDP", 15111),
                                 ("UDP", 15001), ("TCP", 13295), ("TCP", 13299)})

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
