#include "agent/stats/collectors.hpp"

#include "agent/process/process_group.hpp"
#include "core/file_read.hpp"
#include "core/prometheus.hpp"

namespace kscpush::agent {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kGrace{500};
constexpr int kDeepest = 32;  // whoever reads it on its way may recurse

json failed(const CollectorDeclaration& collector, std::string why) {
  return {{"name", collector.name}, {"error", std::move(why)}};
}

std::string encode(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// One command that runs, and what it has printed so far.
struct Collecting {
  Collecting(const CollectorDeclaration& collector_, asio::io_context& loop)
      : collector(collector_), timer(loop) {}
  const CollectorDeclaration& collector;
  asio::steady_timer timer;
  std::shared_ptr<ProcessGroup> group{};
  std::string text{};
  std::string cut{};  // why the agent has ended it; empty: it has not
};

// Of one request.
class Collection : public std::enable_shared_from_this<Collection> {
 public:
  Collection(Services& services, Collected done)
      : services_(services), done_(std::move(done)), results_(services.config.collectors.size()) {}

  void begin() {
    const auto& collectors = services_.config.collectors;
    waiting_ = collectors.size() + 1;
    for (std::size_t i = 0; i < collectors.size(); ++i) begin(collectors[i], i);
    one_less();
  }

 private:
  void begin(const CollectorDeclaration& collector, std::size_t index) {
    if (collector.command.program.empty()) {
      const auto text = read_regular_file(collector.file, kMostCollected);
      return ended(
          index, text ? read_collected(collector, *text) : failed(collector, text.error().message));
    }
    const auto order = make_order(collector.command, collector.command.args, {});
    if (!order) return ended(index, failed(collector, order.error().message));
    const auto running = std::make_shared<Collecting>(collector, services_.loop);
    auto group = ProcessGroup::start(
        services_.loop, *order, [running](std::string_view bytes) { take(*running, bytes); },
        [self = shared_from_this(), running, index](const ProcessEnd& end) {
          running->timer.cancel();
          running->group.reset();
          self->ended(index, result_of(*running, end));
        });
    if (!group) return ended(index, failed(collector, group.error().message));
    running->group = std::move(*group);
    running->timer.expires_after(std::chrono::seconds(collector.timeout_s));
    running->timer.async_wait([running](const asio::error_code& error) {
      if (!error) stop(*running, fmt::format("no end after {} s", running->collector.timeout_s));
    });
  }

  static void take(Collecting& running, std::string_view bytes) {
    running.text.append(bytes.substr(0, kMostCollected + 1 - running.text.size()));
    if (running.text.size() <= kMostCollected) return;
    stop(running, fmt::format("more than {} bytes", std::size_t{kMostCollected}));
  }

  static void stop(Collecting& running, std::string why) {
    if (running.cut.empty()) running.cut = std::move(why);
    if (running.group != nullptr) running.group->stop(kGrace);
  }

  static json result_of(const Collecting& running, const ProcessEnd& end) {
    const CollectorDeclaration& collector = running.collector;
    if (!running.cut.empty()) return failed(collector, running.cut);
    if (end.signal != 0) return failed(collector, fmt::format("ended by signal {}", end.signal));
    if (end.exit_code != 0) return failed(collector, fmt::format("exit code {}", end.exit_code));
    return read_collected(collector, running.text);
  }

  void ended(std::size_t index, json result) {
    results_[index] = std::move(result);
    one_less();
  }

  void one_less() {
    if (--waiting_ > 0) return;
    json all = json::array();
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < results_.size(); ++i) {
      bytes += encode(results_[i]).size();
      all.push_back(bytes <= kMostCollected
                        ? std::move(results_[i])
                        : failed(services_.config.collectors[i],
                                 fmt::format("all collectors together gave more than {} bytes",
                                             std::size_t{kMostCollected})));
    }
    done_(std::move(all));
  }

  Services& services_;
  const Collected done_;
  std::vector<json> results_;
  std::size_t waiting_ = 0;
};

}  // namespace

json read_collected(const CollectorDeclaration& collector, std::string_view text) {
  if (collector.format == CollectorDeclaration::Format::kPrometheus) {
    const auto families = prometheus::parse(text);
    if (!families) return failed(collector, families.error().message);
    return {{"name", collector.name}, {"metrics", prometheus::render(*families)}};
  }
  bool too_deep = false;
  json values = json::parse(
      text,
      [&](int depth, json::parse_event_t, const json&) {
        too_deep = too_deep || depth > kDeepest;
        return !too_deep;
      },
      /*allow_exceptions=*/false);
  if (too_deep) return failed(collector, fmt::format("JSON deeper than {} levels", kDeepest));
  if (values.is_discarded()) return failed(collector, "what it gave is not JSON");
  return {{"name", collector.name}, {"values", std::move(values)}};
}

void collect(Services& services, Collected done) {
  std::make_shared<Collection>(services, std::move(done))->begin();
}

}  // namespace kscpush::agent
