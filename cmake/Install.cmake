# SPDX-License-Identifier: MIT
# Installs the headers, the CMake package and the pkg-config file; where they are installed to is left to
# CMAKE_INSTALL_*DIR, and what is installed can be moved as a whole.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

install(TARGETS descent EXPORT descent-targets FILE_SET HEADERS FILE_SET checkpoint FILE_SET parts)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(descent_package_dir ${CMAKE_INSTALL_DATADIR}/cmake/descent)
configure_file(cmake/descent-config.cmake.in descent-config.cmake @ONLY)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/descent-config-version.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(EXPORT descent-targets NAMESPACE descent:: DESTINATION ${descent_package_dir})
install(
  FILES
    ${PROJECT_BINARY_DIR}/descent-config.cmake
    ${PROJECT_BINARY_DIR}/descent-config-version.cmake
    cmake/descent-eigen.cmake
  DESTINATION ${descent_package_dir})

# The .pc file finds the headers from its own place, unless one of the two was put at a place by name.
if(IS_ABSOLUTE "${CMAKE_INSTALL_DATADIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(descent_pc_prefix ${CMAKE_INSTALL_PREFIX})
  set(descent_pc_includedir ${CMAKE_INSTALL_FULL_INCLUDEDIR})
else()
  set(up /prefix)
  cmake_path(RELATIVE_PATH up BASE_DIRECTORY /prefix/${CMAKE_INSTALL_DATADIR}/pkgconfig)
  set(descent_pc_prefix \${pcfiledir}/${up})
  set(descent_pc_includedir \${prefix}/${CMAKE_INSTALL_INCLUDEDIR})
endif()
configure_file(cmake/descent.pc.in descent.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/descent.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
