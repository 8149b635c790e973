# docs/openapi.json as part of the program, to be served by it. By bytes: a string literal may be too
# long for a compiler (65,536 bytes).
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
                                       ${PROJECT_SOURCE_DIR}/docs/openapi.json)
file(READ ${PROJECT_SOURCE_DIR}/docs/openapi.json KSCPUSH_OPENAPI HEX)
string(REGEX REPLACE "(..)" "'\\\\x\\1'," KSCPUSH_OPENAPI "${KSCPUSH_OPENAPI}")
configure_file(${PROJECT_SOURCE_DIR}/server/admin/openapi.cpp.in
               ${PROJECT_BINARY_DIR}/generated/openapi.cpp @ONLY)
target_sources(kscpush_server PRIVATE ${PROJECT_BINARY_DIR}/generated/openapi.cpp)
