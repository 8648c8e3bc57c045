# SPDX-License-Identifier: MIT
#
# Runs a program and checks how it ends:
#
#     cmake -DCOMMAND=<program;arguments> -DSTATUS=<exit status> -DSTDERR=<regular expression> -P expect.cmake
execute_process(COMMAND ${COMMAND} RESULT_VARIABLE status OUTPUT_QUIET ERROR_VARIABLE stderr)
if(NOT status STREQUAL STATUS)
  message(SEND_ERROR "exit status ${status}, expected ${STATUS}")
endif()
if(NOT stderr MATCHES "^[^\n]*${STDERR}[^\n]*\n$")
  message(SEND_ERROR "stderr is not one line with \"${STDERR}\":\n${stderr}")
endif()
