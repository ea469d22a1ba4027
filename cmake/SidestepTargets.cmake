# sidestep_library(<name> SOURCES ... [LINK ...] [PRIVATE_LINK ...])
# LINK names exactly the arrows of the house; third-party libraries are private to their one home.
function(sidestep_library name)
  cmake_parse_arguments(L "" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  add_library(sidestep_${name} STATIC ${L_SOURCES})
  target_link_libraries(sidestep_${name} PUBLIC sidestep_flags ${L_LINK} PRIVATE ${L_PRIVATE_LINK})
endfunction()

# `programs` is everything a user starts, without the tests: what deploy/demo builds.
add_custom_target(programs)

# sidestep_program(<file name> SOURCES ... [LINK ...]): a program a user starts; all land in build/bin.
function(sidestep_program name)
  cmake_parse_arguments(P "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${P_SOURCES})
  target_link_libraries(${name} PRIVATE sidestep_flags ${P_LINK})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  add_dependencies(programs ${name})
endfunction()

# Adds every subfolder that describes itself, in the order given, then the rest by name.
function(sidestep_subfolders)
  file(GLOB found RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS
       ${CMAKE_CURRENT_SOURCE_DIR}/*/CMakeLists.txt)
  set(dirs ${ARGN})
  foreach(file ${found})
    get_filename_component(dir ${file} DIRECTORY)
    list(APPEND dirs ${dir})
  endforeach()
  list(REMOVE_DUPLICATES dirs)
  foreach(dir ${dirs})
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${dir}/CMakeLists.txt)
      add_subdirectory(${dir})
    endif()
  endforeach()
endfunction()
