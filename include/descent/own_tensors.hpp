// SPDX-License-Identifier: MIT
//
// What an optimizer knows of tensors that differ from the others: frozen ones, and those with hyperparameters of their
// own. Each also has a counter of its own, because it takes other steps, or takes them with other running factors.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/rule.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

template <class R>
struct OwnTensor {
  StepCounter<R> counter;
  R rule;                 ///< if has_rule
  bool has_rule = false;  ///< otherwise the common one holds
  bool frozen = false;
};

/// By number of the tensor; null for those like all others. Each is an object of its own on the heap, so that
/// references to its rule stay valid.
template <class R>
class OwnTensors {
 public:
  OwnTensors() = default;
  OwnTensors(const OwnTensors& other) {
    if (other.tensors_ == nullptr) return;
    tensors_ = std::make_unique<std::vector<std::unique_ptr<OwnTensor<R>>>>(other.tensors_->size());
    for (std::size_t i = 0; i < tensors_->size(); ++i)
      if (const auto& own = (*other.tensors_)[i]; own != nullptr) (*tensors_)[i] = std::make_unique<OwnTensor<R>>(*own);
  }
  OwnTensors(OwnTensors&&) noexcept = default;
  OwnTensors& operator=(OwnTensors other) noexcept {
    tensors_ = std::move(other.tensors_);
    return *this;
  }
  ~OwnTensors() = default;

  /// Numbers from here on have none.
  Eigen::Index size() const { return tensors_ == nullptr ? 0 : static_cast<Eigen::Index>(tensors_->size()); }
  OwnTensor<R>* find(Eigen::Index tensor) const {
    return tensor < size() ? (*tensors_)[static_cast<std::size_t>(tensor)].get() : nullptr;
  }
  OwnTensor<R>& make(Eigen::Index tensor, const StepCounter<R>& counter, const R& rule) {
    if (OwnTensor<R>* const own = find(tensor)) return *own;
    auto own = std::make_unique<OwnTensor<R>>(OwnTensor<R>{counter, rule});
    if (tensors_ == nullptr) tensors_ = std::make_unique<std::vector<std::unique_ptr<OwnTensor<R>>>>();
    if (tensor >= size()) tensors_->resize(static_cast<std::size_t>(tensor) + 1);
    return *((*tensors_)[static_cast<std::size_t>(tensor)] = std::move(own));
  }
  void for_each(const auto& visit) const {
    for (Eigen::Index i = 0; i < size(); ++i)
      if (OwnTensor<R>* const own = find(i)) visit(i, *own);
  }

 private:
  std::unique_ptr<std::vector<std::unique_ptr<OwnTensor<R>>>> tensors_;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail
