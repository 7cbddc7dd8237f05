# SPDX-License-Identifier: MIT
# cmake -DBUILD= -DSOURCE= -DWORK= -DGENERATOR= -DCC= -DCXX= -DFLAGS= -DJSON= -P this
cmake_minimum_required(VERSION 3.25)
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    string(REPLACE ";" " " line "${ARGN}")
    message(FATAL_ERROR "failed (${status}): ${line}")
  endif()
endfunction()

file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")
run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${WORK}/prefix")
# The installation must not need the place where it was made.
file(RENAME "${WORK}/prefix" "${WORK}/moved")
set(prefix "${WORK}/moved")

foreach(language IN ITEMS cpp c)
  set(build "${WORK}/${language}")
  run("${CMAKE_COMMAND}" -S "${SOURCE}/consumer_${language}" -B "${build}" -G "${GENERATOR}"
    "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_C_COMPILER=${CC}" "-DCMAKE_CXX_COMPILER=${CXX}"
    "-DCMAKE_C_FLAGS=${FLAGS}" "-DCMAKE_CXX_FLAGS=${FLAGS}" "-Dterrane_JSON_INCLUDE=${JSON}")
  run("${CMAKE_COMMAND}" --build "${build}")
  run("${build}/embed" "${SOURCE}/consumer_c/forward.json")  # the C++ program takes no notice of it
endforeach()
run("${WORK}/c/contract")
if(EXISTS "${prefix}/bin/terrane")
  run("${prefix}/bin/terrane" --version)
endif()

# The same C program through pkg-config.
find_program(PKG_CONFIG pkg-config)
file(GLOB_RECURSE pc "${prefix}/terrane.pc")
if(PKG_CONFIG AND pc)
  get_filename_component(folder "${pc}" DIRECTORY)
  set(ENV{PKG_CONFIG_PATH} "${folder}")
  execute_process(COMMAND "${PKG_CONFIG}" --cflags --libs terrane OUTPUT_VARIABLE options RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "pkg-config does not find terrane in ${folder}")
  endif()
  separate_arguments(options UNIX_COMMAND "${options}")
  get_filename_component(library "${folder}" DIRECTORY)
  separate_arguments(flags UNIX_COMMAND "${FLAGS}")
  run("${CC}" ${flags} "${SOURCE}/consumer_c/embed.c" -o "${WORK}/embed-pc" ${options} "-Wl,-rpath,${library}")
  run("${WORK}/embed-pc" "${SOURCE}/consumer_c/forward.json")
else()
  message(STATUS "pkg-config was not found: that consumer is skipped")
endif()
