# SPDX-License-Identifier: MIT
#
# An error that no handler of the program's takes is printed, and the program aborts.
#
# cmake -Dprogram=FILE -P abort.cmake
cmake_minimum_required(VERSION 3.21)

execute_process(COMMAND ${program} abort RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE message)
set(expected "descent::Adam: beta1 = 1.5; it must be in [0, 1)\n")
if(NOT message STREQUAL expected)
  message(SEND_ERROR "it prints\n${message}and not\n${expected}")
endif()
if(NOT result MATCHES "abort")
  message(SEND_ERROR "it ends with \"${result}\" and does not abort")
endif()
