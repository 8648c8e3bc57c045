# SPDX-License-Identifier: MIT
#
# Runs a short race, in which SGD ends early, and checks the contents of its folder afterwards:
#
#     cmake -DRACE=<program> -DFOLDER=<folder> -P race_files.cmake
file(REMOVE_RECURSE ${FOLDER})
execute_process(
  COMMAND ${RACE} --surface zigzag --optimizer sgd adam --rate sgd 1e200 --steps 3 --csv --output ${FOLDER}
  OUTPUT_VARIABLE table COMMAND_ERROR_IS_FATAL ANY)
if(NOT table MATCHES "SGD +η = 1e\\+200 [^\n]*, then too large to go on\n +Adam +η = 0.001 ")
  message(SEND_ERROR "the table is:\n${table}")
endif()

file(STRINGS ${FOLDER}/zigzag.csv lines)
list(GET lines 0 header)
list(GET lines 1 start)
list(LENGTH lines count)
if(NOT count EQUAL 5 OR NOT header STREQUAL "step,SGD x,SGD y,SGD value,Adam x,Adam y,Adam value")
  message(SEND_ERROR "zigzag.csv has ${count} lines, the first is: ${header}")
endif()
list(GET lines 4 end)
if(NOT start MATCHES "^0,-4,0.8[0-9]*,48[0-9.]*,-4,0.8[0-9]*,48[0-9.]*$" OR NOT end MATCHES "^3,,,,-3.99[0-9]+,0.79[0-9]+,47[0-9.]+$")
  message(SEND_ERROR "zigzag.csv starts with ${start} and ends with ${end}")
endif()

# The caption's claims hold for the race as defined, not for this one.
file(STRINGS ${FOLDER}/zigzag.gp caption REGEX "^caption = ")
if(NOT caption STREQUAL "caption = \"\"")
  message(SEND_ERROR "${caption}")
endif()

foreach(picture IN ITEMS zigzag.png zigzag.gif)
  file(SIZE ${FOLDER}/${picture} size)
  if(size LESS 10000)
    message(SEND_ERROR "${picture} has ${size} bytes")
  endif()
endforeach()
file(READ ${FOLDER}/zigzag.png png LIMIT 4 HEX)
file(READ ${FOLDER}/zigzag.gif gif LIMIT 6 HEX)
if(NOT png STREQUAL "89504e47" OR NOT gif STREQUAL "474946383961")
  message(SEND_ERROR "not pictures: ${png}, ${gif}")
endif()
