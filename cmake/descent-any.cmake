# SPDX-License-Identifier: MIT
# The target descent::any: all rules, compiled once for a program's AnyOptimizers. It is a library of the project that
# links it, with that project's flags, and is built only if it is linked.
if(TARGET descent::any)
  return()
endif()
set(descent_any_sources)
foreach(scalar IN ITEMS float double)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/descent_any_${scalar}.cpp)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT [[
#include <descent/any/make.hpp>

template void* descent::detail::make_model<@scalar@>(descent::detail::Components components);
]])
  list(APPEND descent_any_sources ${source})
endforeach()
add_library(descent_any STATIC EXCLUDE_FROM_ALL ${descent_any_sources})
add_library(descent::any ALIAS descent_any)
target_link_libraries(descent_any PUBLIC descent::descent)
# A build without a type is not optimized, and this has all loops of a program.
target_compile_options(descent_any PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O2>)
