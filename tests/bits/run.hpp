// SPDX-License-Identifier: MIT
//
// A long run of a rule, its hash, and the frozen one: what bits.cpp and the mutation check share.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

#include "../variants.hpp"
#include "frozen.hpp"

namespace descent::test {

/// FNV-1a over the bytes, little end first.
template <class Array>
void add_to_hash(std::uint64_t& hash, const Array& array) {
  using Scalar = typename Array::Scalar;
  for (const Scalar value : array) {
    std::uint64_t bits = 0;
    if constexpr (sizeof(Scalar) == 4)
      bits = std::bit_cast<std::uint32_t>(value);
    else
      bits = std::bit_cast<std::uint64_t>(value);
    for (std::size_t byte = 0; byte < sizeof(Scalar); ++byte)
      hash = (hash ^ (bits >> (8 * byte) & 0xff)) * 0x100000001b3;
  }
}

inline constexpr std::uint64_t empty_hash = 0xcbf29ce484222325;

template <class O, class X>
std::uint64_t hash_of(const O& optimizer, const X& x) {
  std::uint64_t hash = empty_hash;
  add_to_hash(hash, x);
  for (std::size_t slot = 0; slot < O::state_names.size(); ++slot) add_to_hash(hash, optimizer.state(slot));
  return hash;
}

inline constexpr Eigen::Index length = 37;
inline constexpr int run_steps = 2000;

/// 0, tiny, ordinary and huge, of both signs; whole numbers and exact scalings only.
template <class Scalar>
Vector<Scalar> gradient_at(Eigen::Index size, std::int64_t t) {
  const int exponents[] = {-99, -66, -20, -3, 0, 0, 13, 49};
  Vector<Scalar> g(size);
  for (Eigen::Index i = 0; i < size; ++i) {
    std::uint64_t bits = static_cast<std::uint64_t>(t * 1000003 + i + 1) * 0x9e3779b97f4a7c15;
    bits ^= bits >> 29;
    bits *= 0xbf58476d1ce4e5b9;
    const auto whole = static_cast<std::int64_t>(bits >> 44) - (1 << 19);
    const bool zero = (bits >> 20) % 5 == 0;
    g[i] = zero ? Scalar(0) : std::ldexp(static_cast<Scalar>(whole), exponents[(bits >> 10) % 8] - 19);
  }
  return g;
}

template <class O, class X>
[[gnu::noinline]] void take_step(O& optimizer, X& x, const X& g) {
  optimizer.step(x, g);
}

template <class Scalar, class R>
std::uint64_t run(const R& rule) {
  Optimizer<R, Scalar> optimizer(rule);
  Vector<Scalar> x = Vector<Scalar>::Constant(length, Scalar(0.5));
  for (int t = 1; t <= run_steps; ++t) take_step(optimizer, x, gradient_at<Scalar>(length, t));
  return hash_of(optimizer, x);
}

/// The frozen hash of that name, if there is one.
inline std::optional<std::uint64_t> frozen_hash(std::string_view name) {
  for (const auto& [frozen_name, hash] : frozen)
    if (frozen_name == name) return hash;
  return std::nullopt;
}

}  // namespace descent::test
