# SPDX-License-Identifier: MIT
# The target `docs`: the reference as HTML pages, from html/index.html in the build tree on. A warning of Doxygen is an
# error.
find_package(Doxygen QUIET)
if(NOT Doxygen_FOUND)
  message(FATAL_ERROR "the reference needs Doxygen; `sh cmake/deps.sh --docs` installs it (apt: doxygen)")
endif()

# To these the page of examples/README.md leads.
file(GLOB sources ${PROJECT_SOURCE_DIR}/examples/*.[ch]pp ${PROJECT_SOURCE_DIR}/examples/*.gp)
list(JOIN sources "\" \"" descent_example_sources)

configure_file(cmake/Doxyfile.in Doxyfile @ONLY)
add_custom_target(docs
  COMMAND Doxygen::doxygen Doxyfile
  COMMAND ${CMAKE_COMMAND} -E echo "The reference: ${PROJECT_BINARY_DIR}/html/index.html"
  USES_TERMINAL VERBATIM)
