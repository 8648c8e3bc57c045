# SPDX-License-Identifier: MIT
#
# Compiles <descent/fwd.hpp> alone, and checks that it declares every class, enum and alias that the headers define in
# their public namespaces, and includes neither Eigen nor the standard library.
#
# cmake -Dcompiler=COMMAND -Dheaders=HEADERS -Dinclude_dir=FOLDER -Dfolder=FOLDER_TO_WRITE_TO -P forward.cmake

cmake_minimum_required(VERSION 3.21)

# What only a rule is made of, and what is no class of the library.
set(exceptions Hyperparameter MovingAverage Step LinkStep Place NormOf Epsilons CorrectedRoot ScheduleFreeStep Value)
list(FILTER headers EXCLUDE REGEX "/(kernel|any|curvature)/")

set(uses)
set(count 0)
foreach(header IN LISTS headers)
  file(READ ${include_dir}/${header} text)
  string(REGEX REPLACE "[][;]" " " text "${text}")
  string(REPLACE "\n" ";" lines "${text}")
  set(namespace)
  set(in_detail OFF)
  set(constrained OFF)
  foreach(line IN LISTS lines)
    if(line MATCHES "^namespace (descent::)?(detail|interval) ")
      set(in_detail ON)
    elseif(line MATCHES "^}  // namespace (descent::)?(detail|interval)")
      set(in_detail OFF)
    elseif(line MATCHES "^namespace (descent::)?(rules|transforms|schedules) ")
      set(namespace "${CMAKE_MATCH_2}::")
    elseif(line MATCHES "^}  // namespace (descent::)?(rules|transforms|schedules)")
      set(namespace)
    elseif(line MATCHES "^(template|requires)")
      if(line MATCHES "[<,] ?[A-Z]|^requires")
        set(constrained ON)
      endif()
    else()
      if(line MATCHES "^(struct|class|enum class|using) ([A-Za-z0-9]+)( [:{=]|$)" AND NOT in_detail AND NOT constrained)
        set(name ${CMAKE_MATCH_2})
        if(NOT name IN_LIST exceptions)
          math(EXPR count "${count} + 1")
          string(APPEND uses "namespace n${count} {\nusing descent::${namespace}${name};  // ${header}\n}\n")
        endif()
      endif()
      set(constrained OFF)
    endif()
  endforeach()
endforeach()
if(count LESS 90)
  message(FATAL_ERROR "only ${count} names were found")
endif()

file(WRITE ${folder}/forward.cpp "#include <descent/fwd.hpp>
#if defined(EIGEN_WORLD_VERSION) || defined(__GLIBCXX__) || defined(_LIBCPP_VERSION)
#error fwd.hpp includes more than it needs
#endif
${uses}")
execute_process(COMMAND ${compiler} -std=c++20 -fsyntax-only -I${include_dir} ${folder}/forward.cpp
  RESULT_VARIABLE result ERROR_VARIABLE message)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "fwd.hpp lacks a name:\n${message}")
endif()
