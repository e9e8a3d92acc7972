add_executable(moescope_tests tests/test_main.c tests/make_file.c tests/make_model.c ${ms_tests})
target_link_libraries(moescope_tests PRIVATE ms_objects)
target_compile_options(moescope_tests PRIVATE -Wno-missing-prototypes)
target_compile_definitions(moescope_tests PRIVATE MS_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
set_target_properties(moescope_tests PROPERTIES POSITION_INDEPENDENT_CODE ON)
add_test(NAME unit COMMAND moescope_tests WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(unit PROPERTIES LABELS unit)

# tests/cli/*.txt: command lines and what they print.
find_program(MS_PYTHON python3)
if(MS_PYTHON)
  add_test(NAME cli COMMAND ${MS_PYTHON} ${CMAKE_SOURCE_DIR}/tests/cli/run $<TARGET_FILE:moescope>)
  set_tests_properties(cli PROPERTIES LABELS cli)

  # tests/hostile: one file a mechanism that broke a reader somewhere, with the verdict it must get.
  add_test(NAME hostile COMMAND ${MS_PYTHON} ${CMAKE_SOURCE_DIR}/tests/hostile/run $<TARGET_FILE:moescope>)
  set_tests_properties(hostile PROPERTIES LABELS hostile)
endif()

# tests/web: the report in a browser; skipped where there is none.
add_test(NAME web COMMAND ${CMAKE_SOURCE_DIR}/tests/web/run $<TARGET_FILE:moescope>)
set_tests_properties(web PROPERTIES LABELS web)

# Models on the Hub: against a server of ours on this machine.
if(MS_PYTHON)
  add_test(NAME hub COMMAND ${MS_PYTHON} -B ${CMAKE_SOURCE_DIR}/tests/hub/run $<TARGET_FILE:moescope>)
  set_tests_properties(hub PROPERTIES LABELS cli)
endif()

# tests/fuzz/FOO_fuzz.c: a libFuzzer target under the fuzz preset, else a replay of tests/fuzz/corpus/FOO/.
file(GLOB ms_fuzzers CONFIGURE_DEPENDS tests/fuzz/*_fuzz.c)
foreach(source ${ms_fuzzers})
  get_filename_component(name ${source} NAME_WE)
  string(REPLACE "_fuzz" "" subject ${name})
  if(MS_SANITIZE STREQUAL "fuzzer")
    add_executable(${name} ${source})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${source} tests/fuzz/replay_main.c)
    add_test(NAME replay_${subject} COMMAND ${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${subject})
    set_tests_properties(replay_${subject} PROPERTIES LABELS fuzz)
  endif()
  target_link_libraries(${name} PRIVATE ms_objects)
  target_compile_options(${name} PRIVATE -Wno-missing-prototypes)
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
endforeach()

# tests/oracle/FOO_helper.c: small programs that tests/oracle/*_oracle.py drive; built by `make oracle` only.
add_custom_target(oracle_helpers)
file(GLOB ms_helpers CONFIGURE_DEPENDS tests/oracle/*_helper.c)
foreach(source ${ms_helpers})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} EXCLUDE_FROM_ALL ${source})
  target_link_libraries(${name} PRIVATE ms_objects)
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  add_dependencies(oracle_helpers ${name})
endforeach()

# tests/bench/FOO_bench.c: timings of the library's inside; built by `make bench` only.
add_custom_target(benches)
file(GLOB ms_benches CONFIGURE_DEPENDS tests/bench/*_bench.c)
foreach(source ${ms_benches})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} EXCLUDE_FROM_ALL ${source})
  target_link_libraries(${name} PRIVATE ms_objects)
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  add_dependencies(benches ${name})
endforeach()

# ggml's own block decoders, which tools/deps --oracle brings: ggml_native as its makers would build it for this machine (our peer in
# `make bench`), ggml_exact without contracted sums (`make oracle` compares bits). Only row functions are called, so what the one
# source file misses of the rest is never looked up.
set(ms_ggml_dir "${MS_DEPS_DIR}/ggml")
function(ms_add_ggml name user)
  add_library(${name} MODULE EXCLUDE_FROM_ALL "${ms_ggml_dir}/src/ggml-quants.c")
  set_target_properties(${name} PROPERTIES PREFIX "" C_STANDARD 11 C_EXTENSIONS ON)
  target_include_directories(${name} PRIVATE "${ms_ggml_dir}/src" "${ms_ggml_dir}/include")
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE NDEBUG)
  target_compile_options(${name} PRIVATE -w -O3 ${ARGN})
  target_link_options(${name} PRIVATE -Wl,-z,lazy)
  target_link_libraries(${name} PRIVATE m)
  add_dependencies(${user} ${name})
endfunction()
if(EXISTS "${ms_ggml_dir}/src/ggml-quants.c")
  ms_add_ggml(ggml_native benches -march=native)
  ms_add_ggml(ggml_exact oracle_helpers -ffp-contract=off)
endif()
