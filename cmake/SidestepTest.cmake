# sidestep_test(<name> LABEL <label> SOURCES ... [LINK ...] [TIMEOUT s])
# The only way to add a C test. Labels: unit (no privilege, under a second each), bpf (BPF_PROG_TEST_RUN),
# root (namespaces, cgroups; serial), cli, golden, fuzz, system, peers, lint; `long` is added to what only
# `tests/run --long` runs, `prolonged` to what takes more than some seconds (every day: ctest -LE prolonged).
# A test that cannot run here prints "SKIP: <reason>" and exits 77.
function(sidestep_test name)
  cmake_parse_arguments(T "" "TIMEOUT" "LABEL;SOURCES;LINK" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE sidestep_flags ${T_LINK} PkgConfig::CMOCKA)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  sidestep_test_properties(${name} LABEL ${T_LABEL} TIMEOUT ${T_TIMEOUT})
endfunction()

# sidestep_script_test(<name> LABEL <label> COMMAND ... [TIMEOUT s])
function(sidestep_script_test name)
  cmake_parse_arguments(T "" "TIMEOUT" "LABEL;COMMAND" ${ARGN})
  add_test(NAME ${name} COMMAND ${T_COMMAND} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  sidestep_test_properties(${name} LABEL ${T_LABEL} TIMEOUT ${T_TIMEOUT})
endfunction()

function(sidestep_test_properties name)
  cmake_parse_arguments(T "" "TIMEOUT" "LABEL" ${ARGN})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 60)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${T_LABEL}" TIMEOUT ${T_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "TZ=UTC;LC_ALL=C;SIDESTEP_SOURCE_DIR=${PROJECT_SOURCE_DIR};SIDESTEP_BIN_DIR=${PROJECT_BINARY_DIR}/bin")
  if("root" IN_LIST T_LABEL OR "system" IN_LIST T_LABEL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()

# sidestep_beside_others(<name>...): of the label `system` for its length alone: no lab, no namespace, no address that
# another test has, so that whatever else runs may run meanwhile.
function(sidestep_beside_others)
  set_tests_properties(${ARGN} PROPERTIES RUN_SERIAL OFF)
endfunction()
