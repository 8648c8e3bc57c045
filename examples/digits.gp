# SPDX-License-Identifier: MIT
#
# Draws the history of the digits example: training loss and test accuracy of each optimizer.
#
#     gnuplot -c digits.gp digits_history.csv digits.png

load ARG0[:strlen(ARG0) - strlen("digits.gp")]."optimizers.gp"
set output ARG2
set datafile separator ","

set multiplot layout 1, 2 margins 0.075, 0.98, 0.125, 0.895 spacing 0.085
set xlabel "epoch"
set logscale x
stats ARG1 using "epoch" nooutput
set xrange [1:STATS_max * 1.001]
set xtics (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
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
