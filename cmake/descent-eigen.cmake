# SPDX-License-Identifier: MIT
# Finds Eigen 3.4 or newer as the target Eigen3::Eigen, which may already exist. If there is none,
# descent_NOT_FOUND_MESSAGE says why. The project and the package that it installs both read this file.
unset(descent_NOT_FOUND_MESSAGE)
if(NOT TARGET Eigen3::Eigen)
  find_package(Eigen3 CONFIG QUIET)
  if(NOT Eigen3_FOUND)
    set(descent_NOT_FOUND_MESSAGE
      "descent needs Eigen 3.4 or newer, and there is no Eigen3Config.cmake; CMAKE_PREFIX_PATH or Eigen3_DIR can tell where")
  # Asked for 3.4, Eigen's own version file refuses 5; asked for the range 3.4...5, it refuses 3.4.0. An Eigen that
  # comes from FetchContent, with OVERRIDE_FIND_PACKAGE, reports no version.
  elseif(Eigen3_VERSION AND Eigen3_VERSION VERSION_LESS 3.4)
    set(descent_NOT_FOUND_MESSAGE "descent needs Eigen 3.4 or newer, and found ${Eigen3_VERSION} in ${Eigen3_DIR}")
  endif()
endif()
