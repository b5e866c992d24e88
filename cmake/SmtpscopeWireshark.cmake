# SPDX-License-Identifier: BSD-2-Clause
# The Wireshark plugin, where Wireshark's headers are (Debian: wireshark-dev). A plugin fits one series of Wireshark alone.
option(SMTPSCOPE_WIRESHARK "Build the Wireshark plugin when Wireshark's headers are found" ON)
if(NOT SMTPSCOPE_WIRESHARK OR SMTPSCOPE_FUZZ)
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
add_library(smtpscope-wireshark MODULE ${plugin_sources})
set(wireshark_series ${Wireshark_MAJOR_VERSION}.${Wireshark_MINOR_VERSION})
# Below the build folder as below WIRESHARK_PLUGIN_DIR: series, then epan.
set_target_properties(smtpscope-wireshark PROPERTIES
    PREFIX "" OUTPUT_NAME smtpscope DEFINE_SYMBOL "" C_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/wireshark/${wireshark_series}/epan")
target_compile_definitions(smtpscope-wireshark PRIVATE
    _GNU_SOURCE $<$<BOOL:${HAVE_SSIZE_T}>:HAVE_SSIZE_T>
    SMTPSCOPE_LOCALEDIR="${CMAKE_INSTALL_FULL_LOCALEDIR}"
    $<TARGET_PROPERTY:epan,INTERFACE_COMPILE_DEFINITIONS>)
target_include_directories(smtpscope-wireshark PRIVATE src plugins/wireshark)
target_include_directories(smtpscope-wireshark SYSTEM PRIVATE $<TARGET_PROPERTY:epan,INTERFACE_INCLUDE_DIRECTORIES>)
# A preference that is a bool where Wireshark writes a gboolean corrupts memory, and compilers only warn.
target_compile_options(smtpscope-wireshark PRIVATE -Werror=incompatible-pointer-types)
target_link_libraries(smtpscope-wireshark PRIVATE smtpscope-core smtpscope-warnings)
if(APPLE)
    target_link_options(smtpscope-wireshark PRIVATE LINKER:-undefined,dynamic_lookup)
elseif(UNIX)
    # Not linked with libwireshark: the host has it, and says of a wrong series what a loader would not.
    # The library's symbols stay inside: another plugin may have its own copy.
    target_link_options(smtpscope-wireshark PRIVATE LINKER:--exclude-libs,ALL)
else()
    target_link_libraries(smtpscope-wireshark PRIVATE epan)
endif()

# Wireshark looks in its own prefix only. So that is where the plugin goes, whatever the prefix of the rest; an installation to
# another prefix than the configured one (--prefix) is a staged one, and gets the same folder below that.
set(SMTPSCOPE_WIRESHARK_PLUGINDIR "${Wireshark_PLUGIN_INSTALL_DIR}" CACHE PATH "The folder of plugins of Wireshark's series")
set(install_plugin [[
if(CMAKE_INSTALL_PREFIX STREQUAL "@CMAKE_INSTALL_PREFIX@")
    set(plugin_folder "@SMTPSCOPE_WIRESHARK_PLUGINDIR@/epan")
else()
    set(plugin_folder "${CMAKE_INSTALL_PREFIX}/@Wireshark_PLUGIN_LIBDIR@/epan")
endif()
file(INSTALL DESTINATION "${plugin_folder}" TYPE MODULE FILES "$<TARGET_FILE:smtpscope-wireshark>")
]])
string(CONFIGURE "${install_plugin}" install_plugin @ONLY)
install(CODE "${install_plugin}")
install(DIRECTORY share/wireshark/ DESTINATION ${CMAKE_INSTALL_DATADIR}/smtpscope/wireshark)
