# SPDX-License-Identifier: MIT
#
# Object files from one source, compiled with different flags, must have no function of the library in common: the
# linker would keep only one copy, and another CPU might not be able to run it.
#
# cmake -Dnm=NM -Dobjects=FILES -P functions.cmake
cmake_minimum_required(VERSION 3.21)

foreach(object IN LISTS objects)
  execute_process(COMMAND ${nm} ${object} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  # Weak functions with the library's namespace in their names; std::move, forward and as_const are only casts, and elsewhere.cpp has
  # templates of its own.
  string(REGEX MATCHALL " W [^\n]*7descent[^\n]*" functions "${symbols}")
  list(FILTER functions EXCLUDE REGEX "_ZSt4moveI|_ZSt7forwardI|_ZSt8as_constI|_ZN9elsewhere")
  if(NOT functions)
    message(FATAL_ERROR "${object} has no function of the library")
  endif()
  list(APPEND all ${functions})
endforeach()

foreach(function IN LISTS all)
  if(DEFINED "seen ${function}")
    list(APPEND common ${function})
  endif()
  set("seen ${function}" TRUE)
endforeach()
if(common)
  list(JOIN common "\n" common)
  message(FATAL_ERROR "in more than one object file:\n${common}")
endif()
