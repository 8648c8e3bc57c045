# SPDX-License-Identifier: MIT
#
# What the pictures share: the terminal, and a line type for each optimizer, in the order of this list. The colours are
# those of Okabe and Ito, which the colour-blind can tell apart; dashes and, where a path ends, point types are a second
# cue.

optimizers = "SGD Momentum Nesterov AdaGrad RMSProp AdaDelta Adam"

set linetype 1 linecolor rgb "#000000" linewidth 2 dashtype solid pointtype 4
set linetype 2 linecolor rgb "#E69F00" linewidth 2 dashtype solid pointtype 7
set linetype 3 linecolor rgb "#D55E00" linewidth 2 dashtype (12, 4) pointtype 9
set linetype 4 linecolor rgb "#009E73" linewidth 2 dashtype solid pointtype 11
set linetype 5 linecolor rgb "#CC79A7" linewidth 2 dashtype (12, 4) pointtype 13
set linetype 6 linecolor rgb "#56B4E9" linewidth 2 dashtype solid pointtype 12
set linetype 7 linecolor rgb "#0072B2" linewidth 2 dashtype (4, 3) pointtype 5

set encoding utf8
png = strstrt(GPVAL_TERMINALS, "pngcairo") > 0 ? "pngcairo" : "png"
set terminal @png size 1200, 540 font "sans,14" linewidth 1.2 background rgb "white"
set grid linecolor rgb "#cccccc" linewidth 1 dashtype solid
set border 3
set tics nomirror
