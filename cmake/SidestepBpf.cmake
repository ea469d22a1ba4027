find_program(SIDESTEP_BPF_CLANG clang REQUIRED)
find_program(SIDESTEP_BPFTOOL bpftool PATHS /usr/sbin /sbin REQUIRED)
# sidestep_bpf(<name> <file.bpf.c> [<root>]): object and skeleton, with a real dependency file. With
# a root (another tree than this one) the file is below it, and so are its headers.
# Consumers link <name>_skel and include "<name>.skel.h".
function(sidestep_bpf name src)
  set(obj ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skel ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  set(root ${PROJECT_SOURCE_DIR})
  set(file ${CMAKE_CURRENT_SOURCE_DIR}/${src})
  if(ARGC GREATER 2)
    set(root ${ARGV2})
    set(file ${root}/${src})
  endif()
  add_custom_command(OUTPUT ${obj}
    COMMAND ${SIDESTEP_BPF_CLANG} -g -O2 -target bpf -mcpu=v3 -std=gnu17 -Wall -Wextra -Werror
            -Wno-unused-parameter -Wno-compare-distinct-pointer-types
            -I${root} -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -MD -MF ${obj}.d -MT ${obj} -c ${file} -o ${obj}
    DEPENDS ${file} DEPFILE ${obj}.d VERBATIM COMMENT "BPF ${name}")
  add_custom_command(OUTPUT ${skel}
    COMMAND sh -c "${SIDESTEP_BPFTOOL} gen skeleton ${obj} name ${name} > ${skel}"
    DEPENDS ${obj} VERBATIM COMMENT "SKEL ${name}")
  add_custom_target(${name}_gen DEPENDS ${skel})
  add_library(${name}_skel INTERFACE)
  add_dependencies(${name}_skel ${name}_gen)
  target_include_directories(${name}_skel SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(${name}_skel INTERFACE PkgConfig::LIBBPF)
endfunction()
