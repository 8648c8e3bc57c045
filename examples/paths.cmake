# SPDX-License-Identifier: MIT
#
# Folders whose names gnuplot or a shell could take for something else must be treated as folders, and nothing may run
# because of them:
#
#     cmake -DRACE=<program> -DDIGITS=<program> -DDATA=<csv> -DFOLDER=<folder> -P paths.cmake
cmake_minimum_required(VERSION 3.21)

foreach(name IN ITEMS "|touch ../touched && cat >" "<touch ../touched && echo" "~"
    "it's \"quoted\" `touch ../touched` \$(touch ../touched) \\n %d %s {a}_^b\nand goes on")
  file(REMOVE_RECURSE ${FOLDER})
  file(MAKE_DIRECTORY ${FOLDER}/here)
  execute_process(COMMAND ${RACE} --surface bowl --optimizer SGD --steps 2 "--output=${name}"
    WORKING_DIRECTORY ${FOLDER}/here OUTPUT_QUIET ERROR_QUIET)
  execute_process(COMMAND ${DIGITS} --data ${DATA} --epochs 1 "--output=${name}"
    WORKING_DIRECTORY ${FOLDER}/here OUTPUT_QUIET ERROR_QUIET)
  foreach(file IN ITEMS bowl.png bowl.gif digits.png)
    if(NOT EXISTS "${FOLDER}/here/${name}/${file}")
      message(SEND_ERROR "there is no ${file} in the folder '${name}'")
    endif()
  endforeach()
  if(EXISTS ${FOLDER}/touched)
    message(SEND_ERROR "a command is run for the folder '${name}'")
  endif()
endforeach()
