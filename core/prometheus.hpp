// Metrics in Prometheus' text format 0.0.4, read strictly, as what comes from many is put together
// and goes out again: what is read here can always be written, and means the same.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.hpp"

namespace kscpush::prometheus {

using Labels = std::vector<std::pair<std::string, std::string>>;

struct Sample {
  std::string name;  // the family's, or with _bucket, _sum, _count behind it
  Labels labels;
  std::string value;  // a number, +Inf, -Inf or NaN, as it was written
};

struct Family {
  std::string name;
  std::string type = "untyped";  // counter, gauge, histogram, summary, untyped
  std::string help;
  std::vector<Sample> samples;
};

inline constexpr std::size_t kMostSamples = 10'000;  // of one text

// kUsage, with the line: anything that is not of the format, a type that comes twice or behind the
// samples, a label or a series that comes twice, bytes that are not UTF-8, too many samples.
// Timestamps are read and left out: they would be of another's clock.
[[nodiscard]] Result<std::vector<Family>> parse(std::string_view text);

// HELP and TYPE once a family, then its samples.
[[nodiscard]] std::string render(const std::vector<Family>& families);

[[nodiscard]] bool is_metric_name(std::string_view text);
[[nodiscard]] bool is_label_name(std::string_view text);
// What stands for a character that a name cannot have is '_'.
[[nodiscard]] std::string to_metric_name(std::string_view text);

// The families of many, each once, in order of name.
class Collection {
 public:
  // LABELS are added to each sample; one of its own by such a name becomes "exported_NAME", as with
  // Prometheus. Of two that say another type of one family, it is "untyped". Samples that are there
  // already are left out, and counted.
  void add(std::vector<Family> families, const Labels& labels);
  [[nodiscard]] std::vector<Family> take();
  [[nodiscard]] std::size_t left_out() const { return left_out_; }

 private:
  struct Entry {
    Family family;
    std::map<std::string, bool> series;
  };
  std::map<std::string, Entry> families_;
  std::size_t left_out_ = 0;
};

}  // namespace kscpush::prometheus
