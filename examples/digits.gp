# SPDX-License-Identifier: MIT
#
# Draws the history of the digits example: the training loss of each optimizer, a dot where its test accuracy first
# reaches the goal, and at the end of its line its name and its last test accuracy. The seven classical optimizers and
# the newer ones have a panel each, unless they are few.
#
#     gnuplot -c digits.gp digits_history.csv digits.png

load ARG0[:strlen(ARG0) - strlen("digits.gp")]."optimizers.gp"

set datafile separator "\n"
stats ARG1 every ::0::0 using (header = strcol(1), 0) nooutput
set datafile separator ","
stats ARG1 using "epoch" name "epoch" nooutput

# ---- Who ran, and how it went --------------------------------------------------------------------------

goal = 0.95
number = words(optimizers)
name(i) = word(optimizers, i)
loss(i) = column(name(i)." loss")
accuracy(i) = column(name(i)." accuracy")
array reached[number]   # the epoch that reaches the goal, or -1
array lowest[number]    # the loss, from epoch 1 on
array highest[number]
array last_loss[number]
array last_accuracy[number]
seven = ""
newer = ""
do for [i = 1:number] {
  if (strstrt(header, ",".name(i)." loss")) {
    if (i <= classical) { seven = seven." ".i } else { newer = newer." ".i }
    r = -1
    low = 1e300
    high = 1e-300
    stats ARG1 using (a = accuracy(i), l = loss(i), r = r < 0 && a >= goal ? $1 : r, \
      low = $1 > 0 && l > 0 && l < low ? l : low, high = $1 > 0 && l > high ? l : high, 0) nooutput
    reached[i] = r
    lowest[i] = low
    highest[i] = high
    last_loss[i] = l
    last_accuracy[i] = a
  }
}

# ---- The panels, one below the other -------------------------------------------------------------------

apart = words(seven) > 0 && words(newer) > 0 && words(seven.newer) > 7
pixels = apart ? 1040. : 635.
set terminal @png size 1200, pixels font "sans,14" linewidth 1.2 background rgb "white"
set output ARG2

set logscale xy
set xrange [1:epoch_max * 1.001]
set xtics (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
set xlabel "epoch" offset 0, 0.4
set format y "%g"
unset key
set lmargin at screen 0.072
set rmargin at screen 0.735
least(a, b) = a < b ? a : b
most(a, b) = a > b ? a : b

set label 1 sprintf("●  the first epoch with %g %% of the test digits right.  On the right: how many are right after the last epoch", \
  100 * goal) at screen 0.5, 1 - 24 / pixels center
set multiplot
do for [p = 1:apart ? 2 : 1] {
  members = apart ? (p == 1 ? seven : newer) : seven.newer
  n = words(members)
  member(k) = int(word(members, k))
  top = p == 1 ? 90 : 495
  bottom = top + (apart && p == 1 ? 300 : 480)
  set tmargin at screen 1 - top / pixels
  set bmargin at screen 1 - bottom / pixels
  set title "Training loss".(apart ? (p == 1 ? ": the classical seven" : ": the newer ones") : "") font ",16" offset 0, -0.3

  low = 1e300
  high = 0
  do for [k = 1:n] {
    low = least(low, lowest[member(k)])
    high = most(high, highest[member(k)])
  }
  low = low < high ? low / 1.1 : high / 10
  high = high * 1.1
  low = most(low, high / 1e5)  # what falls below leaves the picture
  set yrange [low:high]

  # A label at the end of each line, moved down and then up as far as it takes to be legible.
  height(i) = last_loss[i] > low && last_loss[i] < high ? (log(last_loss[i]) - log(low)) / (log(high) - log(low)) : 0
  gap = 25. / (bottom - top)
  array sorted[n]
  array label_height[n]
  do for [k = 1:n] {
    i = member(k)
    rank = sum [m = 1:n] (height(member(m)) > height(i) || (height(member(m)) == height(i) && m <= k))
    sorted[rank] = i
  }
  do for [r = 1:n] { label_height[r] = least(height(sorted[r]), r == 1 ? 1 : label_height[r - 1] - gap) }
  do for [r = n:1:-1] { label_height[r] = most(label_height[r], r == n ? 0 : label_height[r + 1] + gap) }
  do for [r = 1:n] {
    i = sorted[r]
    set arrow r from graph 1, height(i) to graph 1.03, label_height[r] nohead linetype i
    set label r + 1 sprintf("%s  %.1f %%", name(i), 100 * last_accuracy[i]) at graph 1.038, label_height[r] textcolor linetype i
  }

  plot for [k = 1:n] ARG1 using "epoch":(loss(member(k))) with lines linetype member(k), \
    for [k = 1:n] ARG1 using "epoch":($1 == reached[member(k)] ? loss(member(k)) : NaN) \
      with points linetype member(k) pointtype 7 pointsize 1.3
  unset arrow
  unset label
}
unset multiplot
