# SPDX-License-Identifier: MIT
# The target Eigen3::Eigen of a project that brings its own Eigen, in the folder `own_eigen`, and has no
# package of it that could be found.
if(own_eigen)
  add_library(Eigen3::Eigen INTERFACE IMPORTED)
  target_include_directories(Eigen3::Eigen INTERFACE ${own_eigen})
  set(CMAKE_DISABLE_FIND_PACKAGE_Eigen3 ON)
endif()
