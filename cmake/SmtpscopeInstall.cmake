# SPDX-License-Identifier: BSD-2-Clause
# What an installation has: the program, the library with its headers and tables, a CMake package, a pkg-config file, the
# schema of the output, a Grafana dashboard, the manual.
install(TARGETS ${libraries} EXPORT smtpscope
    FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILE_SET tables DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS smtpscope-program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/smtpscope)
install(EXPORT smtpscope NAMESPACE smtpscope:: DESTINATION ${package_folder} FILE smtpscopeTargets.cmake)
configure_file("${PROJECT_SOURCE_DIR}/cmake/smtpscopeConfig.cmake.in" "${PROJECT_BINARY_DIR}/smtpscopeConfig.cmake" COPYONLY)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/smtpscopeConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/smtpscopeConfig.cmake" "${PROJECT_BINARY_DIR}/smtpscopeConfigVersion.cmake" DESTINATION ${package_folder})

# Relative, as the CMake package is: right below another prefix too (--prefix).
file(RELATIVE_PATH prefix_from_pc "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
configure_file("${PROJECT_SOURCE_DIR}/cmake/smtpscope.pc.in" "${PROJECT_BINARY_DIR}/smtpscope.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/smtpscope.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

foreach(section 1 5 7)
    file(GLOB manual_pages CONFIGURE_DEPENDS man/*.${section})
    install(FILES ${manual_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
# The manual's table of findings comes out of the program, and so out of its table.
find_program(AWK_EXECUTABLE awk REQUIRED)
set(rules_page "${PROJECT_BINARY_DIR}/man/smtpscope-rules.7")
add_custom_command(OUTPUT "${rules_page}"
    COMMAND ${CMAKE_COMMAND} -E make_directory "${PROJECT_BINARY_DIR}/man"
    # A cross build runs the program in the emulator that the toolchain names; without one it does not run, and this fails.
    COMMAND sh -c [[page=$1 awk=$2 script=$3 && shift 3 && "$@" rules --lang en >"$page.table" && "$awk" -f "$script" "$page.table" >"$page"]]
        sh "${rules_page}" ${AWK_EXECUTABLE} "${PROJECT_SOURCE_DIR}/man/rules.awk"
        $<TARGET_PROPERTY:smtpscope-program,CROSSCOMPILING_EMULATOR> $<TARGET_FILE:smtpscope-program>
    COMMAND_EXPAND_LISTS
    DEPENDS smtpscope-program man/rules.awk VERBATIM)
add_custom_target(manual ALL DEPENDS "${rules_page}")
install(FILES "${rules_page}" DESTINATION ${CMAKE_INSTALL_MANDIR}/man7)
install(FILES share/smtpscope.schema.json share/smtpscope-eve.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/smtpscope)
install(FILES share/grafana/smtpscope.json DESTINATION ${CMAKE_INSTALL_DATADIR}/smtpscope/grafana)
install(FILES share/smtpscope.conf.example LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The service and its user. systemd reads below lib, whatever CMAKE_INSTALL_LIBDIR is.
set(service "${PROJECT_BINARY_DIR}/smtpscope.service")
configure_file("${PROJECT_SOURCE_DIR}/share/systemd/smtpscope.service.in" "${service}" @ONLY)
install(FILES "${service}" DESTINATION lib/systemd/system)
install(FILES share/systemd/smtpscope.sysusers DESTINATION lib/sysusers.d RENAME smtpscope.conf)
