// SPDX-License-Identifier: MIT
//
// Chains against an interpreter of chains: random runs agree bit for bit (chain_runs.hpp says how). This file runs the
// first list of chains, and checks what all lists together contain; the other files run the others.
#include "chain_runs.hpp"

namespace {

using namespace descent::test;
using namespace descent::test::chains;

/// Whether B comes directly after A in one of the chains.
template <class A, class B, class... Links>
consteval bool follows(std::type_identity<descent::Chain<Links...>>) {
  const std::size_t a = index_among<A, Links...>(), b = index_among<B, Links...>();
  return b < sizeof...(Links) && b == a + 1;
}
template <class A, class B, class... Chains>
consteval bool follows(List<Chains...>) {
  return (follows<A, B>(std::type_identity<Chains>{}) || ...);
}
template <class A, class B>
consteval bool follows() {
  return follows<A, B>(First{}) || follows<A, B>(Second{}) || follows<A, B>(Third{}) || follows<A, B>(Fourth{});
}

/// Whether a chain with the link, or the rule, runs with float (parity 0) or double (1).
template <class Link, class... Links>
consteval bool has(std::type_identity<descent::Chain<Links...>>) {
  return index_among<Link, Links...>() < sizeof...(Links);
}
template <class Link, std::size_t parity, class... Chains>
consteval bool has(List<Chains...>) {
  std::size_t at = 0;
  return ((at++ % 2 == parity && has<Link>(std::type_identity<Chains>{})) || ...);
}

/// Both average the parameters, so that a chain has only one of them.
template <class A, class B>
constexpr bool exclude_each_other = std::is_same_v<A, B>;
template <>
constexpr bool exclude_each_other<Average, EqualAverage> = true;
template <>
constexpr bool exclude_each_other<EqualAverage, Average> = true;

template <class A, class... Others>
consteval bool meets_all() {
  return ((exclude_each_other<A, Others> || follows<A, Others>()) && ...);
}
template <class... Links>
consteval bool in_all_orders() {
  return (meets_all<Links, Links...>() && ...);
}
template <class Link, std::size_t parity>
consteval bool is_used() {
  return has<Link, parity>(First{}) || has<Link, parity>(Second{}) || has<Link, parity>(Third{}) ||
         has<Link, parity>(Fourth{});
}
/// Whether each is in a chain that runs with float and in one that runs with double.
template <class... Links>
consteval bool all_used() {
  return ((is_used<Links, 0>() && is_used<Links, 1>()) && ...);
}

static_assert(in_all_orders<GradientScale, ClipValue, ClipNorm, ClipTensorNorm, L2Penalty, L1Penalty>());
static_assert(in_all_orders<WeightDecay, TrustRatio, LayerwiseRate, MomentumOfSteps>());
static_assert(in_all_orders<Bounds, SoftThreshold, Average, EqualAverage, Lookahead>());
static_assert(all_used<GradientScale, ClipValue, ClipNorm, ClipTensorNorm, L2Penalty, L1Penalty>());
static_assert(all_used<WeightDecay, TrustRatio, LayerwiseRate, MomentumOfSteps>());
static_assert(all_used<Bounds, SoftThreshold, Average, EqualAverage, Lookahead>());
static_assert(all_used<SGD, Momentum, Nesterov, AdaGrad, RMSProp, CenteredRMSProp, AdaDelta, Adam>());

}  // namespace

TEST_CASE("chains of the first list agree with an interpreter", "[chains]") { check_chains(First{}); }
