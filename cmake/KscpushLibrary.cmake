# One static library per top-level folder: kscpush_library(core DEPENDS ...) compiles core/**/*.cpp.

# A list with commas would break a generator expression.
if(KSCPUSH_SANITIZE)
  set(sanitized 1)
else()
  set(sanitized 0)
endif()

add_library(kscpush_warnings INTERFACE)
target_compile_options(
  kscpush_warnings
  INTERFACE -Wall
            -Wextra
            -Wpedantic
            -Wshadow
            -Wconversion
            -Wold-style-cast
            -Wnon-virtual-dtor
            -Woverloaded-virtual
            $<$<BOOL:${KSCPUSH_WERROR}>:-Werror>
            # g++ 12 sees overlapping copies in std::string's operator+ at -O3 (GCC bug 105651).
            $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
            # And members of aggregates as uninitialized that are, with sanitizers in std::optional
            # too; the dev preset still warns.
            $<$<AND:$<CXX_COMPILER_ID:GNU>,$<OR:$<CONFIG:Release>,$<BOOL:${sanitized}>>>:-Wno-maybe-uninitialized>)

if(KSCPUSH_SANITIZE)
  add_compile_options(-fsanitize=${KSCPUSH_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${KSCPUSH_SANITIZE})
  if(KSCPUSH_SANITIZE MATCHES undefined)
    # The vptr check opens a pipe to look at memory, and calls it invalid when a test has taken all
    # descriptors away. ASan finds what it is for: use after destruction.
    add_compile_options(-fno-sanitize=vptr)
  endif()
  if(KSCPUSH_SANITIZE MATCHES thread)
    # ThreadSanitizer does not know fences; asio locks as well.
    add_compile_definitions(ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

function(kscpush_library folder)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/cli/main.cpp)
  add_library(kscpush_${folder} STATIC ${sources})
  target_include_directories(kscpush_${folder} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(kscpush_${folder} PUBLIC ${ARG_DEPENDS} PRIVATE kscpush_warnings)
  target_compile_definitions(kscpush_${folder} PUBLIC KSCPUSH_VERSION="${PROJECT_VERSION}")
endfunction()
