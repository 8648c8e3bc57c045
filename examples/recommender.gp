# SPDX-License-Identifier: MIT
#
# Draws the history of the recommender example: the error on held-out ratings, over the steps and over the time that
# they took.
#
#     gnuplot -c recommender.gp recommender.csv recommender.png

load ARG0[:strlen(ARG0) - strlen("recommender.gp")]."optimizers.gp"
set output ARG2
set datafile separator ","
set terminal @png size 1200, 460

runs = "'dense Adam' 'sparse Adam' AdaGrad Ftrl"
name(i) = word(runs, i)
set style line 1 linecolor rgb "#0072B2" linewidth 2 dashtype (4, 3)   # the colours of optimizers.gp
set style line 2 linecolor rgb "#0072B2" linewidth 2 dashtype solid
set style line 3 linecolor rgb "#009E73" linewidth 2 dashtype solid
set style line 4 linecolor rgb "#009E73" linewidth 2 dashtype (12, 4)

stats ARG1 using "noise" name "noise" nooutput
stats ARG1 using "steps" name "steps" nooutput
set yrange [noise_max - 0.03:*]
set ytics 0.2
set key top right Left reverse samplen 3 spacing 1.2
set arrow 1 from graph 0, first noise_max to graph 1, first noise_max nohead linecolor rgb "#808080" linewidth 1.5
set label 1 "the noise of the ratings" at graph 0.02, first noise_max offset 0, 0.6 textcolor rgb "#606060"
set multiplot layout 1, 2 margins 0.06, 0.985, 0.145, 0.885 spacing 0.075
set title "Error on held-out ratings" font ",16"
set xlabel "step"
set xrange [0:steps_max]
plot for [i = 1:4] ARG1 using "steps":(column(name(i)." error")) with lines linestyle i title name(i)

set title "The same, over the time that the steps took" font ",16"
set xlabel "seconds"
set logscale x
set xrange [*:*]
set key bottom left
plot for [i = 1:4] ARG1 using (column(name(i)." seconds")):(column(name(i)." error")) with lines linestyle i notitle
unset multiplot
