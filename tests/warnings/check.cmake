# SPDX-License-Identifier: MIT
# A warning is an error with each preset that builds something, and a warning without presets:
#
#     cmake -Dcompiler=<compiler> -Dgenerator=<generator> -Dfolder=<folder> -P check.cmake
cmake_minimum_required(VERSION 3.25)

# builds(RESULT OPTION...): whether careless.cpp compiles; also checks that the compiler warns.
function(builds result)
  file(REMOVE_RECURSE ${folder})
  execute_process(COMMAND ${CMAKE_COMMAND} ${ARGN} -S ${CMAKE_CURRENT_LIST_DIR} -B ${folder}
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${folder}
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT output MATCHES "-W(error[,=])?[a-z-]*conversion")
    message(SEND_ERROR "no warning with ${ARGN}:\n${output}")
  endif()
  set(${result} ${status} PARENT_SCOPE)
endfunction()

builds(status -DCMAKE_CXX_COMPILER=${compiler} -G ${generator})
if(NOT status EQUAL 0)
  message(SEND_ERROR "a warning is an error without a preset")
endif()

find_program(clang clang++)
set(presets demo test bench)
if(clang)
  list(APPEND presets clang)
endif()
foreach(preset IN LISTS presets)
  builds(status --preset ${preset})
  if(status EQUAL 0)
    message(SEND_ERROR "a warning is no error with the preset ${preset}")
  endif()
endforeach()
