# SPDX-License-Identifier: MIT
# A project that brings its own Eigen: as a target, from the headers in the folder `own_eigen`, without a package that
# could be found; or as sources, in the folder `fetched_eigen`, which find_package(Eigen3) adds.
if(own_eigen)
  add_library(Eigen3::Eigen INTERFACE IMPORTED)
  target_include_directories(Eigen3::Eigen INTERFACE ${own_eigen})
  set(CMAKE_DISABLE_FIND_PACKAGE_Eigen3 ON)
endif()
if(fetched_eigen)
  include(FetchContent)
  FetchContent_Declare(Eigen3 SOURCE_DIR ${fetched_eigen} OVERRIDE_FIND_PACKAGE)
endif()
