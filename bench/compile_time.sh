#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What descent costs to compile with -O2: user seconds, the fastest of five interleaved rounds, relative to those of
# Eigen/Core; and the size of an optimizer's machine code.
#
#     compile_time.sh COMPILER FLAG...     flags that find descent and Eigen
set -eu
compiler=("$@" -std=c++20 -O2)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo '#include <Eigen/Core>' > "$work/eigen.cpp"
echo '#include <descent/descent.hpp>' > "$work/header.cpp"
for rule in SGD Adam; do
  cat > "$work/$rule.cpp" <<CPP
#include <descent/descent.hpp>
void step(descent::$rule<double>& optimizer, Eigen::VectorXd& x, const Eigen::VectorXd& g) { optimizer.step(x, g); }
CPP
done
cat > "$work/chain.cpp" <<'CPP'
#include <descent/descent.hpp>
using namespace descent::transforms;
using Recipe = descent::Chain<ClipNorm, descent::rules::Adam, WeightDecay, Bounds, Average>;
void step(descent::Optimizer<Recipe>& optimizer, Eigen::VectorXd& x, const Eigen::VectorXd& g) { optimizer.step(x, g); }
CPP
cat > "$work/all.cpp" <<'CPP'
#include <descent/descent.hpp>
template <class Scalar>
void step(Eigen::VectorX<Scalar>& x, const Eigen::VectorX<Scalar>& g) {
  descent::SGD<Scalar>().step(x, g);
  descent::Momentum<Scalar>().step(x, g);
  descent::Nesterov<Scalar>().step(x, g);
  descent::AdaGrad<Scalar>().step(x, g);
  descent::RMSProp<Scalar>().step(x, g);
  descent::AdaDelta<Scalar>().step(x, g);
  descent::Adam<Scalar>().step(x, g);
}
template void step<float>(Eigen::VectorXf&, const Eigen::VectorXf&);
template void step<double>(Eigen::VectorXd&, const Eigen::VectorXd&);
CPP

export LC_ALL=C
TIMEFORMAT=%U
for _ in 1 2 3 4 5; do
  for file in eigen header SGD Adam chain all; do
    { time "${compiler[@]}" -c "$work/$file.cpp" -o "$work/$file.o"; } 2>> "$work/$file.seconds"
  done
done
fastest() { sort -n "$work/$1.seconds" | head -n 1; }

# KB of all sections that hold functions.
machine_code() { size -A "$work/$1.o" | awk '$1 ~ /^\.text/ { bytes += $2 } END { print bytes / 1024 }'; }

printf '\nTo compile, %s -O2, user seconds in times of Eigen/Core\n\n' "${1##*/}"
awk -v eigen="$(fastest eigen)" -v header="$(fastest header)" -v sgd="$(fastest SGD)" -v adam="$(fastest Adam)" \
  -v chain="$(fastest chain)" -v all="$(fastest all)" -v code="$(machine_code Adam)" '
  function row(what, goal, measured) { printf "%-66s <= %5.2f %8.2f\n", what, goal, measured }
  BEGIN {
    printf "%-66s %8s %8s\n", "", "goal", "measured"
    row("descent/descent.hpp (Eigen/Core: " eigen " s)", 1.2, header / eigen)
    row("one SGD<double> used, beyond the header", 0.4, (sgd - header) / eigen)
    row("one Adam<double> used, beyond the header", 0.65, (adam - header) / eigen)
    row("Adam with four links used, in times of Adam, beyond the header", 1.3, (chain - header) / (adam - header))
    row("all seven in float and double, beyond the header", 4, (all - header) / eigen)
    row("machine code of one Adam<double> on VectorXd, KB", 14, code)
  }'
