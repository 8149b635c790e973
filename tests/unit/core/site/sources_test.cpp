#include "core/site/sources.hpp"

#include <doctest/doctest.h>

#include "core/site/edit.hpp"
#include "core/site/include_path.hpp"
#include "core/site/load.hpp"

namespace kscpush::site {
namespace {

using Files = std::vector<SourceFile>;
using Texts = std::vector<std::string>;

struct Loaded {
  Sources sources;
  Site site;
  Texts findings;  // "FILE:LINE:COLUMN: message"
  Diagnostics diagnostics;
};

Loaded load_files(const Files& files) {
  auto sources = Sources::from(files);
  REQUIRE(sources.has_value());
  Loaded loaded{*sources, {}, {}, {}};
  loaded.site = load(loaded.sources, loaded.diagnostics);
  for (const Diagnostic& d : loaded.diagnostics) {
    loaded.findings.push_back(to_string(d.origin) + ": " + d.message);
  }
  return loaded;
}

Texts group_names(const Site& site) {
  Texts names;
  for (const Group& group : site.groups) names.push_back(group.path.substr(kRootGroup.size() + 1));
  return names;
}

std::string groups_file(const std::string& name) {
  return "groups:\n  - Managed devices/" + name + "\n";
}

}  // namespace

TEST_CASE("lists are those of the file itself, then of its includes in order") {
  const Loaded loaded = load_files({
      {"kscpush.yaml", "version: 1\ninclude: [b.yaml, a/*.yaml]\ngroups: [Managed devices/Root]\n"},
      {"a/2.yaml", groups_file("A2")},
      {"a/10.yaml", groups_file("A10")},
      {"a/sub/3.yaml", groups_file("not matched")},
      {"a/.hidden.yaml", groups_file("hidden")},
      {"b.yaml", "include: deep/c.yaml\n" + groups_file("B")},
      {"deep/c.yaml", "include: [d.yaml]\n" + groups_file("C")},
      {"deep/d.yaml", "version: 1\n" + groups_file("D")},
  });
  CHECK(loaded.findings == Texts{});
  CHECK(group_names(loaded.site) == Texts{"Root", "B", "C", "D", "A10", "A2"});
  CHECK(loaded.site.groups[3].origin.file == "deep/d.yaml");
  CHECK(loaded.sources.name(loaded.site.groups[3].place.document) == "deep/d.yaml");
  CHECK(loaded.sources.bundle().size() == 6);
}

TEST_CASE("a bundle reads as the files that it was made of") {
  const Loaded loaded = load_files({{"k.yaml", "version: 1\ninclude: g*.yaml\n"},
                                    {"g1.yaml", groups_file("A")},
                                    {"other.yaml", "not: included"}});
  const auto bundle = loaded.sources.bundle();
  REQUIRE(bundle.size() == 2);
  CHECK(bundle[0].name == "k.yaml");
  CHECK(group_names(load_files(bundle).site) == Texts{"A"});
}

TEST_CASE("each thing that is wrong with an include is told at its place, all at once") {
  const Loaded loaded = load_files({
      {"k.yaml",
       "version: 1\ninclude:\n  - /etc/a.yaml\n  - ../b.yaml\n  - grups.yaml\n  - a\\b.yaml\n"
       "  - {a: b}\n  - ~\n  - x/*.yaml\n  - broken.yaml\n  - groups.yaml\n  - groups.yaml\n"},
      {"groups.yaml", "groups: [Managed devices/A, Managed devices/X/Y]\n"},
      {"broken.yaml", "groups:\n  - [a\n"},
  });
  CHECK(loaded.findings ==
        Texts{"k.yaml:3:5: the included path '/etc/a.yaml' is absolute",
              "k.yaml:4:5: the included path '../b.yaml' leads out of the configuration's folder",
              "k.yaml:5:5: the included file 'grups.yaml' does not exist; did you mean "
              "'groups.yaml'?",
              "k.yaml:6:5: the included file 'a\\b.yaml' does not exist",
              "k.yaml:7:5: include must be the path of a file, or a list of paths",
              "k.yaml:8:5: include must be the path of a file, or a list of paths",
              "k.yaml:9:5: no file is named like 'x/*.yaml'",
              "broken.yaml:2:5: '[' of line 2 is not closed, or ',' is missing",
              "k.yaml:12:5: 'groups.yaml' is included twice"});
  CHECK(loaded.diagnostics.back().hint == "included before at k.yaml:11:5; leave one of them out");
  CHECK(loaded.diagnostics[3].hint == "write / between folders, not a backslash");
  CHECK(loaded.diagnostics[6].severity == Severity::kWarning);
}

TEST_CASE("includes that go in a circle") {
  const Loaded loaded = load_files({{"k.yaml", "version: 1\ninclude: a.yaml\n"},
                                    {"a.yaml", "include: b/b.yaml\n"},
                                    {"b/b.yaml", "include: b.yaml\n"}});
  CHECK(loaded.findings == Texts{"b/b.yaml:1:10: the includes go in a circle: b/b.yaml -> "
                                 "b/b.yaml"});
  const Loaded itself =
      load_files({{"k.yaml", "version: 1\ninclude: '*.yaml'\n"}, {"a.yaml", "include: k.yaml\n"}});
  CHECK(itself.findings ==
        Texts{"a.yaml:1:10: the includes go in a circle: k.yaml -> a.yaml -> k.yaml",
              "k.yaml:2:10: the includes go in a circle: k.yaml -> k.yaml"});
}

TEST_CASE("includes are bounded in depth and number") {
  Files chain{{"k.yaml", "version: 1\ninclude: 0.yaml\n"}};
  for (int i = 0; i < 20; ++i) {
    chain.push_back({fmt::format("{}.yaml", i), fmt::format("include: {}.yaml\n", i + 1)});
  }
  CHECK(load_files(chain).findings ==
        Texts{"8.yaml:1:10: includes are nested deeper than 10 files"});
  Files many{{"k.yaml", "version: 1\ninclude: g/*.yaml\n"}};
  for (int i = 0; i < 2000; ++i) many.push_back({fmt::format("g/{}.yaml", i), ""});
  CHECK(load_files(many).findings == Texts{"k.yaml:2:10: more than 1000 files are included"});
}

TEST_CASE("all files together have at most 100 MB") {
  const std::string big = "#" + std::string(40'000'000, 'x') + "\n";
  const Loaded loaded = load_files({{"k.yaml", "version: 1\ninclude: [a.yaml, b.yaml, c.yaml]\n"},
                                    {"a.yaml", big},
                                    {"b.yaml", big},
                                    {"c.yaml", big}});
  CHECK(loaded.findings == Texts{"k.yaml:2:27: with 'c.yaml' the files of the configuration have "
                                 "more than 100 MB in all"});
}

TEST_CASE("names that are taken in another file are told with both places") {
  const Loaded loaded = load_files({
      {"k.yaml",
       "version: 1\ninclude: a.yaml\nadministration_server: {address: a}\n"
       "groups: [Managed devices/A]\ndistribution_points: [{name: dp, address: dp}]\n"
       "policies: [{name: P, group: Managed devices}]\n"},
      {"a.yaml",
       "administration_server: {address: b}\n"
       "groups: [Managed devices/A]\ndistribution_points: [{name: dp, address: dp}]\n"
       "policies: [{name: P, group: Managed devices, status: inactive}]\n"},
  });
  CHECK(loaded.findings ==
        Texts{"a.yaml:1:24: administration_server is given twice",
              "a.yaml:2:10: group 'Managed devices/A' is declared twice, first at k.yaml:4:10",
              "a.yaml:3:23: two distribution points are named 'dp', the first at k.yaml:5:23",
              "a.yaml:4:12: two policies of group 'Managed devices' are named 'P', the first at "
              "k.yaml:6:12"});
  CHECK(loaded.diagnostics[0].hint ==
        "it stands at k.yaml:3:24 already; there is one for all files");
}

TEST_CASE("an edit goes to the file that holds the value, a new entry to that of the last one") {
  const Loaded loaded = load_files({
      {"k.yaml", "version: 1\ninclude: [a.yaml, b.yaml]\ngroups: [Managed devices/A]\n"},
      {"a.yaml", "groups:\n- Managed devices/B\n- Managed devices/C\n"},
      {"b.yaml", "distribution_points:\n  - name: dp-1\n    address: x # old\n"},
  });
  REQUIRE(loaded.findings == Texts{});
  const auto added = add_group(loaded.sources, loaded.site, "Managed devices/D/E");
  REQUIRE(added.has_value());
  CHECK(added->changed_since(loaded.sources) == std::vector<std::size_t>{1});
  CHECK(added->document(1).text() ==
        "groups:\n- Managed devices/B\n- Managed devices/C\n- Managed devices/D\n"
        "- Managed devices/D/E\n");
  const auto removed = remove_group(loaded.sources, loaded.site, "Managed devices/B");
  REQUIRE(removed.has_value());
  CHECK(removed->document(1).text() == "groups:\n- Managed devices/C\n");
  DistributionPointChange change;
  change.address = "new";
  const auto changed = site::change(loaded.sources, loaded.site.distribution_points[0], change);
  REQUIRE(changed.has_value());
  CHECK(changed->document(2).text() ==
        "distribution_points:\n  - name: dp-1\n    address: new # old\n");
}

TEST_CASE("patterns match as a shell's do") {
  CHECK(matches_pattern("a.yaml", "*.yaml"));
  CHECK(matches_pattern("ab.yaml", "a?.yaml"));
  CHECK(matches_pattern("aXbXc", "a*b*c"));
  CHECK(matches_pattern("abab", "*ab"));
  CHECK_FALSE(matches_pattern(".a.yaml", "*.yaml"));
  CHECK_FALSE(matches_pattern("a.yml", "*.yaml"));
  CHECK_FALSE(matches_pattern("a.yaml", "?.yaml?"));
  CHECK_FALSE(matches_pattern(std::string(5000, 'a'), "*a*a*a*a*a*a*b"));
}

}  // namespace kscpush::site
