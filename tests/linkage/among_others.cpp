// SPDX-License-Identifier: MIT
//
// The library after other people's macros: each of its headers compiles, because none of its names, public or private,
// is one of theirs, and an optimizer steps and is restored from a checkpoint. Another target builds the same program
// with unusual settings of Eigen and of the standard library.
#include "others.hpp"  // all that the library includes, which tolerates fewer macros

// Defines I, in GNU's dialect. (lapacke.h includes it.)
#include <complex.h>
#if !defined(I) && defined(__GLIBC__) && !defined(__STRICT_ANSI__)
#error "<complex.h> has no I, so that it tests nothing"
#endif

// None of these has its real meaning here: a 0 does not fit anywhere that a name does.
// Qt:
#define slots 0
#define signals 0
#define emit 0
#define foreach 0
// Apple's AssertMacros.h:
#define check 0
#define require 0
#define verify 0
// Windows' windef.h and others. As there, min and max are macros only before a parenthesis:
#define min(a, b) ((a) < (b) ? 0 : 0)
#define max(a, b) ((a) > (b) ? 0 : 0)
#define near 0
#define far 0
#define small 0
#define interface 0
#define IN 0
#define OUT 0
#define OPTIONAL 0
#define ERROR 0
#define DELETE 0
#define TRUE 0
#define FALSE 0
#define CONST 0
#define VOID 0
#define STRICT 0
#define IGNORE 0
#define ABSOLUTE 0
#define RELATIVE 0
// Xlib.h and X.h:
#define None 0
#define Bool 0
#define True 0
#define False 0
#define Status 0
#define Success 0
#define Always 0
#define Above 0
#define Below 0
#define Complex 0
#define Convex 0
#define Unsorted 0

#include "library.hpp"  // every header of the library

int main() {
  Eigen::VectorXd x = Eigen::VectorXd::LinSpaced(37, -1, 1);
  const Eigen::VectorXd g = 2 * x;
  descent::CenteredRMSProp<double> optimizer({.learning_rate = 0.1});
  optimizer.step(x, g);
  std::stringstream file;
  descent::save(file, optimizer, x);

  Eigen::VectorXd loaded_x(37);
  descent::CenteredRMSProp<double> loaded;
  descent::load(file, loaded, loaded_x);
  optimizer.step(x, g);
  loaded.step(loaded_x, g);
  return loaded.steps() == 2 && loaded.learning_rate == 0.1 && loaded_x == x ? 0 : 1;
}
