# Everything comes from Debian's packages (scripts/install-deps); nothing is vendored.
# Each group below is what one part of the program may link, so that a folder cannot reach a
# library that it has no business with.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
find_package(CURL REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tl-expected REQUIRED)
find_path(ASIO_INCLUDE_DIR asio.hpp REQUIRED)
find_path(RESTINIO_INCLUDE_DIR restinio/all.hpp REQUIRED)
find_path(DTL_INCLUDE_DIR dtl/dtl.hpp REQUIRED)

add_library(kscpush_text INTERFACE)
add_library(kscpush::text ALIAS kscpush_text)
target_link_libraries(kscpush_text INTERFACE fmt::fmt yaml-cpp nlohmann_json::nlohmann_json
                                             tl::expected)
target_include_directories(kscpush_text SYSTEM INTERFACE ${DTL_INCLUDE_DIR})

add_library(kscpush_crypto INTERFACE)
add_library(kscpush::crypto ALIAS kscpush_crypto)
target_link_libraries(kscpush_crypto INTERFACE OpenSSL::SSL OpenSSL::Crypto)

# RESTinio's target exports these three definitions. Whoever includes asio without them gets other
# types under the same names, so they are set once, here, for every user of asio.
add_library(kscpush_net INTERFACE)
add_library(kscpush::net ALIAS kscpush_net)
target_compile_definitions(kscpush_net INTERFACE ASIO_STANDALONE ASIO_HAS_STD_CHRONO
                                                 ASIO_DISABLE_STD_STRING_VIEW)
# asio 1.22 looks at macros of the C and C++ libraries (aligned_alloc, timerfd) before it includes
# any of their headers. A source that begins with asio would get another asio than the others, as
# memory that one allocates with new and another frees with free.
target_compile_options(kscpush_net INTERFACE "SHELL:-include cstddef")
target_include_directories(kscpush_net SYSTEM INTERFACE ${ASIO_INCLUDE_DIR})
target_link_libraries(kscpush_net INTERFACE Threads::Threads spdlog::spdlog)

add_library(kscpush_store INTERFACE)
add_library(kscpush::store ALIAS kscpush_store)
target_link_libraries(kscpush_store INTERFACE SQLite::SQLite3)

add_library(kscpush_metrics INTERFACE)
add_library(kscpush::metrics ALIAS kscpush_metrics)
find_library(HTTP_PARSER_LIBRARY http_parser REQUIRED)
target_include_directories(kscpush_metrics SYSTEM INTERFACE ${RESTINIO_INCLUDE_DIR})
target_link_libraries(kscpush_metrics INTERFACE prometheus-cpp::core ${HTTP_PARSER_LIBRARY})

add_library(kscpush_cli_libraries INTERFACE)
add_library(kscpush::cli ALIAS kscpush_cli_libraries)
target_link_libraries(kscpush_cli_libraries INTERFACE CLI11::CLI11 CURL::libcurl)

add_library(kscpush_systemd INTERFACE)
add_library(kscpush::systemd ALIAS kscpush_systemd)
find_package(PkgConfig REQUIRED)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
target_link_libraries(kscpush_systemd INTERFACE PkgConfig::SYSTEMD)
