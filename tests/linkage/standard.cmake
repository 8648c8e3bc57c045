# SPDX-License-Identifier: MIT
#
# Every header must say that it needs C++20 before the compiler stumbles over what C++17 does not know.
#
# cmake -Dcompiler=COMPILER -Dheaders=FILES -Dinclude_dir=FOLDER -Dincludes=FOLDERS -P standard.cmake
cmake_minimum_required(VERSION 3.21...3.25)

list(TRANSFORM includes PREPEND -I)
foreach(header IN LISTS headers)
  execute_process(COMMAND ${compiler} -std=c++17 -E ${includes} -x c++ ${include_dir}/${header}
    OUTPUT_QUIET ERROR_VARIABLE message)
  if(NOT message MATCHES "error: [^\n]*descent needs C\\+\\+20")
    list(APPEND silent ${header})
  endif()
endforeach()
list(FILTER silent EXCLUDE REGEX "/version.hpp$")  # needs nothing
if(silent)
  list(JOIN silent "\n" silent)
  message(FATAL_ERROR "no word of C++20 from\n${silent}")
endif()
