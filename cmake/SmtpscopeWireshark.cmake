# SPDX-License-Identifier: BSD-2-Clause
# The Wireshark plugin, where Wireshark's headers are (Debian: wireshark-dev). A plugin fits one series of Wireshark alone.
option(SMTPSCOPE_WIRESHARK "Build the Wireshark plugin when Wireshark's headers are found" ON)
if(NOT SMTPSCOPE_WIRESHARK)
    return()
endif()
find_package(Wireshark CONFIG QUIET)
if(NOT Wireshark_FOUND OR NOT Wireshark_PLUGINS_ENABLED)
    message(STATUS "Wireshark's headers (wireshark-dev) not found: no plugin")
    return()
endif()
include(CheckTypeSize)
check_type_size(ssize_t SSIZE_T)

file(GLOB plugin_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/plugins/wireshark/*.c")
# What shows across sessions is a stage of the program, and judges here as well.
add_library(smtpscope-wireshark MODULE ${plugin_sources} src/correlate/correlate.c)
set(wireshark_series ${Wireshark_MAJOR_VERSION}.${Wireshark_MINOR_VERSION})
# Below the build folder as below WIRESHARK_PLUGIN_DIR: series, then epan.
set_target_properties(smtpscope-wireshark PROPERTIES
    PREFIX "" OUTPUT_NAME smtpscope DEFINE_SYMBOL "" C_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/wireshark/${wireshark_series}/epan")
target_compile_definitions(smtpscope-wireshark PRIVATE
    _GNU_SOURCE $<$<BOOL:${HAVE_SSIZE_T}>:HAVE_SSIZE_T>
    SMTPSCOPE_VERSION="${PROJECT_VERSION}" SMTPSCOPE_LOCALEDIR="${CMAKE_INSTALL_FULL_LOCALEDIR}"
    $<TARGET_PROPERTY:epan,INTERFACE_COMPILE_DEFINITIONS>)
target_include_directories(smtpscope-wireshark PRIVATE src plugins/wireshark)
target_include_directories(smtpscope-wireshark SYSTEM PRIVATE $<TARGET_PROPERTY:epan,INTERFACE_INCLUDE_DIRECTORIES>)
# A preference that is a bool where Wireshark writes a gboolean corrupts memory, and compilers only warn.
target_compile_options(smtpscope-wireshark PRIVATE -Werror=incompatible-pointer-types)
target_link_libraries(smtpscope-wireshark PRIVATE smtpscope smtpscope-warnings)
if(APPLE)
    target_link_options(smtpscope-wireshark PRIVATE LINKER:-undefined,dynamic_lookup)
elseif(UNIX)
    # Not linked with libwireshark: the host has it, and says of a wrong series what a loader would not.
    # The library's symbols stay inside: another plugin may have its own copy.
    target_link_options(smtpscope-wireshark PRIVATE LINKER:--exclude-libs,ALL)
else()
    target_link_libraries(smtpscope-wireshark PRIVATE epan)
endif()

set(SMTPSCOPE_WIRESHARK_PLUGINDIR "${Wireshark_PLUGIN_INSTALL_DIR}" CACHE PATH
    "Where Wireshark looks for plugins of its series; below the prefix it is found only if Wireshark's prefix is the same")
install(TARGETS smtpscope-wireshark LIBRARY DESTINATION "${SMTPSCOPE_WIRESHARK_PLUGINDIR}/epan" NAMELINK_SKIP)
install(DIRECTORY share/wireshark/ DESTINATION ${CMAKE_INSTALL_DATADIR}/smtpscope/wireshark)
