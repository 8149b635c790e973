// kscpush events: what happens at the push server, as it happens.
#include <ostream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/support/api_client.hpp"
#include "cli/support/event_stream.hpp"
#include "cli/support/interrupt.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kLongestPause{15};
constexpr std::chrono::milliseconds kFirstPause{250};

struct EventsOptions {
  std::string types;
  std::string device;
  std::string group;
  std::size_t count = 0;
  std::string dp;
};

std::string query_of(const EventsOptions& options) {
  std::string query;
  const auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    query += fmt::format("{}{}={}", query.empty() ? '?' : '&', name, ApiClient::escape(value));
  };
  add("type", options.types);
  add("device", options.device);
  add("group", options.group);
  return query;
}

// What an event says beside its time, type and device: "kind=sync state=acked".
std::string details(const json& data) {
  std::string text;
  for (const auto& [name, value] : data.items()) {
    if (name == "at" || name == "device") continue;
    text +=
        fmt::format(" {}={}", name, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

void print_event(const ServerEvent& event, const Context& context) {
  const json data = json::parse(event.data, nullptr, /*allow_exceptions=*/false);
  const Format format = context.output_format();
  if (format == Format::kJson || format == Format::kYaml) {  // a line is both
    context.out << json{{"id", event.id}, {"type", event.type}, {"data", data}}.dump() << '\n';
  } else if (format == Format::kName) {
    context.out << event.type << '\n';
  } else {
    const std::string device = data.is_object() ? data.value("device", std::string("-")) : "-";
    const std::string at = data.is_object() ? data.value("at", std::string("-")) : "-";
    context.out << fmt::format("{:24} {:20} {}{}\n", at, event.type, device, details(data));
  }
  context.out.flush();
}

Status run_events(const EventsOptions& options, Context& context) {
  const auto api = open_api(options.dp, context);
  if (!api) return fail(api.error());
  const Interrupt interrupt;  // how it ends, not a failure
  std::size_t seen = 0;
  // Nor is there a use in following what cannot be printed; the end of the run says so.
  const auto is_enough = [&] {
    return !context.out || (options.count > 0 && seen >= options.count);
  };
  std::chrono::milliseconds wait = kFirstPause;
  EventStream events([&](const ServerEvent& event) {
    wait = kFirstPause;
    if (is_enough()) return;
    print_event(event, context);
    ++seen;
  });
  const std::string path = "/v1/events" + query_of(options);
  bool was_connected = false;
  for (;;) {
    ApiClient::Headers headers;
    if (!events.last_id().empty()) headers.push_back("Last-Event-ID: " + events.last_id());
    auto streamed = api->stream(
        path, headers,
        [&](std::string_view bytes) {
          was_connected = true;
          events.feed(bytes);
        },
        [&] { return !interrupt.pending() && !is_enough(); });
    if (interrupt.pending() || is_enough()) return {};
    const bool may_pass = streamed || streamed.error().code == ErrorCode::kUnreachable ||
                          streamed.error().code == ErrorCode::kNoAnswer;
    if (!was_connected || !may_pass) return streamed;
    events.restart();
    print_note("the connection to the push server ended; connecting again", context);
    if (interrupt.wait(wait)) return {};
    wait = std::min<std::chrono::milliseconds>(wait * 2, kLongestPause);
  }
}

}  // namespace

void add_events(CLI::App& parent, Context& context) {
  auto options = std::make_shared<EventsOptions>();
  CLI::App* command = parent.add_subcommand(
      "events", "What happens at the push server, line by line, until Ctrl-C");
  command
      ->add_option("--type", options->types,
                   "Those of these types: device, push.acked, ... with commas (default: all)")
      ->type_name("TYPES");
  command->add_option("--device", options->device, "Those of this device")->type_name("DEVICE");
  command->add_option("--group", options->group, "Those of devices in this group or below it")
      ->type_name("GROUP");
  command->add_option("--count", options->count, "End after so many events")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000'000'000));
  command->add_option("--dp", options->dp, "Distribution point (default: the only one)")
      ->type_name("DP");
  command->callback([options, &context] {
    context.action = [options, &context] { return run_events(*options, context); };
  });
}

}  // namespace kscpush::cli
