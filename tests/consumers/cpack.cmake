# SPDX-License-Identifier: MIT
# The packages that cpack makes from the build tree `tree`: the archive contains what `installed` contains, and the
# Debian package states its dependencies.
cmake_minimum_required(VERSION 3.21)

function(pack generator)
  execute_process(COMMAND ${cpack} -G ${generator} --config ${tree}/CPackConfig.cmake -B ${folder}
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${folder})
pack(TGZ)
file(ARCHIVE_EXTRACT INPUT ${folder}/descent-${version}.tar.gz DESTINATION ${folder})
file(GLOB_RECURSE packed RELATIVE ${folder}/descent-${version} ${folder}/descent-${version}/*)
file(GLOB_RECURSE expected RELATIVE ${installed} ${installed}/*)
if(expected STREQUAL "" OR NOT packed STREQUAL expected)
  message(SEND_ERROR "the archive holds\n${packed}\nand not\n${expected}")
endif()

find_program(dpkg_deb dpkg-deb)
if(dpkg_deb)
  pack(DEB)
  execute_process(COMMAND ${dpkg_deb} --field ${folder}/libdescent-dev_${version}_all.deb Depends
    OUTPUT_VARIABLE depends OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  if(NOT depends STREQUAL "libeigen3-dev (>= 3.4)")
    message(SEND_ERROR "the Debian package depends on \"${depends}\"")
  endif()
endif()
