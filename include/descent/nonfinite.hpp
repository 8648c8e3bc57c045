// SPDX-License-Identifier: MIT
//
// What a step does with a gradient that contains an infinity or a NaN.
#pragma once

#include <cstdint>

#include <descent/kernel/flags.hpp>

namespace descent {

/// The policies of Optimizer::set_nonfinite. The last two read the gradient once more before the step.
/// (bench: "gradients that are checked")
///
///     propagate   the step is taken: IEEE arithmetic carries the NaN into parameters and state
///     reject      std::domain_error is thrown, naming the first such element, and nothing has changed
///     skip        the step is skipped and counted; after most_in_a_row of them in a row, as with `reject`
///
/// With the last two, rules that square their gradient also refuse one whose square overflows, from 1.9e19 on in float
/// and 1.4e154 in double: their state would stay infinite for good, and their steps would be 0.
enum class NonFinite : std::uint8_t { propagate, reject, skip };

}  // namespace descent
