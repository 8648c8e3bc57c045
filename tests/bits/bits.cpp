// SPDX-License-Identifier: MIT
//
// The same bits everywhere: a hash of a long run of every optimizer in every variant, equal to the
// frozen one (frozen.hpp). The program is small, so that matrix.sh can build it with every compiler,
// level and target; it takes nothing but Eigen and descent.
//
//     bits            compares, and names what differs
//     bits --print    prints the hashes in the form of frozen.hpp
#include <bit>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "../variants.hpp"
#include "frozen.hpp"

namespace {

using namespace descent;
using namespace descent::test;

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

template <class O, class X>
std::uint64_t hash_of(const O& optimizer, const X& x) {
  std::uint64_t hash = 0xcbf29ce484222325;
  add_to_hash(hash, x);
  for (std::size_t slot = 0; slot < O::state_names.size(); ++slot) add_to_hash(hash, optimizer.state(slot));
  return hash;
}

constexpr Eigen::Index length = 37;
constexpr int run_steps = 2000;

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

template <class Scalar, class R>
std::uint64_t run(const R& rule) {
  Optimizer<R, Scalar> optimizer(rule);
  Vector<Scalar> x = Vector<Scalar>::Constant(length, Scalar(0.5));
  for (int t = 1; t <= run_steps; ++t) optimizer.step(x, gradient_at<Scalar>(length, t));
  return hash_of(optimizer, x);
}

/// The same from odd addresses, in two tensors, and of a fixed size.
template <class Scalar, class R>
std::uint64_t run_otherwise(const R& rule, int way) {
  if (way == 2) {
    Optimizer<R, Scalar, length> optimizer(rule);
    Eigen::Vector<Scalar, length> x = Eigen::Vector<Scalar, length>::Constant(Scalar(0.5));
    for (int t = 1; t <= run_steps; ++t) optimizer.step(x, gradient_at<Scalar>(length, t));
    return hash_of(optimizer, x);
  }
  Optimizer<R, Scalar> optimizer(rule);
  std::vector<Scalar> memory(2 * length + 1, Scalar(0.5));
  for (int t = 1; t <= run_steps; ++t) {
    const Vector<Scalar> g = gradient_at<Scalar>(length, t);
    if (way == 0) {
      Eigen::Map<Vector<Scalar>, 0, Eigen::InnerStride<2>> x(memory.data() + 1, length);
      optimizer.step(x, g);
    } else {
      Eigen::Map<Vector<Scalar>> head(memory.data() + 1, 14), tail(memory.data() + 15, length - 14);
      optimizer.step(std::tie(head, tail), std::tuple(g.head(14), g.tail(length - 14)));
    }
  }
  if (way == 0)
    return hash_of(optimizer, Eigen::Map<Vector<Scalar>, 0, Eigen::InnerStride<2>>(memory.data() + 1, length));
  return hash_of(optimizer, Eigen::Map<Vector<Scalar>>(memory.data() + 1, length));
}

/// A few steps long enough to be shared by threads.
template <class Scalar, class R>
std::uint64_t run_long(const R& rule, int threads) {
  constexpr Eigen::Index size = 100'003;
  Optimizer<R, Scalar> optimizer(rule);
  optimizer.set_threads(threads);
  Vector<Scalar> x = Vector<Scalar>::Constant(size, Scalar(0.5));
  const Vector<Scalar> g = gradient_at<Scalar>(size, 1);
  for (int t = 1; t <= 20; ++t) optimizer.step(x, g);
  return hash_of(optimizer, x);
}

int differences = 0;
bool printing = false;

void compare(const std::string& name, std::uint64_t hash) {
  if (printing) {
    std::printf("    {\"%s\", 0x%016" PRIx64 "},\n", name.c_str(), hash);
    return;
  }
  for (const auto& [frozen_name, frozen_hash] : frozen)
    if (frozen_name == name) {
      if (frozen_hash == hash) return;
      std::printf("%s: %016" PRIx64 ", frozen: %016" PRIx64 "\n", name.c_str(), hash, frozen_hash);
      ++differences;
      return;
    }
  std::printf("%s: nothing is frozen\n", name.c_str());
  ++differences;
}

template <class Scalar>
void compare_all(const std::string& scalar) {
  for_each_variant([&](const char* variant, const auto& rule) {
    const std::string name = std::string(variant) + ", " + scalar;
    compare(name, run<Scalar>(rule));
    compare(name + ", long", run_long<Scalar>(rule, 1));
    if (printing) return;
    for (int way = 0; way < 3; ++way) compare(name, run_otherwise<Scalar>(rule, way));
    for (int threads = 2; threads <= 3; ++threads) compare(name + ", long", run_long<Scalar>(rule, threads));
  });
}

}  // namespace

int main(int argc, char** argv) {
  printing = argc > 1 && std::strcmp(argv[1], "--print") == 0;
  compare_all<float>("float");
  compare_all<double>("double");
  if (!printing) std::printf("%d runs differ from %zu frozen hashes\n", differences, frozen.size());
  return differences == 0 ? 0 : 1;
}
