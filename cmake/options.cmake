# Optional parts. AUTO: used when found; ON: an error when missing; OFF: never. The state goes to the configure summary
# (summary.cmake) and into the program (generated/build_info.h, `moescope version --verbose`).
set(ms_features "")
set(ms_libraries m pthread)
set(ms_definitions "")
set(ms_generated "")
set(MS_DEPS_DIR "${CMAKE_SOURCE_DIR}/.deps" CACHE PATH "where tools/deps put what no package manager installs")
set(MS_ALL "AUTO" CACHE STRING "default of every MS_WITH_* option: AUTO, ON or OFF")

find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
list(APPEND ms_libraries PkgConfig::PCRE2)

# ms_feature(NAME "what it gives"): declares MS_WITH_NAME; sets ms_want to whether to look for it.
macro(ms_feature name help)
  set(MS_WITH_${name} "${MS_ALL}" CACHE STRING "${help}: AUTO, ON or OFF")
  if(MS_WITH_${name} STREQUAL "OFF")
    set(ms_want OFF)
  else()
    set(ms_want ON)
  endif()
endmacro()

# ms_feature_result(NAME found "detail"): records the state, fails when ON and missing.
macro(ms_feature_result name found detail)
  if(${found})
    list(APPEND ms_definitions MS_HAVE_${name}=1)
    list(APPEND ms_features "${name}|on|${detail}")
  else()
    if(MS_WITH_${name} STREQUAL "ON")
      message(FATAL_ERROR "MS_WITH_${name} is ON, but it was not found: ${detail}. Run tools/deps.")
    endif()
    list(APPEND ms_features "${name}|off|${detail}")
  endif()
endmacro()

# ZLIB: deflated members of .npz files.
ms_feature(ZLIB "deflated npz members (libdeflate or zlib)")
set(ms_found OFF)
if(ms_want)
  pkg_check_modules(ZLIB IMPORTED_TARGET zlib)
  if(ZLIB_FOUND)
    set(ms_found ON)
    list(APPEND ms_libraries PkgConfig::ZLIB)
  endif()
endif()
ms_feature_result(ZLIB ms_found "deflated .npz members, by zlib")

# CURL: models on the Hub.
ms_feature(CURL "models on the Hugging Face Hub (libcurl)")
set(ms_found OFF)
if(ms_want)
  pkg_check_modules(CURL IMPORTED_TARGET libcurl>=7.85)
  if(CURL_FOUND)
    set(ms_found ON)
    list(APPEND ms_libraries PkgConfig::CURL)
  endif()
endif()
ms_feature_result(CURL ms_found "models on the Hub, by libcurl")

include(cmake/carquet.cmake)
include(cmake/web.cmake)
