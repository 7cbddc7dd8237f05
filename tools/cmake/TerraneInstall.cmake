# SPDX-License-Identifier: MIT
# install, find_package(terrane) and pkg-config. Layout below the prefix: bin/terrane, lib/libterrane.so with its
# modules in lib/terrane, include/terrane.h (C), include/terrane/ (C++, the folder tree of the sources).
if(NOT TERRANE_INSTALL)
  return()
endif()
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/terrane")
set_target_properties(terrane PROPERTIES EXPORT_NAME core)
install(TARGETS terrane EXPORT terraneTargets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
if(TERRANE_BUILD_TOOLS)
  set_target_properties(terrane_cli PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  install(TARGETS terrane_cli RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
install(DIRECTORY kernels autodiff physics analysis engine DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/terrane"
  FILES_MATCHING PATTERN "*.hpp")
install(FILES engine/api/terrane.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES LICENSE README.md DESTINATION "${CMAKE_INSTALL_DOCDIR}")

install(EXPORT terraneTargets NAMESPACE terrane:: DESTINATION "${package_dir}")
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/terraneConfig.cmake.in"
  "${CMAKE_BINARY_DIR}/terraneConfig.cmake" INSTALL_DESTINATION "${package_dir}"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file("${CMAKE_BINARY_DIR}/terraneConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/terraneConfig.cmake" "${CMAKE_BINARY_DIR}/terraneConfigVersion.cmake"
  DESTINATION "${package_dir}")

# Relative to the file itself, so that the installation can be moved.
file(RELATIVE_PATH terrane_pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" terrane_pc_prefix "${terrane_pc_prefix}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/terrane.pc.in" "${CMAKE_BINARY_DIR}/terrane.pc" @ONLY)
install(FILES "${CMAKE_BINARY_DIR}/terrane.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
