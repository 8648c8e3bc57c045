// SPDX-License-Identifier: MIT
//
// Fuzz target: any sequence of calls (steps on parameters of several layouts, hyperparameters good and bad, wrong
// shapes, resets, copies, moves, checkpoints) gives the same bits as a reference that runs the rule on one number after
// another.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <descent/descent.hpp>

#include "../checkpoint_files.hpp"
#include "fuzz.hpp"

namespace {

using Eigen::Index;
using ColMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// The bytes, one after another, followed by zeros.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : begin_(data), end_(data + size) {}
  bool left() const { return begin_ != end_; }
  unsigned next(unsigned below) { return left() ? *begin_++ % below : 0; }

 private:
  const std::uint8_t* begin_;
  const std::uint8_t* end_;
};

bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof a) == 0;  // which NaN it is, is up to the CPU
}

/// A rule with nothing between it and its state: one number at a time, column by column.
template <class R>
struct Reference {
  static constexpr std::size_t slots = R::state_names.size();

  descent::StepCounter<R> counter;
  std::array<ColMajor, slots> state{};

  void step(const R& rule, ColMajor& x, const ColMajor& g) {
    if (counter.t == 0)
      for (std::size_t k = 0; k < slots; ++k) state[k].setConstant(x.rows(), x.cols(), descent::initial_state(rule)[k]);
    counter = counter.next(rule);
    if (counter.t % 32 == 0)
      for (std::size_t k = 0; k < slots; ++k)
        state[k] = (state[k].array().abs() < descent::detail::state_thresholds<double, R>()[k]).select(0, state[k]);
    descent::detail::with_kernel<double>(rule, counter, [&](const auto& kernel) {
      [&]<std::size_t... K>(std::index_sequence<K...>) {
        using One = descent::kernel::Pack<double, 0>;
        for (Index i = 0; i < x.size(); ++i) {
          std::array<One, slots> s{One(state[K](i))...};
          const One step = kernel(One(x(i)), One(g(i)), s[K]...);
          (One(x(i)) - step).store(&x(i));
          (s[K].store(&state[K](i)), ...);
        }
      }(std::make_index_sequence<slots>{});
    });
  }
};

/// The optimizer under test and its reference. The parameters are a matrix `x`; if there are two tensors, its first
/// column is one of them.
template <class R>
class Trial {
 public:
  explicit Trial(Bytes& bytes) : bytes_(bytes) { arrange(); }

  void go() {
    while (bytes_.left()) {
      switch (bytes_.next(9)) {
        case 0:
          change_hyperparameter();
          break;
        case 1:
          optimizer_.reset();
          reference_ = {};
          arrange();
          break;
        case 2: {
          const descent::Optimizer<R, double> copy = optimizer_;
          optimizer_ = copy;
          break;
        }
        case 3: {
          descent::Optimizer<R, double> other = std::move(optimizer_);
          require(optimizer_.steps() == 0, "what was moved from is as new");
          optimizer_ = std::move(other);
          break;
        }
        case 4:
          save_and_load();
          break;
        case 5:
          wrong_shape();
          break;
        default:
          step();
      }
      compare();
    }
  }

 private:
  void arrange() {
    const Index rows = bytes_.next(12);
    x_.resize(rows, 1 + static_cast<Index>(bytes_.next(7)));
    for (Index i = 0; i < x_.size(); ++i) x_(i) = number();
    two_ = bytes_.next(2) == 1;
  }

  double number() {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    constexpr std::array<double, 16> numbers{0,      -0.0, 1,    -1,    0.5,      -0.3,      0.9,     0.999,
                                             1e-306, 1e-8, 1e30, -1e30, infinity, -infinity, -5e-324, NAN};
    return numbers[bytes_.next(numbers.size())];
  }

  void change_hyperparameter() {
    const std::size_t count = R::hyperparameters([](const auto&... each) { return sizeof...(each); });
    const std::size_t which = bytes_.next(count);
    std::size_t i = 0;
    const auto change = [&](auto member) {
      using Value = std::remove_reference_t<decltype(optimizer_.*member)>;
      if (i++ != which) return;
      if constexpr (std::is_same_v<Value, double>)
        optimizer_.*member = number();
      else
        optimizer_.*member = static_cast<Value>(bytes_.next(std::is_same_v<Value, bool> ? 2 : 4));
    };
    R::hyperparameters([&](const auto&... each) { (change(each.member), ...); });
  }

  /// Calls use(tensors) with views of a copy of x that lies in memory in one of several ways; x then takes their
  /// values.
  template <class Use>
  void with_params(Use&& use) {
    const bool row_major = last_row_major_ = bytes_.next(2) == 1;
    const Index gap = bytes_.next(2);     // between elements
    const Index margin = bytes_.next(2);  // between rows or columns
    const auto with = [&]<class Matrix>(std::type_identity<Matrix>) {
      using Strides = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
      using View = Eigen::Map<Matrix, 0, Strides>;
      const Index inner = 1 + gap;
      const Index outer = inner * (row_major ? x_.cols() : x_.rows()) + margin;
      Eigen::VectorXd memory = Eigen::VectorXd::Zero(outer * std::max(x_.rows(), x_.cols()) + 1);
      View whole(memory.data(), x_.rows(), x_.cols(), Strides(outer, inner));
      whole = x_;
      std::vector<View> tensors{whole};
      if (two_)
        tensors = {View(memory.data(), x_.rows(), 1, Strides(outer, inner)),
                   View(&memory[row_major ? inner : outer], x_.rows(), x_.cols() - 1, Strides(outer, inner))};
      use(tensors);
      x_ = whole;
    };
    if (row_major)
      with(std::type_identity<RowMajor>{});
    else
      with(std::type_identity<ColMajor>{});
  }

  std::vector<ColMajor> tensors_of(const ColMajor& g) const {
    if (!two_) return {g};
    return {g.leftCols(1), g.rightCols(g.cols() - 1)};
  }

  void step() {
    ColMajor g(x_.rows(), x_.cols());
    for (Index i = 0; i < g.size(); ++i) g(i) = number();
    ColMajor expected = x_;
    bool accepted = true;
    with_params([&](auto& params) {
      try {
        optimizer_.step(params, tensors_of(g));
      } catch (const std::invalid_argument&) {
        accepted = false;
      }
    });
    require(accepted == is_valid(), "a step is refused where a hyperparameter is out of range, and only there");
    if (!accepted) return;
    if (reference_.counter.t == 0) row_major_ = last_row_major_;
    reference_.step(optimizer_, expected, g);
    for (Index i = 0; i < x_.size(); ++i) require(same(x_(i), expected(i)), "the parameters are the reference's");
  }

  void wrong_shape() {
    const std::vector<ColMajor> other = tensors_of(ColMajor::Zero(x_.rows() + 1, x_.cols()));
    with_params([&](auto& params) {
      try {
        optimizer_.step(params, other);
        require(false, "a gradient of another shape is refused");
      } catch (const std::invalid_argument&) {
      }
    });
  }

  void save_and_load() {
    if (!is_valid()) return;
    descent::Optimizer<R, double> loaded;
    const ColMajor before = x_;
    std::string bytes;
    with_params([&](auto& params) { bytes = descent::test::saved(optimizer_, params); });
    x_.setZero();
    with_params([&](auto& params) { descent::test::load_from(bytes, loaded, params); });
    for (Index i = 0; i < x_.size(); ++i) require(same(x_(i), before(i)), "the parameters are those saved");
    optimizer_ = loaded;
    row_major_ = last_row_major_;
  }

  bool is_valid() const {
    try {
      descent::detail::validate<double>(static_cast<const R&>(optimizer_));
      return true;
    } catch (const std::invalid_argument&) {
      return false;
    }
  }

  /// The state, tensor after tensor in the order of the first step.
  void compare() const {
    require(optimizer_.steps() == reference_.counter.t, "the steps are counted");
    if (reference_.counter.t == 0) return;
    for (std::size_t k = 0; k < R::state_names.size(); ++k) {
      const auto state = optimizer_.state(k);
      const ColMajor& expected = reference_.state[k];
      require(state.size() == expected.size(), "the state is as large as the parameters");
      const Index first = two_ ? 1 : 0;
      for (Index i = 0; i < expected.rows(); ++i)
        for (Index j = 0; j < expected.cols(); ++j) {
          const Index tensor_cols = expected.cols() - first;
          Index at = j < first ? i : first * expected.rows();
          if (j >= first) at += row_major_ ? i * tensor_cols + j - first : i + (j - first) * expected.rows();
          require(same(state[at], expected(i, j)), "the state is the reference's");
        }
    }
  }

  Bytes& bytes_;
  descent::Optimizer<R, double> optimizer_;
  Reference<R> reference_;
  ColMajor x_;
  bool two_ = false;
  bool row_major_ = false;
  bool last_row_major_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  switch (bytes.next(4)) {
    case 0:
      Trial<descent::rules::SGD>(bytes).go();
      break;
    case 1:
      Trial<descent::rules::Momentum>(bytes).go();
      break;
    case 2:
      Trial<descent::rules::AdaGrad>(bytes).go();
      break;
    default:
      Trial<descent::rules::Adam>(bytes).go();
  }
  return 0;
}
