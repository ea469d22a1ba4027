find_program(SIDESTEP_BPF_CLANG clang REQUIRED)
find_program(SIDESTEP_BPFTOOL bpftool PATHS /usr/sbin /sbin REQUIRED)
# sidestep_bpf(<name> <file.bpf.c>): object and skeleton, with a real dependency file.
# Consumers link <name>_skel and include "<name>.skel.h".
function(sidestep_bpf name src)
  set(obj ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skel ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  add_custom_command(OUTPUT ${obj}
    COMMAND ${SIDESTEP_BPF_CLANG} -g -O2 -target bpf -mcpu=v3 -std=gnu17 -Wall -Wextra -Werror
            -Wno-unused-parameter -Wno-compare-distinct-pointer-types
            -I${PROJECT_SOURCE_DIR} -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -MD -MF ${obj}.d -MT ${obj} -c ${CMAKE_CURRENT_SOURCE_DIR}/${src} -o ${obj}
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${src} DEPFILE ${obj}.d VERBATIM COMMENT "BPF ${name}")
  add_custom_command(OUTPUT ${skel}
    COMMAND sh -c "${SIDESTEP_BPFTOOL} gen skeleton ${obj} name ${name} > ${skel}"
    DEPENDS ${obj} VERBATIM COMMENT "SKEL ${name}")
  add_custom_target(${name}_gen DEPENDS ${skel})
  add_library(${name}_skel INTERFACE)
  add_dependencies(${name}_skel ${name}_gen)
  target_include_directories(${name}_skel SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(${name}_skel INTERFACE PkgConfig::LIBBPF)
endfunction()
