// Percentiles of what was measured.
#pragma once

#include <vector>

namespace kscpush::cli::bench {

struct Percentiles {
  float p50 = 0;
  float p90 = 0;
  float p99 = 0;
  float max = 0;
};

// The value at or below which that share of SAMPLES lies (nearest rank); zeros without samples.
[[nodiscard]] Percentiles percentiles(std::vector<float> samples);

}  // namespace kscpush::cli::bench
