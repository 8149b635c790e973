#include "cli/bench/runner.hpp"

#include <algorithm>
#include <cmath>

#include <poll.h>
#include <unistd.h>

#include "cli/app.hpp"
#include "cli/bench/figures.hpp"
#include "cli/support/progress.hpp"

namespace kscpush::cli::bench {
namespace {

using nlohmann::json;

constexpr Duration kPatience = std::chrono::seconds(60);  // without any progress
constexpr Duration kSettle = std::chrono::seconds(1);     // before memory is looked at
constexpr Duration kShow = std::chrono::milliseconds(200);
constexpr std::size_t kHopeless = 20;  // failures before the first success

double seconds_between(MonoTime from, MonoTime to) {
  return std::chrono::duration<double>(to - from).count();
}

// Two digits behind the point are what a reader wants of milliseconds.
double rounded(double value) {
  return std::round(value * 100) / 100;
}

std::int64_t each(std::uint64_t before, std::uint64_t after, std::size_t count) {
  const auto more = static_cast<std::int64_t>(after) - static_cast<std::int64_t>(before);
  return count == 0 ? 0 : more / static_cast<std::int64_t>(count);
}

json cpu_between(const ProcessUsage& before, const ProcessUsage& after, std::size_t count) {
  const auto us = [&](std::uint64_t ns) {
    return count == 0 ? 0.0 : rounded(static_cast<double>(ns) / 1e3 / static_cast<double>(count));
  };
  // Of a server that was started anew meanwhile, the whole.
  const std::uint64_t ns =
      after.cpu_ns < before.cpu_ns ? after.cpu_ns : after.cpu_ns - before.cpu_ns;
  json threads = json::object();
  for (const auto& [name, total] : after.threads) {
    const auto old = before.threads.find(name);
    const std::uint64_t was = old == before.threads.end() ? 0 : old->second;
    threads[name] = us(total < was ? total : total - was);
  }
  return {{"cpu_us", us(ns)},
          {"cpu_s", rounded(static_cast<double>(ns) / 1e9)},
          {"threads", std::move(threads)}};
}

std::string commonest(const std::map<std::string, std::size_t>& reasons) {
  const auto most = std::ranges::max_element(
      reasons, [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == reasons.end() ? "no answer" : most->first;
}

}  // namespace

Runner::Runner(Loop& loop, Fleet& fleet, Pusher* pusher, AdminProbe* probe, RunOptions options,
               const Context& context)
    : loop_(loop),
      fleet_(fleet),
      pusher_(pusher),
      probe_(probe),
      options_(std::move(options)),
      context_(context) {}

Result<Runner::Moment> Runner::moment(bool memory) const {
  Moment result{loop_.now(), std::nullopt};
  if (!options_.pid) return result;
  auto usage = memory ? process_usage(*options_.pid) : process_cpu(*options_.pid);
  if (!usage) return fail(usage.error());
  result.usage = std::move(*usage);
  result.time = loop_.now();
  return result;
}

Result<json> Runner::report(std::string_view name, const Moment& before, std::size_t done,
                            std::vector<float> took, std::size_t times) const {
  const auto after = moment(/*memory=*/false);
  if (!after) return fail(after.error());
  const double seconds = seconds_between(before.time, after->time);
  json row{{"step", name},
           {"devices", fleet_.size()},
           {"failed", fleet_.size() * times - done},
           {"seconds", rounded(seconds)}};
  if (!took.empty()) {
    const Percentiles ms = percentiles(std::move(took));
    row["per_second"] = std::round(static_cast<double>(done) / seconds);
    row["ms"] = {{"p50", rounded(ms.p50)},
                 {"p90", rounded(ms.p90)},
                 {"p99", rounded(ms.p99)},
                 {"max", rounded(ms.max)}};
  }
  if (!fleet_.losses().empty()) row["losses"] = fleet_.losses();
  if (before.usage) row["server"] = cpu_between(*before.usage, *after->usage, done);
  return row;
}

bool Runner::all_ready(const std::string& what) {
  Progress progress(what, fleet_.size(), context_);
  MonoTime shown{};
  MonoTime changed = loop_.now();
  std::size_t had = fleet_.ready();
  loop_.run(
      [&] {
        const MonoTime now = loop_.now();
        if (fleet_.ready() != had) {
          had = fleet_.ready();
          changed = now;
        }
        if (now - shown > kShow) {
          progress.at(had);
          shown = now;
        }
        std::size_t failures = 0;
        for (const auto& [reason, count] : fleet_.losses()) failures += count;
        const bool hopeless = what == "devices connected" && fleet_.took().empty() &&
                              failures >= std::min(kHopeless, fleet_.size());
        return had == fleet_.size() || hopeless || now - changed > kPatience;
      },
      MonoTime::max());
  return fleet_.ready() == fleet_.size();
}

Result<json> Runner::connect() {
  const auto before = moment(/*memory=*/true);
  if (!before) return fail(before.error());
  fleet_.forget_figures();
  fleet_.connect(options_.in_flight, options_.rate);
  if (!all_ready("devices connected") && fleet_.ready() == 0) {
    return fail({ErrorCode::kUnreachable,
                 fmt::format("no device can connect: {}", commonest(fleet_.losses())),
                 "is the server running, and is it the right address and kind (TLS or plain)?"});
  }
  auto row = report("connect", *before, fleet_.ready(), fleet_.took());
  if (!row || !before->usage) return row;
  unconnected_ = before->usage;
  loop_.run_for(kSettle);
  if (auto added = add_memory(*row); !added) return fail(added.error());
  return row;
}

Status Runner::add_memory(json& row) const {
  const auto now = moment(/*memory=*/true);
  if (!now) return fail(now.error());
  const ProcessUsage& was = *unconnected_;
  const ProcessUsage& is = *now->usage;
  const std::size_t count = fleet_.ready();
  row["server"].update({{"own_bytes", each(was.own, is.own, count)},
                        {"pss_bytes", each(was.pss, is.pss, count)},
                        {"rss_bytes", each(was.rss, is.rss, count)},
                        {"kernel_bytes", each(was.kernel, is.kernel, count)},
                        {"process_bytes", is.own}});
  return {};
}

Result<json> Runner::hold(const Step& step) {
  const auto before = moment(/*memory=*/false);
  if (!before) return fail(before.error());
  fleet_.forget_figures();
  const auto total = static_cast<std::size_t>(step.time.count());
  Progress progress("seconds held", total, context_);
  MonoTime shown{};
  const auto end = before->time + std::chrono::duration_cast<Duration>(step.time);
  loop_.run(
      [&] {
        const MonoTime now = loop_.now();
        if (now - shown > kShow && total > 0) {
          progress.at(
              std::min(total, static_cast<std::size_t>(seconds_between(before->time, now))));
          shown = now;
        }
        return false;
      },
      end);
  auto row = report("hold", *before, fleet_.ready(), {});
  if (!row || !before->usage) return row;
  const double ns = row->at("server").at("cpu_s").get<double>();
  (*row)["server"]["cpu_percent"] = rounded(100 * ns / seconds_between(before->time, loop_.now()));
  if (auto added = add_memory(*row); !added) return fail(added.error());
  return row;
}

Result<json> Runner::sweep(std::vector<float>& took) {
  Sweep sweep(loop_, fleet_, *pusher_, options_.push_rate, options_.push_batch);
  const auto before = moment(/*memory=*/false);
  if (!before) return fail(before.error());
  fleet_.forget_figures();
  Progress progress("pushes arrived", fleet_.size(), context_);
  SweepResult result = sweep.run([&](std::size_t arrived) { progress.at(arrived); });
  const std::size_t arrived = result.took.size();
  took.insert(took.end(), result.took.begin(), result.took.end());
  auto row = report("sweep", *before, arrived, std::move(result.took));
  if (row && !result.refused.empty()) (*row)["refused"] = result.refused;
  return row;
}

// What is rare shows in all of them together: the slowest pushes may be of one sweep.
Result<json> Runner::sweeps(const Moment& before, std::vector<float> took, int count) const {
  const std::size_t arrived = took.size();
  auto row = report("sweeps", before, arrived, std::move(took), static_cast<std::size_t>(count));
  if (row) row->erase("losses");  // those of the last
  return row;
}

Result<json> Runner::come_back(bool cut) {
  fleet_.forget_figures();
  if (!cut) {
    fleet_.limit(fleet_.size(), 0);
    Progress progress("devices connected; waiting for the server to go", fleet_.size(), context_);
    const std::size_t connected = fleet_.ready();  // not all, if the server has gone already
    progress.at(connected);
    loop_.run([&] { return fleet_.ready_lost() >= connected; }, MonoTime::max());
  }
  const auto before = cut ? moment(/*memory=*/false) : Result<Moment>(Moment{loop_.now(), {}});
  if (!before) return fail(before.error());
  if (probe_ != nullptr) static_cast<void>(probe_->slowest());
  if (cut) {
    fleet_.cut();
    fleet_.connect(fleet_.size(), 0);
  }
  static_cast<void>(all_ready("devices back"));
  const float slowest = probe_ == nullptr ? 0 : probe_->slowest();
  auto row = report(cut ? "storm" : "outage", *before, fleet_.ready(), fleet_.took());
  if (!row) return row;
  (*row)["resumed"] = fleet_.resumed();
  if (probe_ != nullptr) (*row)["admin_ms"] = rounded(slowest);
  return row;
}

Result<json> Runner::wait_for_line() {
  const auto before = moment(/*memory=*/false);
  if (!before) return fail(before.error());
  print_note("waiting for a line on standard input", context_);
  // A byte at a time: what follows the line is for the next wait.
  loop_.run(
      [] {
        pollfd input{STDIN_FILENO, POLLIN, 0};
        char byte = 0;
        while (::poll(&input, 1, 0) > 0) {
          if (::read(STDIN_FILENO, &byte, 1) != 1 || byte == '\n') return true;
        }
        return false;
      },
      MonoTime::max());
  return report("wait", *before, fleet_.ready(), {});
}

Result<json> Runner::step(const Step& step, std::vector<float>& took) {
  switch (step.kind) {
    case Step::Kind::kHold:
      return hold(step);
    case Step::Kind::kSweep:
      return sweep(took);
    case Step::Kind::kStorm:
      return come_back(/*cut=*/true);
    case Step::Kind::kOutage:
      return come_back(/*cut=*/false);
    case Step::Kind::kWait:
      return wait_for_line();
  }
  return json();
}

Status Runner::run(const std::function<void(const json&)>& row) {
  std::size_t failed = 0;
  const auto take = [&](const Result<json>& measured) -> Status {
    if (Loop::interrupted()) return fail(ErrorCode::kInterrupted, "interrupted");
    if (!measured) return fail(measured.error());
    failed = std::max(failed, measured->at("failed").get<std::size_t>());
    row(*measured);
    return {};
  };
  if (auto taken = take(connect()); !taken) return taken;
  for (const Step& each_step : options_.steps) {
    const bool together = each_step.kind == Step::Kind::kSweep && each_step.count > 1;
    const auto before = together ? moment(/*memory=*/false) : Result<Moment>(Moment{});
    if (!before) return fail(before.error());
    std::vector<float> took;  // by the pushes of its sweeps
    for (int i = 0; i < each_step.count; ++i) {
      if (auto taken = take(step(each_step, took)); !taken) return taken;
    }
    if (!together) continue;
    const auto all = sweeps(*before, std::move(took), each_step.count);
    if (!all) return fail(all.error());
    row(*all);
  }
  if (failed == 0) return {};
  return fail({ErrorCode::kPartial,
               fmt::format("{} of {} devices failed in a step", failed, fleet_.size()),
               "-o json says why: losses, refused"});
}

}  // namespace kscpush::cli::bench
