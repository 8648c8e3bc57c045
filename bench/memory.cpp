// SPDX-License-Identifier: MIT
#include "memory.hpp"

#include <limits>

#include <Eigen/Core>

#include "cases.hpp"

#if defined(__GLIBC__)
#include "../tests/counted_heap.hpp"
#endif

namespace bench {

HeapUse heap_use([[maybe_unused]] std::string_view rule, [[maybe_unused]] std::string_view scalar) {
  constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  HeapUse use{unknown, unknown};
#if defined(__GLIBC__)
  Classical::for_each([&]<class Rule>() {
    for_each_scalar([&]<class Scalar>() {
      if (rule != rule_name<Rule> || scalar != scalar_name<Scalar>) return;
      constexpr Eigen::Index n = n_of_heap_use;
      Eigen::VectorX<Scalar> x = Eigen::VectorX<Scalar>::Ones(n);
      const Eigen::VectorX<Scalar> g = x;
      descent::Optimizer<Rule, Scalar> optimizer;
      const heap::Use first = heap::use_of([&] { optimizer.step(x, g); });
      const heap::Use later = heap::use_of([&] {
        for (int t = 0; t < 100; ++t) optimizer.step(x, g);
      });
      use = {static_cast<double>(first.bytes) - static_cast<double>(state_count<Rule> * sizeof(Scalar) * n),
             static_cast<double>(later.allocations)};
    });
  });
#endif
  return use;
}

}  // namespace bench
