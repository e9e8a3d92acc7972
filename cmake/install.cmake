# `cmake --install BUILD --prefix DIR`: the program, its man pages and completion scripts (which it writes itself), documents,
# the library with its header and what pkg-config says of it.
# The target `uninstall` removes exactly what the last installation wrote, and the folders that it made, when they are empty.

# First of all, so that it runs before anything is written: which folders are not there yet.
set(ms_folders ${CMAKE_INSTALL_BINDIR} ${CMAKE_INSTALL_MANDIR}/man1 ${CMAKE_INSTALL_DOCDIR}
  ${CMAKE_INSTALL_DATADIR}/bash-completion/completions ${CMAKE_INSTALL_DATADIR}/zsh/site-functions
  ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d ${CMAKE_INSTALL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_INCLUDEDIR})
install(CODE "set(ms_folders \"${ms_folders}\")\nset(ms_note \"${CMAKE_BINARY_DIR}/install_folders.txt\")")
install(SCRIPT ${CMAKE_SOURCE_DIR}/cmake/install_note.cmake)

install(TARGETS moescope RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(TARGET moescope_library)
  install(TARGETS moescope_library LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES include/moescope.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  file(RELATIVE_PATH ms_up "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/p") # "../..": moves with the prefix
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/moescope.pc CONTENT
"prefix=\${pcfiledir}/@ms_up@
Name: moescope
Description: reads Mixture-of-Experts checkpoints
Version: @PROJECT_VERSION@
Cflags: -I\${prefix}/@CMAKE_INSTALL_INCLUDEDIR@
Libs: -L\${prefix}/@CMAKE_INSTALL_LIBDIR@ -lmoescope
" @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/generated/moescope.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()

# A cross-built program cannot run here, unless CMAKE_CROSSCOMPILING_EMULATOR says how: then it comes without these.
if(NOT CMAKE_CROSSCOMPILING OR CMAKE_CROSSCOMPILING_EMULATOR)
  set(ms_made ${CMAKE_BINARY_DIR}/install)
  add_custom_command(OUTPUT ${ms_made}/made
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${ms_made}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${ms_made}/man
    COMMAND moescope help --man-folder ${ms_made}/man
    COMMAND moescope completion bash > ${ms_made}/moescope
    COMMAND moescope completion zsh > ${ms_made}/_moescope
    COMMAND moescope completion fish > ${ms_made}/moescope.fish
    COMMAND ${CMAKE_COMMAND} -E touch ${ms_made}/made
    DEPENDS moescope VERBATIM COMMENT "Man pages and completion scripts")
  add_custom_target(moescope_manual ALL DEPENDS ${ms_made}/made)
  install(DIRECTORY ${ms_made}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${ms_made}/moescope DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${ms_made}/_moescope DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES ${ms_made}/moescope.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

add_custom_target(uninstall VERBATIM
  COMMAND ${CMAKE_COMMAND} -DMS_BUILD=${CMAKE_BINARY_DIR} -P ${CMAKE_SOURCE_DIR}/cmake/uninstall.cmake)
