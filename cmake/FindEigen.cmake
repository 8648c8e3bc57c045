# SPDX-License-Identifier: MIT
# Eigen 3.4 or newer, as the target Eigen3::Eigen. The version is checked here: Eigen's own version
# file refuses 5 where 3.4 is asked for, and ranges such as 3.4...5 where it is 3.4.0.
if(NOT TARGET Eigen3::Eigen)
  find_package(Eigen3 CONFIG REQUIRED)
  if(Eigen3_VERSION VERSION_LESS 3.4)
    message(FATAL_ERROR "descent needs Eigen 3.4 or newer; found ${Eigen3_VERSION} in ${Eigen3_DIR}")
  endif()
endif()
