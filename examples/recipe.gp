# SPDX-License-Identifier: MIT
#
# Draws the history of the recipe example: the learning rate, the norm of the gradient before and after clipping, and
# the accuracy of the weights and of their average.
#
#     gnuplot -c recipe.gp recipe.csv recipe.png

load ARG0[:strlen(ARG0) - strlen("recipe.gp")]."optimizers.gp"
set output ARG2
set datafile separator ","
set terminal @png size 1200, 460

stats ARG1 using "rate" name "rate" nooutput
stats ARG1 using "step" name "step" nooutput
set xrange [0:step_max]
set xlabel "step"
set xtics step_max < 500 ? 10 ** floor(log10(step_max)) : 200 * ceil(step_max / 1000)
set key Left reverse samplen 2 spacing 1.2
set object rectangle from 0, graph 0 to rate_index_max, graph 1 behind fillcolor rgb "#e6e6e6" fillstyle solid noborder
set multiplot layout 1, 3 margins 0.06, 0.985, 0.145, 0.885 spacing 0.055
before = "linecolor rgb '#E69F00' linewidth 1.5"
after = "linecolor rgb '#0072B2'"

set title "Learning rate" font ",16"
set yrange [0:rate_max * 1.08]
set label 1 "grey: only the last\nlayer learns" at graph 0.14, graph 0.16
plot ARG1 using "step":"rate" with lines @after linewidth 3 notitle
unset label 1

set title "Norm of the gradient" font ",16"
set yrange [0:*]
set key top right
plot ARG1 using "step":"norm" with lines @before title "before clipping", \
  "" using "step":"clipped norm" with lines @after linewidth 1.5 title "after"

set title "Test accuracy in %" font ",16"
set yrange [80:100]
set key bottom right
plot ARG1 using "step":(100 * column("accuracy")) with lines @before title "weights", \
  "" using "step":(100 * column("averaged accuracy")) with lines @after linewidth 2.5 title "their average"
unset multiplot
