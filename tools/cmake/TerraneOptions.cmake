# SPDX-License-Identifier: MIT
# Options, build type, language level and warnings.
option(BUILD_SHARED_LIBS "Build libterrane as a shared library" ON)
set(TERRANE_CUDA AUTO CACHE STRING "CUDA back end: AUTO (if nvcc is found), ON, OFF")
set_property(CACHE TERRANE_CUDA PROPERTY STRINGS AUTO ON OFF)
set(TERRANE_CUDA_ARCHS auto CACHE STRING "CUDA architectures; auto asks the driver, else 80-real;90")
set(TERRANE_CPU_VARIANTS "v3;v4" CACHE STRING
  "CPU kernel variants beside the baseline: v3 (AVX2), v4 (AVX-512); native: the best one of this processor")
foreach(library IN ITEMS PNG LAPACK)
  set(TERRANE_${library} AUTO CACHE STRING "${library}: AUTO, ON, OFF")
endforeach()
set(TERRANE_DEPS "" CACHE PATH "Folder made by tools/vendor-deps; empty: system packages")
option(TERRANE_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(TERRANE_WERROR "Warnings are errors" OFF)
option(TERRANE_UNITY "Compile sources in batches: a clean build takes about half the time, a changed file longer" OFF)
option(TERRANE_BUILD_TOOLS "Build the command line program" ${PROJECT_IS_TOP_LEVEL})
option(TERRANE_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(TERRANE_BUILD_BENCH "Build the benchmarks" OFF)
option(TERRANE_INSTALL "Generate the install rules" ${PROJECT_IS_TOP_LEVEL})

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
string(REGEX MATCH "x86_64|AMD64" TERRANE_X86 "${CMAKE_SYSTEM_PROCESSOR}")
set(TERRANE_BASELINE_LEVEL -O1)
if(TERRANE_CPU_VARIANTS STREQUAL "native")
  set(TERRANE_BASELINE_LEVEL -O0)  # this processor does not run it, other than in tests
  set(TERRANE_CPU_VARIANTS "")
  if(TERRANE_X86 AND EXISTS /proc/cpuinfo)
    file(STRINGS /proc/cpuinfo flags REGEX "^flags" LIMIT_COUNT 1)
    if(flags MATCHES " avx512vl( |$)")
      set(TERRANE_CPU_VARIANTS "v4")
    elseif(flags MATCHES " avx2( |$)")
      set(TERRANE_CPU_VARIANTS "v3")
    endif()
  endif()
endif()

# One layout for the build tree and the installation: modules are found in <libdir>/terrane beside the library.
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET default)

add_library(terrane_build INTERFACE)  # flags of every target of this project, not exported
target_compile_features(terrane_build INTERFACE cxx_std_20)
target_include_directories(terrane_build INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(terrane_build INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wconversion -ffp-contract=off>)
# g++ 12 warns of overlapping copies inside std::string operator+ where there are none (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(terrane_build INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
# Lambdas that hold a type of the same file: in a batch that file is not the main one.
if(TERRANE_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(terrane_build INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>)
endif()
if(TERRANE_WERROR)
  target_compile_options(terrane_build INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(TERRANE_SANITIZE)
  # Left out: what AddressSanitizer finds by itself (accesses through null and past an object, and the pointers on the
  # way there).
  set(sanitize -fsanitize=address,undefined -fno-sanitize=null,pointer-overflow,object-size
    -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_compile_options(terrane_build INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${sanitize}>)
  target_link_options(terrane_build INTERFACE ${sanitize})
  target_compile_definitions(terrane_build INTERFACE $<$<COMPILE_LANGUAGE:CXX>:_GLIBCXX_ASSERTIONS>)
endif()

# Code that steers, and programs. The sanitized build leaves out checks of every access for alignment there, and
# AddressSanitizer checks an access by a call instead of in place: shorter to compile, longer to run, which for kernels
# costs more than it saves. Linked after terrane_build: the last flag wins.
add_library(terrane_steering INTERFACE)
target_compile_options(terrane_steering INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:$<$<CONFIG:Release>:-O1>$<$<CONFIG:Debug>:-O0>>)
if(TERRANE_SANITIZE)
  set(by_call "")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set(by_call --param=asan-instrumentation-with-call-threshold=0)
  endif()
  target_compile_options(terrane_steering INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=alignment;${by_call}>")
endif()

# Sources of a target in batches: most of the time goes into headers and into inline functions and templates that every
# batch compiles anew. 32 files instead of ten take a third less time, and 1 GB (build_jobs in tools/setup-common.sh
# counts on 1.5). Names without linkage must differ between the files of a target.
function(terrane_unity target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${TERRANE_UNITY} UNITY_BUILD_BATCH_SIZE 32)
endfunction()
# Members of one class template in two files, each with its explicit instantiation; headers inside a namespace.
set_source_files_properties("${PROJECT_SOURCE_DIR}/engine/field_record.cpp" PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)

# Sources of a library that compute little: -O1 in a release build saves a third of their compile time.
function(terrane_cold_objects library)
  add_library(${library}_cold OBJECT ${ARGN})
  terrane_library_defaults(${library}_cold)
  terrane_unity(${library}_cold)
  target_link_libraries(${library}_cold PRIVATE terrane_steering)
  if(BUILD_SHARED_LIBS)
    target_compile_definitions(${library}_cold PRIVATE ${library}_EXPORTS)
  endif()
  target_sources(${library} PRIVATE $<TARGET_OBJECTS:${library}_cold>)
endfunction()

# Programs and tests only call the library.
function(terrane_program_defaults target)
  target_link_libraries(${target} PRIVATE terrane_build terrane_steering terrane terrane_private_deps)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
endfunction()
