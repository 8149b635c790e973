#include "server/admin/event_feed.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <nlohmann/json.hpp>

#include "core/diagnostic.hpp"
#include "core/site/model.hpp"

namespace kscpush::server {

using nlohmann::json;

namespace {

constexpr std::size_t kBatch = 200;          // events of one look into the log
constexpr std::size_t kBatchesPerTurn = 50;  // then the other listeners have theirs

constexpr std::array<std::string_view, 9> kTypes{"device.connected",
                                                 "device.disconnected",
                                                 "device.resync_required",
                                                 "device.resynchronized",
                                                 "push",
                                                 "site.applied",
                                                 "server.draining",
                                                 "server.serving",
                                                 "server.stopping"};

std::string type_of(const Event& event) {
  const std::string name(kTypes.at(static_cast<std::size_t>(event.type)));
  return event.type == EventType::kPush ? fmt::format("{}.{}", name, to_string(event.state)) : name;
}

// All types there are, and the kinds that they are of.
std::vector<std::string> known_types() {
  std::vector<std::string> all{"device", "push", "site", "server"};
  for (const std::string_view type : kTypes) {
    if (type != "push") all.emplace_back(type);
  }
  for (std::size_t i = 1; i < kPushStates; ++i) {
    all.push_back(fmt::format("push.{}", to_string(PushState(i))));
  }
  return all;
}

bool is_wanted(const std::vector<std::string>& wanted, std::string_view type) {
  return wanted.empty() || std::ranges::any_of(wanted, [&](const std::string& one) {
           return type.starts_with(one) && (type.size() == one.size() || type[one.size()] == '.');
         });
}

std::string message(std::string_view id, std::string_view type, const json& data) {
  return fmt::format("id: {}\nevent: {}\ndata: {}\n\n", id, type,
                     data.dump(-1, ' ', false, json::error_handler_t::replace));
}

// "RUN-NUMBER"; nothing when it is none of ours.
struct EventId {
  std::int64_t run = 0;
  std::uint64_t number = 0;
};
std::optional<EventId> parse_id(std::string_view text) {
  EventId id;
  const char* const last = text.data() + text.size();
  const auto run = std::from_chars(text.data(), last, id.run);
  if (run.ec != std::errc() || run.ptr == last || *run.ptr != '-') return std::nullopt;
  const auto number = std::from_chars(run.ptr + 1, last, id.number);
  if (number.ec != std::errc() || number.ptr != last) return std::nullopt;
  return id;
}

}  // namespace

Result<EventFilter> EventFilter::parse(std::string_view types, std::string_view device,
                                       std::string group) {
  EventFilter filter{{}, std::string(device), std::move(group)};
  while (!types.empty()) {
    const std::string_view type = types.substr(0, types.find(','));
    types.remove_prefix(std::min(type.size() + 1, types.size()));
    const auto known = known_types();
    if (std::ranges::find(known, type) == known.end()) {
      return fail_field("type", "no event is of the type '{}'{}", type.substr(0, 40),
                        suggestion(std::string(type.substr(0, 40)), known));
    }
    filter.types.emplace_back(type);
  }
  if (device.empty() || DeviceId::valid(device)) return filter;
  return fail_field("device", "'{}' is no device id", device.substr(0, 40));
}

struct EventFeed::Seat {
  explicit Seat(std::atomic<std::size_t>& count) : taken(count) { ++taken; }
  ~Seat() { --taken; }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;
  std::atomic<std::size_t>& taken;
};

struct EventFeed::Listener {
  std::shared_ptr<const Seat> seat;
  std::shared_ptr<HttpStream> stream;
  EventFilter filter;
  std::string last_event_id;
  bool begun = false;
  bool over = false;
  std::uint64_t after = 0;  // number of the last event that was looked at
  MonoTime last_sent{};

  void send(std::string text, MonoTime now) {
    stream->send(std::move(text));
    last_sent = now;
  }
};

void EventFeed::Signal::set() {
  {
    const std::scoped_lock lock(mutex);
    woken = true;
  }
  wake.notify_one();
}

EventFeed::EventFeed(PushServer& server, EventFeedOptions options)
    : server_(server),
      log_(server.events()),
      options_(options),
      run_(server.started().time_since_epoch().count()) {
  log_.on_event([signal = signal_] { signal->set(); });
  thread_ = std::thread([this] { loop(); });
  ::pthread_setname_np(thread_.native_handle(), "events");
}

EventFeed::~EventFeed() {
  stop();
}

void EventFeed::stop() {
  stop_ = true;
  signal_->set();
  if (thread_.joinable()) thread_.join();
  std::vector<std::unique_ptr<Listener>> left;
  {
    const std::scoped_lock lock(signal_->mutex);
    left.swap(newcomers_);
  }
  for (const auto& listener : left) listener->stream->end();
}

Result<HttpResponse> EventFeed::listen(EventFilter filter, std::string last_event_id) {
  auto listener = std::make_shared<Listener>();
  // What happens from now on, not from when the thread gets to it: who sees that somebody listens
  // counts on being heard.
  listener->after = log_.newest();
  listener->seat = std::make_shared<const Seat>(listeners_);
  if (listeners_ > options_.listeners) {
    return fail({ErrorCode::kOverloaded,
                 fmt::format("{} listeners follow the events already", options_.listeners),
                 "close one of them, or let one pass on what it gets"});
  }
  listener->filter = std::move(filter);
  listener->last_event_id = std::move(last_event_id);
  HttpResponse response{200, "text/event-stream", ""};
  response.stream = [this, listener](std::shared_ptr<HttpStream> stream) {
    stream->on_progress([signal = signal_] { signal->set(); });
    listener->stream = std::move(stream);
    add(std::make_unique<Listener>(std::move(*listener)));
  };
  return response;
}

void EventFeed::add(std::unique_ptr<Listener> listener) {
  const std::shared_ptr<HttpStream> stream = listener->stream;
  bool is_late = false;
  {
    const std::scoped_lock lock(signal_->mutex);
    is_late = stop_;
    if (!is_late) newcomers_.push_back(std::move(listener));
  }
  // Never with the lock: a stream may call back at once, and set the signal.
  if (is_late) return stream->end();
  signal_->set();
}

void EventFeed::loop() {
  std::vector<std::unique_ptr<Listener>> listeners;
  while (!stop_) {
    // Before the look at the log: what comes after it wakes.
    if (!listeners.empty()) log_.expect();
    const MonoTime now = std::chrono::steady_clock::now();
    bool more = false;
    MonoTime beat_at = MonoTime::max();
    for (const auto& listener : listeners) {
      more = serve(*listener, now) || more;
      // Who has not taken what it was sent needs no sign of life, and makes one when it does.
      if (listener->stream->unsent() >= options_.unsent_bytes) continue;
      beat_at = std::min(beat_at, listener->last_sent + options_.heartbeat);
    }
    std::erase_if(listeners,
                  [](const auto& listener) { return listener->over || listener->stream->gone(); });
    std::unique_lock lock(signal_->mutex);
    if (!more) wait(lock, beat_at);
    signal_->woken = false;
    std::ranges::move(newcomers_, std::back_inserter(listeners));
    newcomers_.clear();
  }
  for (const auto& listener : listeners) listener->stream->end();
}

void EventFeed::wait(std::unique_lock<std::mutex>& lock, MonoTime beat_at) {
  const auto woken = [this] { return signal_->woken || stop_; };
  if (beat_at == MonoTime::max()) {
    signal_->wake.wait(lock, woken);
  } else {
    signal_->wake.wait_until(lock, beat_at, woken);
  }
}

std::string EventFeed::id_of(std::uint64_t number) const {
  return fmt::format("{}-{}", run_, number);
}

// Where it goes on, and what it has missed.
void EventFeed::begin(Listener& listener) const {
  listener.begun = true;
  std::string text =
      fmt::format(": kscpush {}\nid: {}\n\n", server_.config()->dp.name, id_of(listener.after));
  if (!listener.last_event_id.empty()) {
    const auto last = parse_id(listener.last_event_id);
    const bool ours = last && last->run == run_ && last->number <= listener.after;
    const std::uint64_t kept_behind = log_.oldest() - 1;
    if (ours && last->number >= kept_behind) {
      listener.after = last->number;
      text.clear();
    } else {
      listener.after = kept_behind;
      const std::string_view reason = ours ? "too much has happened since that event"
                                           : "that event is of an earlier run of the server";
      text = message(id_of(listener.after), "reset", {{"reason", reason}});
    }
  }
  if (text.empty()) text = ": again\n\n";
  listener.send(std::move(text), std::chrono::steady_clock::now());
}

bool EventFeed::serve(Listener& listener, MonoTime now) {
  if (!listener.begun) begin(listener);
  std::vector<Event> events;
  for (std::size_t batch = 0; batch < kBatchesPerTurn; ++batch) {
    if (listener.stream->gone() || listener.stream->unsent() >= options_.unsent_bytes) return false;
    events.clear();
    if (!log_.read(listener.after, kBatch, events)) {
      ++overflows_;
      listener.send(message(id_of(listener.after), "overflow",
                            {{"reason", "events came faster than they were read"}}),
                    now);
      listener.stream->end();
      listener.over = true;
      return false;
    }
    if (events.empty()) {
      beat(listener, now);
      return false;
    }
    std::string text;
    for (const Event& event : events) text += render(event, listener.filter);
    listener.after = events.back().number;
    if (!text.empty()) listener.send(std::move(text), now);
  }
  return true;
}

// With the newest id: who hears nothing for long should not have to be told that it missed
// something.
void EventFeed::beat(Listener& listener, MonoTime now) const {
  if (now - listener.last_sent < options_.heartbeat) return;
  listener.send(fmt::format(": alive\nid: {}\n\n", id_of(listener.after)), now);
}

bool EventFeed::passes(const EventFilter& filter, const std::string& device) const {
  if (!filter.device.empty() && device != filter.device) return false;
  if (filter.group.empty()) return true;
  if (device.empty()) return false;
  const auto found = server_.store().find_device(*DeviceId::parse(device));
  return found && found->has_value() && site::within_group((*found)->group, filter.group);
}

std::string EventFeed::render(const Event& event, const EventFilter& filter) const {
  const std::string type = type_of(event);
  if (!is_wanted(filter.types, type)) return {};
  if (event.type == EventType::kPush) return render_push(event, filter);
  json data{{"at", to_rfc3339(event.at)}};
  const bool of_device = event.type < EventType::kPush;
  if (of_device) data["device"] = event.device;
  if (event.type == EventType::kDeviceDisconnected) data["reason"] = to_string(event.reason);
  if (event.type == EventType::kDeviceResyncRequired) data["reason"] = to_string(event.resync);
  if (event.type == EventType::kSiteApplied) data["revision"] = event.subject;
  if (!passes(filter, of_device ? event.device : std::string())) return {};
  return message(id_of(event.number), type, data);
}

std::string EventFeed::render_push(const Event& event, const EventFilter& filter) const {
  const auto push = server_.store().find_push(event.subject);
  if (!push || !push->has_value()) return {};  // removed with its device
  const PushRecord& record = **push;
  if (!passes(filter, record.device.str())) return {};
  json data{{"at", to_rfc3339(event.at)},      {"device", record.device.str()},
            {"id", record.id.str()},           {"kind", record.kind},
            {"state", to_string(event.state)}, {"attempts", record.attempts}};
  if (record.state == event.state && !record.reason.empty()) data["reason"] = record.reason;
  return message(id_of(event.number), type_of(event), data);
}

}  // namespace kscpush::server
