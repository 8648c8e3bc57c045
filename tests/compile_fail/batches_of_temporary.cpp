// SPDX-License-Identifier: MIT
// An epoch of a Minibatches that dies before its batches are read.
// says: 'this' argument
#include <descent/descent.hpp>

#include <cstddef>

#ifdef FAIL
std::size_t batches() { return descent::Minibatches(100, 32, 1).epoch().size(); }
#else
std::size_t batches() {
  descent::Minibatches minibatches(100, 32, 1);
  return minibatches.epoch().size();
}
#endif
