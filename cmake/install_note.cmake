# Part of installing: appends to ms_note the folders among ms_folders and above them that do not exist yet.
get_filename_component(prefix "${CMAKE_INSTALL_PREFIX}" ABSOLUTE) # in a script: from the folder where it runs
foreach(folder ${ms_folders})
  get_filename_component(folder "${folder}" ABSOLUTE BASE_DIR "${prefix}")
  while(NOT IS_DIRECTORY "$ENV{DESTDIR}${folder}" AND NOT folder STREQUAL "/")
    file(APPEND "${ms_note}" "$ENV{DESTDIR}${folder}\n")
    get_filename_component(folder "${folder}" DIRECTORY)
  endwhile()
endforeach()
