// What devices say of themselves, on its way to the store: one report of a device at a time. What
// it says meanwhile waits, of each part the newest, so that a device that never stops reporting has
// one change among those that wait for the disk.
//
// One thread: the loop's.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/ids.hpp"
#include "core/report.hpp"
#include "server/counters.hpp"
#include "server/net/loop.hpp"
#include "server/store/shard_store.hpp"

namespace kscpush::server {

class ReportQueue {
 public:
  // All must outlive this, which must outlive what the store has been given. REPLACED counts the
  // reports that were put together with a newer one.
  ReportQueue(ShardStore& store, Loop& loop, Counter& replaced)
      : store_(store), loop_(loop), replaced_(replaced) {}

  // As ShardStore::report().
  void put(const DeviceId& id, DeviceReport report, bool in_sync, WallTime now);
  // Gives the store all that waits, at the end.
  void flush();

 private:
  struct Waiting {
    DeviceReport report;
    bool in_sync;
    WallTime said;  // its policy
  };
  void write(const DeviceId& id, Waiting report);
  void written(const DeviceId& id);

  ShardStore& store_;
  Loop& loop_;
  Counter& replaced_;
  // By the device, one of whose reports the store has been given.
  std::map<std::string, std::optional<Waiting>, std::less<>> behind_;
};

}  // namespace kscpush::server
