# One interface target carries every flag; no file sets CMAKE_C_FLAGS.
# Only the source root is on the include path, so every include shows its arrow.
add_library(sidestep_flags INTERFACE)
target_include_directories(sidestep_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(sidestep_flags INTERFACE _GNU_SOURCE SIDESTEP_VERSION="${PROJECT_VERSION}")
target_compile_options(sidestep_flags INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
  -Wold-style-definition -Wwrite-strings -Wpointer-arith -Wcast-qual
  -Wformat=2 -Wundef -Wvla -Wswitch-enum -Wimplicit-fallthrough
  -Wdouble-promotion -Wconversion -Wno-sign-conversion
  -fno-common -fno-strict-aliasing -fstack-protector-strong
  $<$<BOOL:${SIDESTEP_WERROR}>:-Werror>
  $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
if(SIDESTEP_SANITIZE)
  target_compile_options(sidestep_flags INTERFACE
    -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(sidestep_flags INTERFACE -fsanitize=address,undefined)
endif()
if(SIDESTEP_FUZZ)
  # coverage in the libraries too, else libFuzzer searches blindly
  target_compile_options(sidestep_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()
