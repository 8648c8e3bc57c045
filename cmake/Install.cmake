# SPDX-License-Identifier: MIT
# Installs the headers, the CMake package and the pkg-config file.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(descent_cmake_dir ${CMAKE_INSTALL_DATADIR}/cmake/descent)

install(TARGETS descent EXPORT descent-targets FILE_SET HEADERS FILE_SET parts)
install(EXPORT descent-targets NAMESPACE descent:: DESTINATION ${descent_cmake_dir})

configure_file(cmake/descent-config.cmake.in descent-config.cmake @ONLY)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/descent-config-version.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/descent-config.cmake ${PROJECT_BINARY_DIR}/descent-config-version.cmake
  cmake/FindEigen.cmake
  DESTINATION ${descent_cmake_dir})

# Paths relative to the .pc file itself, so that an installed tree can be moved.
file(RELATIVE_PATH descent_pc_prefix ${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/descent.pc.in descent.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/descent.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
