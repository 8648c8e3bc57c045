# SPDX-License-Identifier: MIT
#
# Compiles the broken form of one case, which must fail and say why within the first screen of the message. The case's
# first lines say what is expected:
#
#   // names: CONCEPT         the concept that the compiler reports as not satisfied, or
#   // says: TEXT             words of one of the compiler's errors or notes, or
#   // says alone: TEXT       words of its first error, in a message that ends on that screen
#   // breaks with: FLAGS     what makes the broken form; -DFAIL if this line is missing
#   // compiles with: FLAGS   what makes its twin, which is then also compiled here (else by twins.cpp)
#   // only with: COMPILER    as CMake calls it, if others accept the broken form
#
# cmake -Dcompiler=COMMAND -Dincludes=FOLDERS -Dlibrary=HEADER -Dcase=FILE -P check.cmake
cmake_minimum_required(VERSION 3.21)

# g++ 12 takes 16 lines to come to the concept, half of them for the include path and the source; later versions show
# the call a second time. Nobody reads what is below them.
set(first_lines 20)

function(read_expectation key fallback variable)
  file(STRINGS ${case} line REGEX "^// ${key}: " LIMIT_COUNT 1)
  string(REPLACE "// ${key}: " "" value "${line}")
  if(value STREQUAL "")
    set(value "${fallback}")
  endif()
  set(${variable} "${value}" PARENT_SCOPE)
endfunction()

read_expectation("names" "" concept)
read_expectation("says" "" text)
read_expectation("says alone" "" only_text)
read_expectation("breaks with" "-DFAIL" broken_flags)
read_expectation("compiles with" "" twin_flags)
if(NOT concept AND NOT text AND NOT only_text)
  message(FATAL_ERROR "${case} has no line \"// names: \", \"// says: \" or \"// says alone: \"")
endif()

# Messages in English, with plain quotation marks.
set(ENV{LC_ALL} C)
list(TRANSFORM includes PREPEND -I)

macro(compile flags)
  separate_arguments(how UNIX_COMMAND "${flags}")
  if(NOT how MATCHES "-f|-std=")  # the precompiled header lacks such flags
    list(APPEND how -include ${library})
  endif()
  execute_process(COMMAND ${compiler} -std=c++20 -fsyntax-only -w ${includes} ${how} ${case}
    RESULT_VARIABLE result OUTPUT_VARIABLE message ERROR_VARIABLE message)
endmacro()

if(twin_flags)
  compile("${twin_flags}")
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "the twin does not compile:\n${message}")
  endif()
endif()

compile("${broken_flags}")
if(result EQUAL 0)
  message(FATAL_ERROR "with ${broken_flags} it compiles, and should not")
endif()

# Only the compiler's own words count: a quoted line of source also names concepts that are satisfied.
string(REGEX REPLACE "[][;]" " " lines "${message}")
string(REPLACE "\n" ";" lines "${lines}")
list(LENGTH lines length)
list(SUBLIST lines 0 ${first_lines} lines)
if(only_text)
  set(text "${only_text}")
  list(FILTER lines INCLUDE REGEX ": (fatal error|error): ")
  list(SUBLIST lines 0 1 lines)
  string(FIND "${lines}" "${text}" found)
  if(found EQUAL -1 OR length GREATER first_lines)
    set(lines)
  endif()
elseif(concept)
  list(FILTER lines INCLUDE REGEX "(satisfaction of|does not satisfy|because) '([a-z]+::)*${concept}[<']")
else()
  list(FILTER lines INCLUDE REGEX ": (fatal error|error|note): ")
  string(FIND "${lines}" "${text}" found)
  if(found EQUAL -1)
    set(lines)
  endif()
endif()
if(NOT lines)
  message(FATAL_ERROR "the first ${first_lines} lines do not say \"${concept}${text}\":\n${message}")
endif()
