# SPDX-License-Identifier: MIT
#
# Draws one race from out/bowl.gp, which the program race writes: the picture out/bowl.png, with the paths on a map of
# the surface and the values beside it, and out/bowl.gif, in which the paths grow.
#
#     gnuplot -c race.gp out/bowl

stem = ARG1
load ARG0[:strlen(ARG0) - strlen("race.gp")]."optimizers.gp"
load stem.".gp"

# ---- The map: ten bands, each as large as the others, and the lines between them -----------------------

across(i) = left + (right - left) * i / cells
along(j) = bottom + (top - bottom) * j / cells
set contour base
unset surface
set cntrparam levels incremental 0.1, 0.1, 0.9
set table $lines
splot $ranks matrix using (across($1)):(along($2)):3
unset table

# Explicit colours, because a palette would leave the animation none for the paths.
shade(rank, darkest) = darkest + (255 - darkest) * floor(10 * rank) / 9.

# ---- What is drawn of runner i, up to step t -----------------------------------------------------------

x(i) = column(3 * i - 1)
y(i) = column(3 * i)
excess(i) = column(3 * i + 1) > lowest ? column(3 * i + 1) - lowest : NaN
upto(t, value) = column(1) <= t ? value : NaN
only(t, value) = column(1) == t ? value : NaN

# If an optimizer runs a second time, its line is thinner.
width(i) = i > 1 && linetype_of[i] == linetype_of[i > 1 ? i - 1 : 1] ? 1 : 2

# ---- Where: maps on the left, in one column or two; values on the right; below them all rates ----------

maps = side_by_side ? runners : 1
columns = maps > 2 ? 2 : 1
rows = (maps + columns - 1) / columns
gap_right = 0.05
gap_below = 0.11
map_width = (0.49 + gap_right) / columns - gap_right
map_height = (0.57 + gap_below) / rows - gap_below
map_left(m) = 0.045 + (map_width + gap_right) * ((m - 1) % columns)
map_top(m) = 0.85 - (map_height + gap_below) * ((m - 1) / columns)

crowded = runners > 7
key_rows = crowded ? (runners + 5) / 4 : 3

do for [picture in "png gif"] {
  animated = picture eq "gif"
  if (animated) {
    set terminal gif animate size 720, 396 font "sans,9" delay 12 loop 0 background rgb "white"
  } else {
    set terminal @png size 1200, 660 font "sans,14" linewidth 1.2 background rgb "white"
  }
  set output stem.".".picture
  stride = animated ? ceil(steps / 30.) : steps
  still = animated ? 12 * stride : 0   # the last frame, for a while
  do for [frame = stride : steps + still : stride] {
    t = frame < steps ? frame : steps
    set multiplot
    set label 1 caption at screen 0.5, 0.955 center font animated ? "sans,10" : "sans,16"

    set border 15
    unset grid
    unset logscale
    unset key
    set xlabel ""
    set ylabel ""
    set format "%g"
    set xrange [left:right]
    set yrange [bottom:top]
    do for [m = 1:maps] {
      first = side_by_side ? m : 1
      last = side_by_side ? m : runners
      set title (side_by_side ? label[m] : title) offset 0, -0.5
      set lmargin at screen map_left(m)
      set rmargin at screen map_left(m) + map_width
      set tmargin at screen map_top(m)
      set bmargin at screen map_top(m) - map_height
      plot $ranks matrix using (across($1)):(along($2)):(shade($3, 196)):(shade($3, 202)):(shade($3, 212)) with rgbimage, \
        $lines using 1:2 with lines linecolor rgb "#a0a7b3" linewidth 0.7 dashtype solid, \
        for [i = first:last] $paths using (upto(t, x(i))):(y(i)) with lines linetype linetype_of[i] linewidth width(i), \
        $minima using 1:2 with points pointtype 3 pointsize 2.2 linewidth 2 linecolor rgb "black", \
        $paths using (only(0, x(first))):(y(first)) with points pointtype 6 pointsize 2 linewidth 2 linecolor rgb "black", \
        for [i = first:last] $paths using (only(t, x(i))):(y(i)) with points linetype linetype_of[i] pointsize 1.4
      unset label
    }

    set border 3
    set grid
    set title "f above its minimum" offset 0, -0.5
    set xlabel "step"
    set lmargin at screen 0.60
    set rmargin at screen 0.975
    set tmargin at screen 0.85
    set bmargin at screen 0.28
    set xrange [0:steps]
    set logscale y
    if (animated) {
      set yrange [lowest_value:highest_value]
    } else {
      set yrange [1e-10 < *:*]
    }
    set format y "10^{%T}"
    plot for [i = 1:runners] $paths using (upto(t, column(1))):(excess(i)) \
      with lines linetype linetype_of[i] linewidth width(i)
    lowest_value = GPVAL_Y_MIN
    highest_value = GPVAL_Y_MAX

    unset border
    unset tics
    unset title
    unset xlabel
    unset logscale
    set lmargin at screen 0
    set rmargin at screen 1
    set tmargin at screen 0.17
    set bmargin at screen 0
    set xrange [0:1]
    set yrange [0:1]
    key_font = crowded ? (animated ? ",6" : ",10") : ""
    set key center center vertical maxrows key_rows Left reverse samplen 2.5 font key_font \
      width (crowded ? -1 : animated ? -4 : -2) spacing (crowded ? 0.95 : 1.25)
    plot for [i = 1:runners] NaN with linespoints linetype linetype_of[i] linewidth width(i) pointsize 1.4 title label[i].":  ".rates[i], \
      NaN with points pointtype 6 pointsize 2 linewidth 2 linecolor rgb "black" title "start", \
      NaN with points pointtype 3 pointsize 2.2 linewidth 2 linecolor rgb "black" title "minimum"
    set tics nomirror
    unset multiplot
  }
  unset output
}
