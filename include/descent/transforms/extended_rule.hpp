// SPDX-License-Identifier: MIT
//
// What rules that wrap another rule share: they extend its name and its state arrays.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <variant>

#include <descent/rule.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

template <class R>
constexpr bool names_state(std::string_view name) {
  return std::apply([&](auto... its) { return ((its == name) || ...); }, R::state_names);
}

/// `first`, then `rest`.
template <class T, std::size_t N>
constexpr std::array<T, N + 1> prepended(T first, const std::array<T, N>& rest) {
  return std::apply([&](auto... its) { return std::array<T, N + 1>{first, its...}; }, rest);
}

/// f(kernel) for a rule's kernel; for a choice of kernels, the choice among what f makes of each.
template <class Kernel, class F>
auto map_kernel(const Kernel& kernel, const F& f) {
  return f(kernel);
}
template <class... Kernels, class F>
auto map_kernel(const std::variant<Kernels...>& choice, const F& f) {
  using Mapped = std::variant<std::invoke_result_t<const F&, const Kernels&>...>;
  return std::visit([&](const auto& kernel) { return Mapped(f(kernel)); }, choice);
}

/// The state_powers of R; if it has none, 0, which is no power.
template <class R>
constexpr std::array<int, R::state_names.size()> state_powers_of() {
  if constexpr (HasStatePowers<R>)
    return R::state_powers;
  else
    return {};
}

template <class R, const std::string_view& suffix>
inline constexpr auto extended_name_text = [] {
  std::array<char, R::name.size() + suffix.size()> text{};
  char* to = text.data();
  for (const char c : R::name) *to++ = c;
  for (const char c : suffix) *to++ = c;
  return text;
}();
template <class R, const std::string_view& suffix>
inline constexpr std::string_view extended_name{extended_name_text<R, suffix>.data(),
                                                extended_name_text<R, suffix>.size()};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail
