// The part of the admin API that keeps the registry of devices.
#include <algorithm>

#include <asio/post.hpp>

#include "core/diagnostic.hpp"
#include "policy/schema.hpp"
#include "server/admin/call.hpp"
#include "server/admin/json.hpp"
#include "server/enrolment.hpp"

namespace kscpush::server {

using nlohmann::json;

namespace {

constexpr std::size_t kLargestImport = 10'000;  // devices in one request

const std::vector<std::string> kNewFields{"id", "group", "tags", "platform", "address"};
const std::vector<std::string> kChangeFields{"group",    "tags",    "add_tags", "remove_tags",
                                             "platform", "address", "revoked",  "sync"};

Result<DeviceFilter> read_filter(std::string_view query) {
  DeviceFilter filter{query_parameter(query, "group"), query_parameter(query, "tag"),
                      query_parameter(query, "platform"), std::nullopt};
  const std::string revoked = query_parameter(query, "revoked");
  if (!revoked.empty() && revoked != "true" && revoked != "false") {
    return fail_field("revoked", "revoked must be true or false");
  }
  if (!revoked.empty()) filter.revoked = revoked == "true";
  return filter;
}

// The fields that a new device and a change have in common.
struct Properties {
  std::optional<std::string> group;
  std::optional<Tags> tags;
  std::optional<std::string> platform;
  std::optional<std::string> address;
};

// PARSE of the field's text, if it is there.
template <class Parse>
Status read_text(const json& body, const char* name, Parse parse,
                 std::optional<std::string>& target) {
  const auto text = text_field(body, name);
  if (!text) return fail(text.error());
  if (!text->has_value()) return {};
  auto parsed = parse(**text);
  if (!parsed) return fail(parsed.error());
  target = std::move(*parsed);
  return {};
}

Status read_tags(const json& body, const char* name, std::optional<Tags>& target) {
  auto texts = texts_field(body, name);
  if (!texts) return fail(texts.error());
  if (!texts->has_value()) return {};
  auto tags = make_tags(std::move(**texts));
  if (!tags) return fail(tags.error());
  target = std::move(*tags);
  return {};
}

Result<Properties> read_properties(const json& body, const site::Site& site) {
  Properties result;
  const auto group = [&](const std::string& text) -> Result<std::string> {
    if (auto known = check_group(site, text); !known) return fail(known.error());
    return text;
  };
  if (auto read = read_text(body, "group", group, result.group); !read) return fail(read.error());
  if (auto read = read_tags(body, "tags", result.tags); !read) return fail(read.error());
  if (auto read = read_text(body, "platform", parse_platform, result.platform); !read) {
    return fail(read.error());
  }
  if (auto read = read_text(body, "address", parse_address, result.address); !read) {
    return fail(read.error());
  }
  return result;
}

Result<NewDevice> read_new(const json& body, const site::Site& site) {
  const auto text = text_field(body, "id");
  if (!text) return fail(text.error());
  auto id = DeviceId::parse(text->value_or(""));
  if (!id) return fail(id.error());
  auto given = read_properties(body, site);
  if (!given) return fail(given.error());
  return NewDevice{std::move(*id), given->group.value_or(std::string(site::kRootGroup)),
                   given->tags.value_or(Tags()), given->platform.value_or(""),
                   given->address.value_or("")};
}

// {"devices": [...]}
Result<std::vector<NewDevice>> read_many(const json& list, const site::Site& site) {
  if (!list.is_array() || list.size() > kLargestImport) {
    return fail(ErrorCode::kUsage, "'devices' must be a list of at most {} devices",
                kLargestImport);
  }
  std::vector<NewDevice> devices;
  devices.reserve(list.size());
  for (const json& item : list) {
    const auto where = [&] { return fmt::format("devices[{}]", devices.size()); };
    if (!item.is_object()) return fail(ErrorCode::kUsage, "{}: not an object", where());
    auto device = read_new(item, site);
    if (!device) return fail(within(where(), device.error()));
    devices.push_back(std::move(*device));
  }
  return devices;
}

Result<DeviceChange> read_change(const json& body, const site::Site& site) {
  auto given = read_properties(body, site);
  if (!given) return fail(given.error());
  const auto revoked = bool_field(body, "revoked");
  if (!revoked) return fail(revoked.error());
  std::optional<Tags> add;
  std::optional<Tags> remove;
  if (auto read = read_tags(body, "add_tags", add); !read) return fail(read.error());
  if (auto read = read_tags(body, "remove_tags", remove); !read) return fail(read.error());
  return DeviceChange{.group = std::move(given->group),
                      .tags = std::move(given->tags),
                      .add_tags = add.value_or(Tags()),
                      .remove_tags = remove.value_or(Tags()),
                      .platform = std::move(given->platform),
                      .address = std::move(given->address),
                      .revoked = *revoked};
}

// Whether policies and scopes see no difference.
bool same_facts(const DeviceRecord& a, const DeviceRecord& b) {
  return a.group == b.group && a.tags == b.tags && a.platform == b.platform &&
         a.address == b.address;
}

// Who may be connected: one whose policy had it come at intervals, and still has, asks by itself.
bool is_to_be_told(PolicyBook& book, const site::DistributionPoint& dp,
                   const ChangedDevice& changed) {
  const auto stays = [&](const DeviceRecord& device) {
    return book.policy(device)->at(policy::kForceViaDp).value == "true";
  };
  const DeviceRecord& device = changed.after;
  if (device.revoked || !site::in_scope(dp, facts_of(device).whereabouts())) return false;
  return !book.same_answer(changed.before, device) && (stays(changed.before) || stays(device));
}

}  // namespace

void AdminApi::list_devices(const Call& call) {
  const std::string_view query = call.request.query;
  const auto limit = page_limit(query);
  if (!limit) return call.answer(limit.error());
  const auto filter = read_filter(query);
  if (!filter) return call.answer(filter.error());
  auto page = server_.store().list_devices(*filter, query_parameter(query, "after"), *limit);
  if (!page) return call.answer(page.error());
  std::vector<DeviceId> ids;
  for (const DeviceRecord& device : page->devices) ids.push_back(device.id);
  server_.views(std::move(ids), [answer = call.later(), page = std::move(*page)](
                                    const std::vector<std::optional<DeviceView>>& views) {
    json list = json::array();
    for (std::size_t i = 0; i < page.devices.size(); ++i) {
      list.push_back(to_json(page.devices[i], views[i]));
    }
    answer(200,
           {{"devices", std::move(list)}, {"next", page.next.empty() ? json() : json(page.next)}});
  });
}

void AdminApi::list_groups(const Call& call) {
  const auto counts = server_.store().count_by_group();
  if (!counts) return call.answer(counts.error());
  call.answer(200, {{"groups", to_json(*counts)}});
}

void AdminApi::add_device(const Call& call) {
  auto fields = kNewFields;
  fields.insert(fields.end(), {"devices", "dry_run"});
  const auto body = body_object(call.request, fields);
  if (!body) return call.answer(body.error());
  const auto dry_run = bool_field(*body, "dry_run");
  if (!dry_run) return call.answer(dry_run.error());
  if (body->contains("devices")) {
    return add_devices(call, body->at("devices"), dry_run->value_or(false));
  }
  if (dry_run->has_value()) {
    return call.answer(Error{ErrorCode::kUsage, "'dry_run' goes with 'devices' only", ""});
  }
  auto device = read_new(*body, keeper_.running()->site);
  if (!device) return call.answer(device.error());
  const DeviceId id = device->id;
  server_.add_devices({std::move(*device)}, [this, id, answer = call.later()](const Status& added) {
    if (!added) return answer(added.error());
    const auto found = server_.registered(id);
    if (!found) return answer(found.error());  // removed again meanwhile
    answer(201, to_json(*found, std::nullopt));
  });
}

void AdminApi::add_devices(const Call& call, const json& list, bool dry_run) {
  auto devices = read_many(list, keeper_.running()->site);
  if (!devices) return call.answer(devices.error());
  if (dry_run) {
    const auto existing = existing_devices(server_.store(), *devices);
    if (!existing) return call.answer(existing.error());
    return call.answer(200, {{"existing", *existing}});
  }
  const std::size_t count = devices->size();
  server_.add_devices(std::move(*devices), [count, answer = call.later()](const Status& added) {
    if (!added) return answer(added.error());
    answer(201, {{"added", count}});
  });
}

std::optional<DeviceId> AdminApi::require_id(const Call& call) {
  auto id = DeviceId::parse(call.id);
  if (id) return std::move(*id);
  call.answer(id.error());
  return std::nullopt;
}

std::optional<DeviceRecord> AdminApi::require_device(const Call& call) {
  const auto id = require_id(call);
  if (!id) return std::nullopt;
  auto found = server_.registered(*id);
  if (found) return std::move(*found);
  call.answer(found.error());
  return std::nullopt;
}

void AdminApi::show_device(const Call& call) {
  const auto device = require_device(call);
  if (!device) return;
  const auto history = history_of(server_.store(), device->id, server_.clock().wall());
  if (!history) return call.answer(history.error());
  server_.view(device->id, [answer = call.later(), device = *device,
                            history = *history](const std::optional<DeviceView>& view) {
    json body = to_json(device, view);
    body.update(to_json(history));
    answer(200, body);
  });
}

void AdminApi::change_device(const Call& call) {
  const auto device = require_device(call);
  if (!device) return;
  const auto body = body_object(call.request, kChangeFields);
  if (!body) return call.answer(body.error());
  const auto sync = bool_field(*body, "sync");
  if (!sync) return call.answer(sync.error());
  auto change = read_change(*body, keeper_.running()->site);
  if (!change) return call.answer(change.error());
  server_.change_device(
      device->id, std::move(*change),
      [this, sync = sync->value_or(true), answer = call.later()](Result<ChangedDevice> changed) {
        if (!changed) return answer(changed.error());
        if (!sync || same_facts(changed->before, changed->after)) {
          return answer_changed(changed->after, nullptr, answer);
        }
        // A first look at a configuration resolves its policies: not on the store's thread.
        asio::post(background_,
                   [this, changed = std::move(*changed), answer] { synchronize(changed, answer); });
      });
}

void AdminApi::synchronize(const ChangedDevice& changed, const Answer& answer) {
  if (!is_to_be_told(policy_book(), server_.config()->dp, changed)) {
    return answer_changed(changed.after, nullptr, answer);
  }
  server_.push(changed.after.id, {.kind = "sync"},
               [this, device = changed.after, answer](const Result<OncePush>& pushed) {
                 const json sync{{"push", pushed ? to_json(pushed->push) : json()},
                                 {"error", pushed ? json() : to_json(pushed.error())}};
                 answer_changed(device, sync, answer);
               });
}

void AdminApi::answer_changed(const DeviceRecord& device, const json& sync, const Answer& answer) {
  server_.view(device.id, [device, sync, answer](const std::optional<DeviceView>& view) {
    json body = to_json(device, view);
    body["sync"] = sync;
    answer(200, body);
  });
}

void AdminApi::remove_device(const Call& call) {
  const auto device = require_device(call);
  if (!device) return;
  server_.remove_device(device->id,
                        [answer = call.later(), id = device->id](const Status& removed) {
                          if (!removed) return answer(removed.error());
                          answer(200, {{"removed", id.str()}});
                        });
}

void AdminApi::token(const Call& call) {
  const auto device = require_device(call);
  if (!device) return;
  const auto body = body_object(call.request, {"ttl"});
  if (!body) return call.answer(body.error());
  const auto ttl = number_field(*body, "ttl");
  if (!ttl) return call.answer(ttl.error());
  // What is beyond the longest is refused like just beyond it.
  const std::int64_t seconds =
      std::clamp<std::int64_t>(ttl->value_or(kUsualToken.count()), 0, kLongestToken.count() + 1);
  const auto issued = issue_token(server_.config()->paths, device->id,
                                  std::chrono::seconds(seconds), server_.clock());
  if (!issued) return call.answer(issued.error());
  server_.store().add_token(issued->noted,
                            [answer = call.later(), body = to_json(*issued)](const Status& added) {
                              if (!added) return answer(added.error());
                              answer(201, body);
                            });
}

void AdminApi::certificate(const Call& call) {
  const auto device = require_device(call);
  if (!device) return;
  auto enrolment = enroll(server_.store(), server_.config()->paths, device->id, server_.clock());
  if (!enrolment) return call.answer(enrolment.error());
  server_.change_device(device->id, enrolment->change(),
                        [answer = call.later(), body = to_json(device->id, *enrolment)](
                            const Result<ChangedDevice>& noted) {
                          if (!noted) return answer(noted.error());
                          answer(201, body);
                        });
}

}  // namespace kscpush::server
