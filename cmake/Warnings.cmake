# SPDX-License-Identifier: MIT
# descent_warnings(TARGET): the warnings that the project's own programs are built with, listed in warnings.txt. The
# presets make them errors (CMAKE_COMPILE_WARNING_AS_ERROR); other builds may have compilers and flags that we don't
# know.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/warnings.txt)
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/warnings.txt descent_warning_flags)
separate_arguments(descent_warning_flags)

function(descent_warnings target)
  target_compile_options(${target} PRIVATE ${descent_warning_flags})
endfunction()
