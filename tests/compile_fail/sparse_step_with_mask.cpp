// SPDX-License-Identifier: MIT
// A sparse step of columns that a mask chooses.
// says: columns and rows are numbers, not a mask
#include <descent/descent.hpp>
#include <descent/sparse.hpp>

#include <vector>

#ifdef FAIL
using Columns = std::vector<bool>;
#else
using Columns = std::vector<int>;
#endif

void step(descent::Adam<>& adam, Eigen::MatrixXd& x, const Columns& columns) { adam.step_columns(x, columns, x); }
