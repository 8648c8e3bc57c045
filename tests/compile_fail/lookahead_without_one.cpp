// SPDX-License-Identifier: MIT
// A look-ahead from an optimizer whose rule has none.
// names: LooksAhead
#include <descent/descent.hpp>

#ifdef FAIL
using Optimizer = descent::Momentum<double>;
#else
using Optimizer = descent::Nesterov<double>;
#endif

Eigen::VectorXd ahead(const Optimizer& optimizer, const Eigen::VectorXd& x) { return optimizer.lookahead(x); }
