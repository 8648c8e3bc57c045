// SPDX-License-Identifier: MIT
// A Checkpoint of parameters that die before they are saved.
// names: Writable
#include <descent/checkpoint.hpp>
#include <descent/descent.hpp>

#ifdef FAIL
void add(descent::Checkpoint& checkpoint, descent::SGD<double>& sgd, const Eigen::VectorXd& x) {
  checkpoint.add("x", sgd, Eigen::VectorXd(x));
}
#else
void add(descent::Checkpoint& checkpoint, descent::SGD<double>& sgd, Eigen::VectorXd& x) {
  checkpoint.add("x", sgd, x.head(2));
}
#endif
