# SPDX-License-Identifier: BSD-2-Clause
# po/LANG.po -> share/locale/LANG/LC_MESSAGES/smtpscope.mo, below the build folder as below the prefix, so that the program
# finds its catalogues beside itself (../share/locale) in both.
find_program(MSGFMT_EXECUTABLE msgfmt DOC "gettext's catalogue compiler")
file(GLOB catalogues CONFIGURE_DEPENDS po/*.po)
if(catalogues AND NOT MSGFMT_EXECUTABLE)
    message(WARNING "msgfmt (gettext) is missing: the program will speak English only")
endif()
set(compiled)
if(MSGFMT_EXECUTABLE)
    foreach(po IN LISTS catalogues)
        cmake_path(GET po STEM language)
        set(folder share/locale/${language}/LC_MESSAGES)
        set(mo "${PROJECT_BINARY_DIR}/${folder}/smtpscope.mo")
        add_custom_command(OUTPUT "${mo}"
            COMMAND ${CMAKE_COMMAND} -E make_directory "${PROJECT_BINARY_DIR}/${folder}"
            COMMAND ${MSGFMT_EXECUTABLE} --check -o "${mo}" "${po}"
            DEPENDS "${po}" VERBATIM)
        list(APPEND compiled "${mo}")
        install(FILES "${mo}" DESTINATION ${CMAKE_INSTALL_LOCALEDIR}/${language}/LC_MESSAGES)
    endforeach()
endif()
add_custom_target(translations ALL DEPENDS ${compiled})
