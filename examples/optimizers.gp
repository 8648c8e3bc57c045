# SPDX-License-Identifier: MIT
#
# What the pictures share: the terminal, and a line type for each optimizer, in the order of this list: first the seven
# classical ones. The colours are those of Okabe and Ito and a grey, which the colour-blind can tell apart; dashes and,
# where a path ends, point types are a second cue.

optimizers = "SGD Momentum Nesterov AdaGrad RMSProp AdaDelta Adam ".\
  "AdamW AMSGrad NAdam RAdam AdaMax AdaBelief Yogi Adan Lion Rprop Ftrl ScheduleFreeSGD ScheduleFreeAdamW LAMB LARS ".\
  "Muon Adafactor"
classical = 7

set linetype 1 linecolor rgb "#000000" linewidth 2 dashtype solid pointtype 4
set linetype 2 linecolor rgb "#E69F00" linewidth 2 dashtype solid pointtype 7
set linetype 3 linecolor rgb "#D55E00" linewidth 2 dashtype (12, 4) pointtype 9
set linetype 4 linecolor rgb "#009E73" linewidth 2 dashtype solid pointtype 11
set linetype 5 linecolor rgb "#CC79A7" linewidth 2 dashtype (12, 4) pointtype 13
set linetype 6 linecolor rgb "#56B4E9" linewidth 2 dashtype solid pointtype 12
set linetype 7 linecolor rgb "#0072B2" linewidth 2 dashtype (4, 3) pointtype 5

set linetype 8 linecolor rgb "#0072B2" linewidth 2 dashtype solid pointtype 4          # AdamW
set linetype 9 linecolor rgb "#56B4E9" linewidth 2 dashtype (12, 4) pointtype 6        # AMSGrad
set linetype 10 linecolor rgb "#D55E00" linewidth 2 dashtype solid pointtype 8         # NAdam
set linetype 11 linecolor rgb "#CC79A7" linewidth 2 dashtype solid pointtype 10        # RAdam
set linetype 12 linecolor rgb "#E69F00" linewidth 2 dashtype (12, 4) pointtype 12      # AdaMax
set linetype 13 linecolor rgb "#009E73" linewidth 2 dashtype (4, 3) pointtype 14       # AdaBelief
set linetype 14 linecolor rgb "#E69F00" linewidth 2 dashtype (4, 3) pointtype 5        # Yogi
set linetype 15 linecolor rgb "#CC79A7" linewidth 2 dashtype (4, 3) pointtype 7        # Adan
set linetype 16 linecolor rgb "#000000" linewidth 2 dashtype (12, 4) pointtype 9       # Lion
set linetype 17 linecolor rgb "#808080" linewidth 2 dashtype solid pointtype 11        # Rprop
set linetype 18 linecolor rgb "#009E73" linewidth 2 dashtype (12, 4) pointtype 13      # Ftrl
set linetype 19 linecolor rgb "#000000" linewidth 2 dashtype (4, 3) pointtype 15       # ScheduleFreeSGD
set linetype 20 linecolor rgb "#0072B2" linewidth 2 dashtype (12, 4) pointtype 6       # ScheduleFreeAdamW
set linetype 21 linecolor rgb "#D55E00" linewidth 2 dashtype (4, 3) pointtype 4        # LAMB
set linetype 22 linecolor rgb "#808080" linewidth 2 dashtype (12, 4) pointtype 8       # LARS
set linetype 23 linecolor rgb "#009E73" linewidth 2 dashtype solid pointtype 10        # Muon
set linetype 24 linecolor rgb "#808080" linewidth 2 dashtype (4, 3) pointtype 12       # Adafactor

set encoding utf8
png = strstrt(GPVAL_TERMINALS, "pngcairo") > 0 ? "pngcairo" : "png"
set terminal @png size 1200, 540 font "sans,14" linewidth 1.2 background rgb "white"
set grid linecolor rgb "#cccccc" linewidth 1 dashtype solid
set border 3
set tics nomirror
