// SPDX-License-Identifier: MIT
//
// Sparse steps of an embedding table: `touched_slices` of `table_slices` runs of `slice_length` elements, in random
// order, by descent, by what a careful user of Eigen writes for each of them, and by a step of the whole table.
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <descent/sparse.hpp>

#include "benchmarks.hpp"

namespace bench {
namespace {

template <int order>
using Table = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, order>;

constexpr Eigen::Index rows_of(int order) { return order == Eigen::ColMajor ? slice_length : table_slices; }
constexpr Eigen::Index cols_of(int order) { return order == Eigen::ColMajor ? table_slices : slice_length; }

/// Distinct slices, others at each of 512 steps.
class TouchedSlices {
 public:
  TouchedSlices() {
    std::vector<int> all(static_cast<std::size_t>(table_slices));
    std::iota(all.begin(), all.end(), 0);
    std::uint64_t random = 1;
    for (auto& list : lists_) {
      for (int k = 0; k < touched_slices; ++k) {
        random = random * 6364136223846793005 + 1442695040888963407;
        std::swap(all[static_cast<std::size_t>(k)],
                  all[static_cast<std::size_t>(k) + (random >> 33) % static_cast<std::size_t>(table_slices - k)]);
      }
      list.assign(all.begin(), all.begin() + touched_slices);
    }
  }
  const std::vector<int>& next() { return lists_[step_++ % lists_.size()]; }

 private:
  std::vector<std::vector<int>> lists_ = std::vector<std::vector<int>>(512);
  std::size_t step_ = 0;
};

template <int order>
struct TableProblem {
  Table<order> x = Table<order>::Constant(rows_of(order), cols_of(order), 0.5f);
  /// Of the touched slices, in the order in which they are touched.
  Table<order> gradient = order == Eigen::ColMajor ? Table<order>::Constant(slice_length, touched_slices, 0.25f)
                                                   : Table<order>::Constant(touched_slices, slice_length, 0.25f);
  TouchedSlices touched;
};

template <class Rule, int order>
class SparseByDescent {
 public:
  explicit SparseByDescent(const Rule& rule) : optimizer_(rule) {}
  void step() {
    if constexpr (order == Eigen::ColMajor)
      optimizer_.step_columns(problem_.x, problem_.touched.next(), problem_.gradient);
    else
      optimizer_.step_rows(problem_.x, problem_.touched.next(), problem_.gradient);
  }
  const Table<order>& parameters() const { return problem_.x; }

 private:
  descent::Optimizer<Rule, float> optimizer_;
  TableProblem<order> problem_;
};

/// The whole table, with a gradient of its size.
template <class Rule, int order>
class DenseByDescent {
 public:
  explicit DenseByDescent(const Rule& rule) : optimizer_(rule) {}
  void step() { optimizer_.step(x_, gradient_); }
  const Table<order>& parameters() const { return x_; }

 private:
  descent::Optimizer<Rule, float> optimizer_;
  Table<order> x_ = Table<order>::Constant(rows_of(order), cols_of(order), 0.5f), gradient_ = 0.5f * x_;
};

template <class Rule, int order>
class SparseByEigen {
 public:
  explicit SparseByEigen(const Rule& rule) : rule_(rule) {}
  void step() {
    ++t_;
    if constexpr (std::is_same_v<Rule, rules::Adam>) {
      rate_ = static_cast<float>(rule_.learning_rate / (1 - std::pow(rule_.beta1, t_)));
      correction_ = static_cast<float>(1 / (1 - std::pow(rule_.beta2, t_)));
    }
    const std::vector<int>& touched = problem_.touched.next();
    for (std::size_t k = 0; k < touched.size(); ++k)
      if constexpr (order == Eigen::ColMajor)
        step(problem_.x.col(touched[k]), problem_.gradient.col(static_cast<Eigen::Index>(k)), first_.col(touched[k]),
             second_.col(touched[k]));
      else
        step(problem_.x.row(touched[k]), problem_.gradient.row(static_cast<Eigen::Index>(k)), first_.row(touched[k]),
             second_.row(touched[k]));
  }
  const Table<order>& parameters() const { return problem_.x; }

 private:
  void step(auto x, auto g, [[maybe_unused]] auto m, auto v) const {
    const auto epsilon = static_cast<float>(rule_.epsilon);
    if constexpr (std::is_same_v<Rule, rules::Adam>) {
      const auto beta1 = static_cast<float>(rule_.beta1), beta2 = static_cast<float>(rule_.beta2);
      m.array() = beta1 * m.array() + (1 - beta1) * g.array();
      v.array() = beta2 * v.array() + (1 - beta2) * g.array().square();
      x.array() -= rate_ * m.array() / ((correction_ * v.array()).sqrt() + epsilon);
    } else {
      v.array() += g.array().square();
      x.array() -= static_cast<float>(rule_.learning_rate) * g.array() / (v.array().sqrt() + epsilon);
    }
  }

  Rule rule_;
  TableProblem<order> problem_;
  Table<order> first_ = Table<order>::Zero(rows_of(order), cols_of(order)), second_ = first_;
  int t_ = 0;
  float rate_ = 0, correction_ = 0;
};

/// Calls visit.operator()<Rule, order>(of_rows) for what is measured.
template <class Visit>
void for_each_table(Visit&& visit) {
  visit.template operator()<rules::Adam, Eigen::ColMajor>();
  visit.template operator()<rules::Adam, Eigen::RowMajor>();
  visit.template operator()<rules::AdaGrad, Eigen::ColMajor>();
  visit.template operator()<rules::AdaGrad, Eigen::RowMajor>();
}

}  // namespace

void check_sparse_steppers() {
  for_each_table([]<class Rule, int order>() {
    SparseByDescent<Rule, order> ours{Rule()};
    SparseByEigen<Rule, order> theirs{Rule()};
    for (int t = 0; t < 3; ++t) ours.step(), theirs.step();
    const float difference = (ours.parameters() - theirs.parameters()).cwiseAbs().maxCoeff();
    if (!(difference <= 100 * std::numeric_limits<float>::epsilon()))
      throw std::runtime_error(std::string(rule_name<Rule>) + "'s sparse step is wrong: it differs from Eigen's by " +
                               std::to_string(difference));
  });
}

void add_sparse_benchmarks() {
  for_each_table([]<class Rule, int order>() {
    const auto rule = crawling_rule<Rule>();
    constexpr bool by_columns = order == Eigen::ColMajor;
    const auto add_case = [&](std::string_view by, Eigen::Index n, auto make) {
      add_steps(case_name(rule_name<Rule>, "float", table_elements, by), bytes_per_step<float>(state_count<Rule>, n),
                make);
    };
    constexpr Eigen::Index touched_elements = touched_slices * slice_length;
    add_case(by_columns ? who::sparse_columns : who::sparse_rows, touched_elements,
             [=] { return SparseByDescent<Rule, order>(rule); });
    add_case(by_columns ? who::eigen_columns : who::eigen_rows, touched_elements,
             [=] { return SparseByEigen<Rule, order>(rule); });
    if constexpr (by_columns)
      add_case(who::whole_table, table_elements, [=] { return DenseByDescent<Rule, order>(rule); });
  });
}

}  // namespace bench
