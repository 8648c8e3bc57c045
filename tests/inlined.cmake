# SPDX-License-Identifier: MIT
#
# Every kernel of a program that is compiled with -O2 must be inlined into the sweep, with all that it calls. Where one is
# not, functions of the widest packs are left behind, and its steps take up to 10 times as long.
#
# cmake -Dnm=NM -Dprogram=PROGRAM -P inlined.cmake
cmake_minimum_required(VERSION 3.21)

execute_process(COMMAND ${nm} -C ${program} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]*Pack<(float|double), (32|64)>[^\n]*" left "${symbols}")
if(left)
  list(JOIN left "\n" left)
  message(FATAL_ERROR "not inlined; mark the kernel, and the functions that it calls, always_inline:\n${left}")
endif()
