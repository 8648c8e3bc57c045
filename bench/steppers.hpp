// SPDX-License-Identifier: MIT
//
// One step of a rule by each implementation, all with the same interface for the self-check and for the clock:
// constructed from a rule and n, with the state of before the first step; step(); and access to parameters and
// gradient. Those with the same scalar and n work on the same parameters and gradient, unless the size is fixed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include <Eigen/Core>

#include <descent/descent.hpp>

#include "cases.hpp"
#include "intrinsics.hpp"
#include "rules.hpp"
#include "workload.hpp"

#ifdef DESCENT_BENCH_NATIVE
#include "native.hpp"
#endif

namespace bench {

/// The shared ones, by reference; with a fixed size, a copy as a member.
template <class Scalar, int Size>
using SharedOrOwn = std::conditional_t<Size == Eigen::Dynamic, Eigen::ArrayX<Scalar>&, Eigen::Array<Scalar, Size, 1>>;

template <class Rule, class Scalar, int Size = Eigen::Dynamic>
class ByDescent {
 public:
  ByDescent(const Rule& rule, Eigen::Index n)
      : optimizer_(rule), x_(shared<Problem<Scalar>>(n).x), g_(shared<Problem<Scalar>>(n).gradient) {}
  ByDescent&& with_threads(int threads) && {
    optimizer_.set_threads(threads);
    return std::move(*this);
  }
  ByDescent&& with_nonfinite(descent::NonFinite policy) && {
    optimizer_.set_nonfinite(policy);
    return std::move(*this);
  }
  void step() { optimizer_.step(x_, g_); }
  Scalar* parameters() { return x_.data(); }
  Scalar* gradient() { return g_.data(); }

 private:
  descent::Optimizer<Rule, Scalar, Size> optimizer_;
  SharedOrOwn<Scalar, Size> x_, g_;
};

template <class Rule, class Scalar, int Size = Eigen::Dynamic>
class ByEigen {
  using Array = Eigen::Array<Scalar, Size, 1>;

 public:
  ByEigen(const Rule& rule, Eigen::Index n)
      : by_hand_(rule), x_(shared<Problem<Scalar>>(n).x), g_(shared<Problem<Scalar>>(n).gradient) {
    const auto initial = descent::initial_state(rule);
    for (std::size_t k = 0; k < arrays_.size(); ++k) {
      if constexpr (Size == Eigen::Dynamic) arrays_[k] = usual_array<Scalar>(n);
      arrays_[k].setConstant(k < initial.size() ? static_cast<Scalar>(initial[k]) : 0);
    }
  }
  void step() {
    std::apply([this](auto&... array) { by_hand_.step(x_, g_, array...); }, arrays_);
  }
  Scalar* parameters() { return x_.data(); }
  Scalar* gradient() { return g_.data(); }

 private:
  ByHand<Rule, Scalar> by_hand_;
  SharedOrOwn<Scalar, Size> x_, g_;
  std::array<Array, ByHand<Rule, Scalar>::arrays> arrays_;
};

#if defined(__x86_64__)
template <class Rule, class Scalar>
class ByIntrinsics {
 public:
  ByIntrinsics(const Rule& rule, Eigen::Index n)
      : update_(rule), problem_(shared<Problem<Scalar>>(n)), state_(n, descent::initial_state(rule)) {}
  void step() {
    if constexpr (requires { &avx2::Update<Rule, Scalar>::first_step; })
      if (is_first_)
        update_.first_step(problem_.x.data(), problem_.gradient.data(), state_.arrays(), problem_.x.size());
    is_first_ = false;
    update_.next_step();
    if constexpr (requires { update_.measure(parameters(), gradient(), state_.arrays(), problem_.x.size()); })
      update_.measure(parameters(), gradient(), state_.arrays(), problem_.x.size());
    avx2::sweep(update_, problem_.x.data(), problem_.gradient.data(), state_.arrays(), problem_.x.size());
  }
  Scalar* parameters() { return problem_.x.data(); }
  Scalar* gradient() { return problem_.gradient.data(); }

 private:
  avx2::Update<Rule, Scalar> update_;
  Problem<Scalar>& problem_;
  AlignedState<Scalar, state_count<Rule>> state_;
  bool is_first_ = true;
};
#endif

#ifdef DESCENT_BENCH_NATIVE
template <class Scalar>
class ByNativeEigen {
 public:
  ByNativeEigen(const rules::Adam& rule, Eigen::Index n) {
    if constexpr (std::is_same_v<Scalar, float>)
      stepper_ = native::adam_float(rule, n);
    else
      stepper_ = native::adam_double(rule, n);
  }
  void step() { stepper_->step(); }
  Scalar* parameters() { return stepper_->parameters(); }
  Scalar* gradient() { return stepper_->gradient(); }

 private:
  std::unique_ptr<native::Stepper<Scalar>> stepper_;
};
#endif

/// Reads and writes what a rule with that many states does, with almost no arithmetic.
template <std::size_t States, class Scalar>
class Stream {
 public:
  explicit Stream(Eigen::Index n) : problem_(shared<Problem<Scalar>>(n)), state_(n) {}
  void step() {
    const descent::kernel::Pass<Scalar, States> pass(kernel_, 1, nullptr);
    pass(problem_.x.data(), problem_.gradient.data(), state_.arrays(), problem_.x.size());
  }

 private:
  struct Kernel {
    Scalar rate;

    template <class Pack, class... State>
    [[gnu::always_inline]] Pack operator()(const Pack&, const Pack& g, State&... state) const {
      const Pack step = rate * g;
      ((state = state + step), ...);
      return step;
    }
  };
  Kernel kernel_{static_cast<Scalar>(1e-12)};
  Problem<Scalar>& problem_;
  AlignedState<Scalar, States> state_;
};

}  // namespace bench
