// What durable pushes cost against the disk and SQLite alone (scripts/durability):
//   bench_durable_floor sqlite DATABASE CLIENTS ROWS
//     CLIENTS threads hand one row of pushes at a time to one writer, which commits what waits
//     together; DATABASE is a push server's, with the devices pc-0 and so on
//   bench_durable_floor http PORT TOKEN CLIENTS ROWS DEVICES
//     CLIENTS connections, each with one push at a time, post to the admin API
// Prints how many a second.
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <semaphore>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sqlite3.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

[[noreturn]] void die(std::string_view what) {
  fmt::print(stderr, "bench_durable_floor: {}\n", what);
  std::exit(1);
}

// Rows that are still to be done, for many threads.
class Rows {
 public:
  explicit Rows(long count) : left_(count) {}
  // The next one's number from 0; negative: none is left.
  long next() { return left_.fetch_sub(1, std::memory_order_relaxed) - 1; }

 private:
  std::atomic<long> left_;
};

class Sqlite {
 public:
  explicit Sqlite(const char* path) {
    if (sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK) die("cannot set up SQLite");
    if (sqlite3_open(path, &database_) != SQLITE_OK) fail();
    // As the server has them.
    run("PRAGMA foreign_keys = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000");
    constexpr std::string_view kInsert =
        "INSERT INTO pushes(id, device, kind, params, collapse_key, state, expires, due,"
        " accepted_at, stored_at, rollout) VALUES(?1, ?2, 'ping', '{}', '', 1, ?3, ?3, ?4, ?4,"
        " NULL)";
    if (sqlite3_prepare_v2(database_, kInsert.data(), static_cast<int>(kInsert.size()), &insert_,
                           nullptr) != SQLITE_OK) {
      fail();
    }
  }
  Sqlite(const Sqlite&) = delete;
  Sqlite& operator=(const Sqlite&) = delete;
  ~Sqlite() {
    sqlite3_finalize(insert_);
    sqlite3_close(database_);
  }

  void run(const char* sql) {
    if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
  }

  void insert(const std::string& id, const std::string& device, std::int64_t now) {
    constexpr std::int64_t kHourMs = 3'600'000;
    sqlite3_bind_text(insert_, 1, id.data(), static_cast<int>(id.size()), SQLITE_STATIC);
    sqlite3_bind_text(insert_, 2, device.data(), static_cast<int>(device.size()), SQLITE_STATIC);
    sqlite3_bind_int64(insert_, 3, now + kHourMs);
    sqlite3_bind_int64(insert_, 4, now);
    if (sqlite3_step(insert_) != SQLITE_DONE) fail();
    sqlite3_reset(insert_);
  }

  [[nodiscard]] long count(const char* sql) {
    sqlite3_stmt* query = nullptr;
    if (sqlite3_prepare_v2(database_, sql, -1, &query, nullptr) != SQLITE_OK) fail();
    if (sqlite3_step(query) != SQLITE_ROW) fail();
    const long result = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    return result;
  }

 private:
  [[noreturn]] void fail() { die(sqlite3_errmsg(database_)); }

  sqlite3* database_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

// A client that waits until its row is on disk.
struct Waiting {
  std::string id;
  std::string device;
  std::binary_semaphore done{0};
};

class Queue {
 public:
  void put(Waiting& row) {
    {
      const std::scoped_lock lock(mutex_);
      rows_.push_back(&row);
    }
    some_.release();
  }
  // Waits until there are some.
  [[nodiscard]] std::vector<Waiting*> take() {
    std::vector<Waiting*> taken;
    while (taken.empty()) {
      some_.acquire();
      const std::scoped_lock lock(mutex_);
      taken.swap(rows_);
    }
    return taken;
  }

 private:
  std::mutex mutex_;
  std::vector<Waiting*> rows_;
  std::counting_semaphore<> some_{0};
};

void group_commit(Sqlite& database, Queue& queue, long rows) {
  while (rows > 0) {
    const auto group = queue.take();
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    database.run("BEGIN IMMEDIATE");
    for (const Waiting* row : group) database.insert(row->id, row->device, now.count());
    database.run("COMMIT");
    for (Waiting* row : group) row->done.release();
    rows -= static_cast<long>(group.size());
  }
}

void measure_sqlite(const char* path, int clients, long count) {
  Sqlite database(path);
  const long devices = database.count("SELECT count(*) FROM devices");
  if (devices == 0) die("the database has no devices");
  Rows rows(count);
  Queue queue;
  std::vector<std::thread> threads;
  for (int n = 0; n < clients; ++n) {
    threads.emplace_back([&] {
      Waiting row;
      for (long number = rows.next(); number >= 0; number = rows.next()) {
        row.id = fmt::format("{:026}", number);
        row.device = fmt::format("pc-{}", number % devices);
        queue.put(row);
        row.done.acquire();
      }
    });
  }
  group_commit(database, queue, count);
  for (std::thread& thread : threads) thread.join();
}

class Connection {
 public:
  explicit Connection(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(socket_, generic, sizeof address) != 0) die("cannot connect to the admin API");
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { ::close(socket_); }

  [[nodiscard]] int descriptor() const { return socket_; }

  void send(std::string_view request) {
    answer_.clear();
    if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      die("the admin API takes no request");
    }
  }

  // Reads what there is. True: it has been answered, with 202.
  bool answered() {
    char space[4096];
    const ssize_t got = ::recv(socket_, space, sizeof space, 0);
    if (got <= 0) die("the admin API closed the connection");
    answer_.append(space, static_cast<std::size_t>(got));
    if (!whole()) return false;
    if (!answer_.starts_with("HTTP/1.1 202")) die(answer_);
    return true;
  }

 private:
  [[nodiscard]] bool whole() const {
    const std::size_t end = answer_.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    constexpr std::string_view kLength = "Content-Length: ";
    const std::size_t at = answer_.find(kLength);
    if (at > end) die("an answer without a length");
    std::size_t length = 0;
    std::from_chars(answer_.data() + at + kLength.size(), answer_.data() + end, length);
    return answer_.size() >= end + 4 + length;
  }

  int socket_;
  std::string answer_;
};

// One thread turns all of the clients, so that they take as little of the server's processors as
// they can.
void measure_http(std::uint16_t port, std::string_view token, int clients, long count,
                  long devices) {
  constexpr std::string_view kBody = R"({"kind":"ping","ttl":3600})";
  long asked = 0;
  const auto ask = [&](Connection& connection) {
    connection.send(
        fmt::format("POST /v1/devices/pc-{}/pushes HTTP/1.1\r\nHost: localhost\r\n"
                    "Authorization: Bearer {}\r\nContent-Type: application/json\r\n"
                    "Content-Length: {}\r\n\r\n{}",
                    asked++ % devices, token, kBody.size(), kBody));
  };
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  std::deque<Connection> connections;
  for (int n = 0; n < clients && asked < count; ++n) {
    Connection& added = connections.emplace_back(port);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &added}};
    if (::epoll_ctl(set, EPOLL_CTL_ADD, added.descriptor(), &event) != 0) die("epoll_ctl");
    ask(added);
  }
  std::array<epoll_event, 256> events;
  for (long done = 0; done < count;) {
    const int got = ::epoll_wait(set, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < got; ++i) {
      auto& connection = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (!connection.answered()) continue;
      ++done;
      if (asked < count) ask(connection);
    }
  }
  ::close(set);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto began = std::chrono::steady_clock::now();
  long rows = 0;
  if (words.size() == 4 && words[0] == "sqlite") {
    rows = std::atol(words[3].c_str());
    measure_sqlite(words[1].c_str(), std::atoi(words[2].c_str()), rows);
  } else if (words.size() == 6 && words[0] == "http") {
    rows = std::atol(words[4].c_str());
    measure_http(static_cast<std::uint16_t>(std::atoi(words[1].c_str())), words[2],
                 std::atoi(words[3].c_str()), rows, std::atol(words[5].c_str()));
  } else {
    die("see the head of tests/bench/durable_floor.cpp");
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  fmt::print("{:.0f}\n", static_cast<double>(rows) / took.count());
  return 0;
}
