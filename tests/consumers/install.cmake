# SPDX-License-Identifier: MIT
# Installs the library from a tree of its own into one folder and moves it to another, `prefix`: whatever uses it there
# proves that it does not depend on where it was installed.
cmake_minimum_required(VERSION 3.21)

file(REMOVE_RECURSE ${prefix} ${prefix}-tree ${prefix}-before)
execute_process(COMMAND ${CMAKE_COMMAND} -C ${settings} -G ${generator} -S ${source} -B ${prefix}-tree
    -DDESCENT_BUILD_TESTS=OFF -DDESCENT_BUILD_EXAMPLES=OFF -DDESCENT_BUILD_BENCHMARKS=OFF
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --install ${prefix}-tree --prefix ${prefix}-before
  COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${prefix}-before ${prefix})
