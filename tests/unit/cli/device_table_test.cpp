#include "cli/device/device_table.hpp"

#include <doctest/doctest.h>

namespace kscpush::cli {
namespace {

site::Site make_site() {
  site::Site site;
  site.groups.push_back({"Managed devices/Berlin", {}});
  return site;
}

DeviceTable read(std::string_view text, const std::string& group = "") {
  auto table = read_device_table(text, make_site(), group);
  REQUIRE_MESSAGE(table.has_value(), table.error().message);
  return std::move(*table);
}

using Lines = std::vector<std::string>;

Lines shown(const DeviceTable& table) {
  Lines lines;
  for (std::size_t i = 0; i < table.devices.size(); ++i) {
    const server::NewDevice& d = table.devices[i];
    lines.push_back(fmt::format("{}: {}|{}|{}|{}|{}", table.lines[i], d.id.str(), d.group,
                                join(d.tags), d.platform, d.address));
  }
  return lines;
}

Lines bad(const DeviceTable& table) {
  Lines lines;
  for (const auto& [line, error] : table.bad) {
    lines.push_back(fmt::format("{}: {}", line, error.message));
  }
  return lines;
}

std::string refused(std::string_view text) {
  const auto table = read_device_table(text, make_site(), "");
  REQUIRE_FALSE(table.has_value());
  CHECK(table.error().code == ErrorCode::kUsage);
  return table.error().message;
}

}  // namespace

TEST_CASE("device table: columns in any order, blanks around cells, tags as people write them") {
  const auto table = read(
      " Tags ,ID,group,address,platform\n"
      "\"b; a\", pc-1 ,Managed devices/Berlin,192.0.2.1,Windows\n"
      ",pc-2, Managed devices ,,\n");
  CHECK(table.bad.empty());
  CHECK(shown(table) == Lines{"2: pc-1|Managed devices/Berlin|a b|windows|192.0.2.1",
                              "3: pc-2|Managed devices|||"});
}

TEST_CASE("device table: the first row must name the columns") {
  CHECK(refused("") == "the table is empty");
  CHECK(refused("pc-1,Managed devices\n").starts_with("the first row names an unknown column"));
  CHECK(refused("id,group,grop\n") ==
        "the first row names an unknown column 'grop'; did you mean 'group'?");
  CHECK(refused("group,tags\n") == "the first row names no column 'id'");
  CHECK(refused("id,ID\n") == "the first row names the column 'id' twice");
  CHECK(refused("\"id\n") == "a quote is not closed");
}

TEST_CASE("device table: each bad row is told by its line, the others are read") {
  const auto table = read(
      "id,group,tags,platform,address\n"
      "pc-1,Managed devices,,,\n"
      "pc 2,Managed devices,,,\n"
      "pc-3,Managed devices/Belin,,,\n"
      "pc-4,,,,\n"
      "pc-5,Managed devices,+x,,\n"
      "pc-6,Managed devices,,a b,\n"
      "pc-7,Managed devices,,,300.1.1.1\n"
      "pc-8,Managed devices\n"
      "\"pc-9\"x,Managed devices,,,\n"
      "pc-1,Managed devices,,,\n"
      "pc-10,Managed devices,,,\n");
  CHECK(shown(table) == Lines{"2: pc-1|Managed devices|||", "12: pc-10|Managed devices|||"});
  const Lines found = bad(table);
  REQUIRE(found.size() == 9);
  CHECK(found[0].starts_with("3: 'pc 2' is not a device id"));
  CHECK(found[1] ==
        "4: device 'pc-3': no group 'Managed devices/Belin'; did you mean "
        "'Managed devices/Berlin'?");
  CHECK(found[2] == "5: device 'pc-4' is in no group");
  CHECK(found[3].starts_with("6: '+x' is no tag"));
  CHECK(found[4] == "7: 'a b' is no platform");
  CHECK(found[5] == "8: '300.1.1.1' is no IP address");
  CHECK(found[6] == "9: the row has 2 fields, the first row 5");
  CHECK(found[7] == "10: text follows the closing quote of a field");
  CHECK(found[8] == "11: device 'pc-1' stands in line 2 already");
}

TEST_CASE("device table: a group for those that have none") {
  CHECK(shown(read("id\npc-1\n", "Managed devices/Berlin")) ==
        Lines{"2: pc-1|Managed devices/Berlin|||"});
  CHECK(bad(read("id\npc-1\n")) == Lines{"2: device 'pc-1' is in no group"});
}

TEST_CASE("device table: what is registered already is bad, in its place") {
  auto table = read("id,group\npc-1,Managed devices\n,\npc-2,Managed devices\n");
  table.reject_existing({"pc-2", "elsewhere"});
  CHECK(shown(table) == Lines{"2: pc-1|Managed devices|||"});
  REQUIRE(table.bad.size() == 2);
  CHECK(table.bad[0].line == 3);
  CHECK(bad(table)[1] == "4: device 'pc-2' is registered already");
  table.reject_existing({"pc-1"});
  CHECK(table.devices.empty());
  CHECK(table.bad[0].line == 2);
}

}  // namespace kscpush::cli
