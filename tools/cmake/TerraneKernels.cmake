# SPDX-License-Identifier: MIT
# Kernel sources are compiled once for each back end, as a whole, with that back end's flags:
#   kernels/**/x.cpp       every back end (default schedules and the function table)
#   kernels/**/x.cpu.cpp   CPU variants
#   kernels/**/x.cuda.cu   CUDA, and the emulated back end of the tests
file(GLOB_RECURSE kernel_all CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}" kernels/*.cpp kernels/*.cu)
list(FILTER kernel_all EXCLUDE REGEX "^kernels/runtime/[^/]*\\.cpp$")
set(TERRANE_KERNELS_COMMON ${kernel_all})
list(FILTER TERRANE_KERNELS_COMMON EXCLUDE REGEX "\\.(cpu\\.cpp|cuda\\.cu)$")
set(TERRANE_KERNELS_CPU ${kernel_all})
list(FILTER TERRANE_KERNELS_CPU INCLUDE REGEX "\\.cpu\\.cpp$")
set(TERRANE_KERNELS_CUDA ${kernel_all})
list(FILTER TERRANE_KERNELS_CUDA INCLUDE REGEX "\\.cuda\\.cu$")

# Vectors wider than a register of the baseline are inlined everywhere; their calling convention does not matter.
set_source_files_properties("${PROJECT_SOURCE_DIR}/kernels/stencil/wave.cpu.cpp"
  "${PROJECT_SOURCE_DIR}/kernels/stencil/wave3.cpu.cpp" "${PROJECT_SOURCE_DIR}/kernels/stencil/poisson.cpp"
  PROPERTIES COMPILE_OPTIONS -Wno-psabi)
# Optimised and sanitized, this one takes minutes.
set_source_files_properties("${PROJECT_SOURCE_DIR}/kernels/stencil/eikonal.cpu.cpp" PROPERTIES COMPILE_OPTIONS
  "$<$<CONFIG:Debug>:-O0>")
# The library of transforms is vectorized by hand.
set_source_files_properties("${PROJECT_SOURCE_DIR}/kernels/fft/fft.cpu.cpp"
  PROPERTIES COMPILE_OPTIONS "$<IF:$<CONFIG:Debug>,-O0,-O1>")

# Large sources stay alone.
foreach(source IN LISTS TERRANE_KERNELS_CPU)
  set_source_files_properties("${PROJECT_SOURCE_DIR}/${source}" PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endforeach()

function(terrane_backend_options target backend)
  terrane_unity(${target})
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
  target_compile_definitions(${target} PRIVATE TERRANE_BACKEND=${backend})
  # The sanitized build keeps -O1 for kernels: stencils at -O0 would take the tests past any patience.
  # The emulator's time goes into switching fibers, and its kernels are compiled for the tests only: -O1 as well.
  set(level "$<IF:$<CONFIG:Debug>,-O1,-O3>")
  # The baseline serves processors without AVX2 where the variants are built, and costs most to compile at -O3.
  if(backend STREQUAL "emulated")
    set(level -O1)
  elseif(backend STREQUAL "baseline" AND TERRANE_X86 AND TERRANE_CPU_VARIANTS)
    set(level ${TERRANE_BASELINE_LEVEL})
  endif()
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${level}>)
endfunction()

# The baseline table is part of the library itself.
function(terrane_kernel_objects library backend)
  list(TRANSFORM TERRANE_KERNELS_COMMON PREPEND "${PROJECT_SOURCE_DIR}/" OUTPUT_VARIABLE common)
  list(TRANSFORM TERRANE_KERNELS_CPU PREPEND "${PROJECT_SOURCE_DIR}/" OUTPUT_VARIABLE cpu)
  add_library(terrane_kernels_${backend} OBJECT ${common} ${cpu})
  target_link_libraries(terrane_kernels_${backend} PRIVATE terrane_build terrane_private_deps)
  terrane_backend_options(terrane_kernels_${backend} ${backend})
  target_sources(${library} PRIVATE $<TARGET_OBJECTS:terrane_kernels_${backend}>)
  if(TARGET terrane_lapack)
    target_link_libraries(terrane_kernels_${backend} PRIVATE terrane_lapack)
    target_link_libraries(${library} PRIVATE $<BUILD_INTERFACE:terrane_lapack>)
  endif()
endfunction()

function(terrane_module_defaults target)
  target_compile_definitions(${target} PRIVATE TERRANE_MODULE)
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME "${target}"
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib/terrane")
  # A missing kernel is an error here, not at load time; nothing but the entry point is visible.
  if(NOT TERRANE_SANITIZE)
    target_link_options(${target} PRIVATE -Wl,-z,defs)
  endif()
  target_link_options(${target} PRIVATE "-Wl,--version-script,${PROJECT_SOURCE_DIR}/tools/cmake/module.map")
  install(TARGETS ${target} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/terrane")
endfunction()

function(terrane_kernel_module target backend flags)
  list(TRANSFORM TERRANE_KERNELS_COMMON PREPEND "${PROJECT_SOURCE_DIR}/" OUTPUT_VARIABLE common)
  list(TRANSFORM TERRANE_KERNELS_CPU PREPEND "${PROJECT_SOURCE_DIR}/" OUTPUT_VARIABLE cpu)
  add_library(${target} MODULE ${common} ${cpu})
  target_link_libraries(${target} PRIVATE terrane_build terrane_private_deps)
  if(TARGET terrane_lapack)
    target_link_libraries(${target} PRIVATE terrane_lapack)
  endif()
  target_compile_options(${target} PRIVATE ${flags})
  terrane_backend_options(${target} ${backend})
  terrane_module_defaults(${target})
  add_dependencies(terrane ${target})
endfunction()

# nvcc compiles the same sources through generated stubs, because a source has one language per directory in CMake.
# TERRANE_UNITY: eight sources a stub; nvcc reads the headers of each one three times.
function(terrane_cuda_module)
  set(stubs "")
  set(size 1)
  if(TERRANE_UNITY)
    set(size 8)
  endif()
  list(LENGTH TERRANE_KERNELS_COMMON count)
  math(EXPR last "${count} - 1")
  foreach(begin RANGE 0 ${last} ${size})
    list(SUBLIST TERRANE_KERNELS_COMMON ${begin} ${size} batch)
    list(GET batch 0 name)
    string(MAKE_C_IDENTIFIER "${name}" name)
    list(TRANSFORM batch REPLACE "(.+)" "#include \"\\1\"\n" OUTPUT_VARIABLE includes)
    string(CONCAT content "// Generated: the CUDA copy of these sources.\n" ${includes})
    set(stub "${CMAKE_BINARY_DIR}/cuda/${name}.cu")
    file(CONFIGURE OUTPUT "${stub}" CONTENT "${content}")
    list(APPEND stubs "${stub}")
  endforeach()
  list(TRANSFORM TERRANE_KERNELS_CUDA PREPEND "${PROJECT_SOURCE_DIR}/" OUTPUT_VARIABLE cuda)
  add_library(terrane-cuda MODULE ${stubs} ${cuda})
  target_include_directories(terrane-cuda PRIVATE "${PROJECT_SOURCE_DIR}")
  target_compile_definitions(terrane-cuda PRIVATE TERRANE_BACKEND=cuda TERRANE_CUDA_BACKEND TERRANE_MODULE)
  target_compile_options(terrane-cuda PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 -fmad=false -Xcompiler=-Wall,-Wextra,-Wno-unknown-pragmas,-ffp-contract=off,-fvisibility=hidden --threads=1>)
  set_target_properties(terrane-cuda PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib/terrane"
    CUDA_RUNTIME_LIBRARY Static CUDA_VISIBILITY_PRESET hidden)
  target_link_libraries(terrane-cuda PRIVATE CUDA::cudart_static CUDA::cublas CUDA::cusolver CUDA::cufft)
  target_link_options(terrane-cuda PRIVATE -Wl,-z,defs
    "-Wl,--version-script,${PROJECT_SOURCE_DIR}/tools/cmake/module.map")
  install(TARGETS terrane-cuda LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/terrane")
endfunction()

# The CUDA sources under the emulator: g++, host versions of the vendor libraries. Used by the tests only.
function(terrane_emulated_module)
  set(sources "")
  foreach(source IN LISTS TERRANE_KERNELS_COMMON TERRANE_KERNELS_CUDA)
    string(MAKE_C_IDENTIFIER "${source}" name)
    set(stub "${CMAKE_BINARY_DIR}/emulated/${name}.cpp")
    file(CONFIGURE OUTPUT "${stub}" CONTENT "// Generated: the emulated copy of ${source}.\n#include \"${source}\"\n")
    list(APPEND sources "${stub}")
    if(source MATCHES "cuda\\.cu$")
      set_source_files_properties("${stub}" PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
  file(GLOB support CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/support/cuda_emulator*.cpp"
    "${PROJECT_SOURCE_DIR}/tests/support/fake_nv/*.cpp")
  add_library(terrane-emulated MODULE ${sources} ${support})
  target_include_directories(terrane-emulated BEFORE PRIVATE "${PROJECT_SOURCE_DIR}/tests/support/fake_nv")
  target_link_libraries(terrane-emulated PRIVATE terrane_build terrane_private_deps)
  target_compile_definitions(terrane-emulated PRIVATE TERRANE_CUDA_BACKEND)
  terrane_backend_options(terrane-emulated emulated)
  target_compile_options(terrane-emulated PRIVATE -Wno-unknown-pragmas)  # unroll hints for nvcc
  terrane_module_defaults(terrane-emulated)
endfunction()

function(terrane_library_defaults target)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:terrane_build> $<BUILD_INTERFACE:terrane_private_deps>)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/terrane> )
  target_include_directories(${target} SYSTEM PUBLIC $<BUILD_INTERFACE:${TERRANE_json_INCLUDE}>)
  if(NOT BUILD_SHARED_LIBS)
    target_link_libraries(${target} INTERFACE $<INSTALL_INTERFACE:Threads::Threads>
      $<INSTALL_INTERFACE:OpenMP::OpenMP_CXX> $<INSTALL_INTERFACE:${CMAKE_DL_LIBS}>)
    if(TERRANE_HAVE_PNG)
      target_link_libraries(${target} INTERFACE $<INSTALL_INTERFACE:PNG::PNG>)
    endif()
    if(TERRANE_HAVE_LAPACKE)
      target_link_libraries(${target} INTERFACE $<INSTALL_INTERFACE:${TERRANE_LAPACKE_LIBRARY}>
        $<INSTALL_INTERFACE:${TERRANE_OPENBLAS_LIBRARY}>)
    endif()
  endif()
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_compile_definitions(${target} PRIVATE TERRANE_VERSION="${PROJECT_VERSION}")
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
endfunction()
