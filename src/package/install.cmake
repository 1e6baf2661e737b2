# What `cmake --install` lays down, under any prefix and without root: the library and its headers,
# the CMake package Troupe::troupe, troupe.pc, the manual pages and the completion. Every path in
# them is relative to where they lie, so the installed tree may be moved as a whole. The command
# installs itself, in launch/.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Troupe)
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# An MPI or hwloc outside the system's folders is found again by the installed library.
set_target_properties(troupe PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)

install(TARGETS troupe EXPORT TroupeTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/troupe DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

install(EXPORT TroupeTargets NAMESPACE Troupe:: DESTINATION ${package_dir})
configure_package_config_file(package/TroupeConfig.cmake.in
  ${PROJECT_BINARY_DIR}/package/TroupeConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/TroupeConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/TroupeConfig.cmake
  ${PROJECT_BINARY_DIR}/package/TroupeConfigVersion.cmake DESTINATION ${package_dir})

# A shared library brings what it needs; a static one has to name it.
set(pc_libs)
if(NOT BUILD_SHARED_LIBS)
  list(JOIN MPI_C_LIBRARIES " " pc_libs)
  foreach(flag IN LISTS HWLOC_LDFLAGS XXHASH_LDFLAGS JANSSON_LDFLAGS)
    string(APPEND pc_libs " ${flag}")
  endforeach()
  string(APPEND pc_libs " -pthread -ldl")
endif()
file(RELATIVE_PATH pc_prefix ${CMAKE_INSTALL_PREFIX}/${pc_dir} ${CMAKE_INSTALL_PREFIX})
configure_file(package/troupe.pc.in ${PROJECT_BINARY_DIR}/package/troupe.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/troupe.pc DESTINATION ${pc_dir})

file(GLOB manual_3 CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.3)
# Every call that a page names is found under its own name too.
foreach(page IN LISTS manual_3)
  get_filename_component(page_name ${page} NAME)
  file(STRINGS ${page} calls REGEX "^\\.Nm troupe_")
  foreach(call IN LISTS calls)
    string(REGEX MATCH "troupe_[a-z_]+" call ${call})
    if(NOT page_name STREQUAL ${call}.3)
      file(WRITE ${PROJECT_BINARY_DIR}/man/man3/${call}.3 ".so man3/${page_name}\n")
      list(APPEND manual_3 ${PROJECT_BINARY_DIR}/man/man3/${call}.3)
    endif()
  endforeach()
endforeach()
install(DIRECTORY ${PROJECT_BINARY_DIR}/man/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(FILES ${manual_3} DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
install(FILES ${PROJECT_SOURCE_DIR}/launch/completion/troupe
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md
  ${PROJECT_SOURCE_DIR}/CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
