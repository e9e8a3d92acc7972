# Part of installing: appends to ms_note the folders among ms_folders and above them that do not exist yet.
foreach(folder ${ms_folders})
  get_filename_component(folder "${folder}" ABSOLUTE BASE_DIR "${CMAKE_INSTALL_PREFIX}")
  while(NOT IS_DIRECTORY "$ENV{DESTDIR}${folder}" AND NOT folder STREQUAL "/")
    file(APPEND "${ms_note}" "$ENV{DESTDIR}${folder}\n")
    get_filename_component(folder "${folder}" DIRECTORY)
  endwhile()
endforeach()
