# SPDX-License-Identifier: BSD-2-Clause
# The library as others have it, shared and static. Of either they see the names of the headers alone: all others are hidden, and
# in the archive they are made local, which wants its objects to be one.
function(library_for_others target)
    target_sources(${target}
        PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${library_headers}
        PUBLIC FILE_SET tables TYPE HEADERS BASE_DIRS include FILES ${library_tables})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME smtpscope LINKER_LANGUAGE C)
    target_link_libraries(${target} PRIVATE OpenSSL::Crypto PkgConfig::PSL)
endfunction()

add_library(smtpscope SHARED $<TARGET_OBJECTS:smtpscope-objects>)
library_for_others(smtpscope)
set(binary_interface ${PROJECT_VERSION_MAJOR})
if(PROJECT_VERSION_MAJOR EQUAL 0)
    set(binary_interface ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
endif()
set_target_properties(smtpscope PROPERTIES
    VERSION ${PROJECT_VERSION}
    SOVERSION ${binary_interface}
    VERIFY_INTERFACE_HEADER_SETS ON
    INTERFACE_HEADER_SETS_TO_VERIFY HEADERS) # a table is not a header: it wants its macro defined first
set(libraries smtpscope)

if(CMAKE_OBJCOPY AND UNIX AND NOT APPLE)
    # The compiler's own form, which link-time optimisation leaves beside the machine code, knows no local names; and whoever
    # links the archive may have another compiler.
    set(one_object "${PROJECT_BINARY_DIR}/smtpscope.o")
    add_custom_command(OUTPUT "${one_object}"
        COMMAND ${CMAKE_LINKER} -r -o "${one_object}" $<TARGET_OBJECTS:smtpscope-objects>
        COMMAND ${CMAKE_OBJCOPY} --localize-hidden --wildcard --remove-section=.gnu.lto_* --remove-section=.gnu.debuglto_*
            "${one_object}"
        DEPENDS smtpscope-objects $<TARGET_OBJECTS:smtpscope-objects> COMMAND_EXPAND_LISTS VERBATIM)
    add_library(smtpscope-static STATIC "${one_object}")
    library_for_others(smtpscope-static)
    list(APPEND libraries smtpscope-static)
endif()
