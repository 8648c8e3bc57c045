# SPDX-License-Identifier: MIT
# Compiles and runs a program with nothing but what pkg-config says about the library.
cmake_minimum_required(VERSION 3.21)

set(ENV{PKG_CONFIG_PATH} "${path}:$ENV{PKG_CONFIG_PATH}")
execute_process(COMMAND ${pkg_config} --cflags descent OUTPUT_VARIABLE cflags COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${pkg_config} --modversion descent
  OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)

separate_arguments(flags UNIX_COMMAND "${flags} ${cflags}")
execute_process(
  COMMAND ${compiler} -std=c++20 ${flags} "-DPACKAGE_VERSION=\"${version}\"" ${source} -o ${program}
  COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${program} COMMAND_ERROR_IS_FATAL ANY)
