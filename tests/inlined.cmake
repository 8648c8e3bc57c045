# SPDX-License-Identifier: MIT
#
# Every kernel of a program compiled with -O2 must be inlined into the sweep, with everything that it calls. If one is
# not, functions of the widest packs are left over, and its steps take up to 10 times as long.
#
# cmake -Dnm=NM -Dprogram=PROGRAM -P inlined.cmake
cmake_minimum_required(VERSION 3.21)

execute_process(COMMAND ${nm} -C ${program} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]*Pack<(float|double), (32|64)>[^\n]*" left "${symbols}")
if(left)
  list(JOIN left "\n" left)
  message(FATAL_ERROR "not inlined; mark the kernel, and the functions that it calls, always_inline:\n${left}")
endif()
