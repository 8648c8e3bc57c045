# SPDX-License-Identifier: MIT
#
# Draws the history of the digits example: training loss and test accuracy of each optimizer.
#
#     gnuplot -c digits.gp digits_history.csv digits.png

if (strstrt(GPVAL_TERMINALS, "pngcairo") > 0) {
  set terminal pngcairo size 1200, 540 font "sans,14" linewidth 1.2 background rgb "white"
} else {
  set terminal png size 1200, 540 font "sans,14" linewidth 1.2 background rgb "white"
}
set output ARG2
set datafile separator ","

optimizers = "SGD Momentum Nesterov AdaGrad RMSProp AdaDelta Adam"

# The colours of Okabe and Ito, which the colour-blind can tell apart, and dashes as a second cue.
set linetype 1 linecolor rgb "#000000" linewidth 2 dashtype solid
set linetype 2 linecolor rgb "#E69F00" linewidth 2 dashtype solid
set linetype 3 linecolor rgb "#D55E00" linewidth 2 dashtype (12, 4)
set linetype 4 linecolor rgb "#009E73" linewidth 2 dashtype solid
set linetype 5 linecolor rgb "#CC79A7" linewidth 2 dashtype (12, 4)
set linetype 6 linecolor rgb "#56B4E9" linewidth 2 dashtype solid
set linetype 7 linecolor rgb "#0072B2" linewidth 2 dashtype (4, 3)

set multiplot layout 1, 2 margins 0.075, 0.98, 0.125, 0.895 spacing 0.085
set xlabel "epoch"
set logscale x
stats ARG1 using "epoch" nooutput
set xrange [1:STATS_max * 1.001]
set xtics (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
set grid linecolor rgb "#cccccc" linewidth 1 dashtype solid
set border 3
set tics nomirror
set key Left reverse samplen 2.5 spacing 1.1

set title "Training loss" font ",16"
set ylabel "cross-entropy"
set logscale y
set yrange [*:*] noextend
set format y "%g"
set key bottom left
plot for [name in optimizers] ARG1 using "epoch":(column(name." training loss")) with lines title name

set title "Test accuracy" font ",16"
set ylabel "right answers in %"
unset logscale y
set yrange [90:98.5]
set key bottom right
plot for [name in optimizers] ARG1 using "epoch":(100 * column(name." test accuracy")) with lines title name
unset multiplot
