// Random site configurations in random styles, in one to three files.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "core/site/sources.hpp"

namespace kscpush::test {

class Random {
 public:
  explicit Random(std::size_t seed) : engine_(seed) {}
  // 0 to COUNT - 1.
  std::size_t below(std::size_t count) { return engine_() % count; }
  bool chance(std::size_t one_in) { return below(one_in) == 0; }
  template <class List>
  const auto& of(const List& list) {
    return list[below(list.size())];
  }

 private:
  std::mt19937_64 engine_;
};

// A valid site. Comments read "# mark N"; N counts from 0 over all files.
[[nodiscard]] std::vector<site::SourceFile> random_site(Random& random);

}  // namespace kscpush::test
