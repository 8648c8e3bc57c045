# SPDX-License-Identifier: MIT
# Installs the headers, the CMake package and the pkg-config file, and lets cpack package them. CMAKE_INSTALL_*DIR
# decide where; the installed tree can be moved as a whole.
include(GNUInstallDirs)

install(DIRECTORY include/descent DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.hpp" PATTERN "*.inc")
install(TARGETS descent EXPORT descent-targets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(descent_package_dir ${CMAKE_INSTALL_DATADIR}/cmake/descent)
configure_file(cmake/descent-config.cmake.in descent-config.cmake @ONLY)
configure_file(cmake/descent-config-version.cmake.in descent-config-version.cmake @ONLY)
install(EXPORT descent-targets NAMESPACE descent:: DESTINATION ${descent_package_dir})
install(
  FILES
    ${PROJECT_BINARY_DIR}/descent-config.cmake
    ${PROJECT_BINARY_DIR}/descent-config-version.cmake
    cmake/descent-any.cmake
    cmake/descent-eigen.cmake
    cmake/descent-mpi.cmake
  DESTINATION ${descent_package_dir})

# The .pc file finds the headers relative to itself, unless one of the two has an absolute path.
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

# `cpack -G TGZ` and `cpack -G DEB`, in the build tree.
if(PROJECT_IS_TOP_LEVEL)
  set(CPACK_GENERATOR TGZ)
  set(CPACK_PACKAGE_VENDOR "The descent authors")
  set(CPACK_PACKAGE_CONTACT "The descent authors")
  set(CPACK_PACKAGE_FILE_NAME descent-${PROJECT_VERSION})
  set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
  set(CPACK_DEBIAN_PACKAGE_NAME libdescent-dev)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
  set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
  set(CPACK_DEBIAN_PACKAGE_DEPENDS "libeigen3-dev (>= 3.4)")
  include(CPack)
endif()
