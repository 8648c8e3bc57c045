# SPDX-License-Identifier: MIT
# descent_warnings(TARGET): the warnings that the project's own programs are built with, as errors.
function(descent_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
endfunction()
