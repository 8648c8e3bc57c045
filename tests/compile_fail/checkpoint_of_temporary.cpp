// SPDX-License-Identifier: MIT
// A Checkpoint of a number that dies before it is saved.
// says: add
#include <descent/checkpoint.hpp>
#include <descent/descent.hpp>

#ifdef FAIL
void add(descent::Checkpoint& checkpoint, int epoch) { checkpoint.add("epoch", epoch + 1); }
#else
void add(descent::Checkpoint& checkpoint, int& epoch) { checkpoint.add("epoch", epoch); }
#endif
