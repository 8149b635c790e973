#include "cli/bench/figures.hpp"

#include <algorithm>
#include <cmath>

namespace kscpush::cli::bench {

Percentiles percentiles(std::vector<float> samples) {
  if (samples.empty()) return {};
  std::ranges::sort(samples);
  const auto at = [&](double share) {
    const auto rank =
        static_cast<std::size_t>(std::ceil(share * static_cast<double>(samples.size())));
    return samples[std::max<std::size_t>(rank, 1) - 1];
  };
  return {at(0.5), at(0.9), at(0.99), samples.back()};
}

}  // namespace kscpush::cli::bench
