# SPDX-License-Identifier: BSD-2-Clause
# With SMTPSCOPE_PROFILE the compiler knows what runs often: a build in `profile` counts that while it reads the training set
# (tests/bench/train.sh, the same in every build), and the program is built by those counts. What was not trained is as without
# (-fprofile-partial-training). Counts are by function: of one that has changed since, they are not used, and the build in hand
# stays quick. They are made anew in a new folder, or when the training set changes.
option(SMTPSCOPE_PROFILE "Build by what runs often, which takes a second, plain build first (gcc 12 or later)" OFF)
option(SMTPSCOPE_PROFILE_COUNTS "Internal: this is the build that counts" OFF)
mark_as_advanced(SMTPSCOPE_PROFILE_COUNTS)

set(profile_folder "${PROJECT_BINARY_DIR}/profile")
set(profile_targets smtpscope-objects smtpscope-stages smtpscope-program)

if(SMTPSCOPE_PROFILE_COUNTS)
    foreach(target IN LISTS profile_targets)
        # Added so that no count of one thread is lost; and no values, of which many are addresses and differ from run to run.
        target_compile_options(${target} PRIVATE "-fprofile-generate=${PROJECT_BINARY_DIR}/counts"
            "-fprofile-prefix-path=${PROJECT_BINARY_DIR}" -fprofile-update=atomic -fno-profile-values)
    endforeach()
    target_compile_definitions(smtpscope-stages PRIVATE SMTPSCOPE_FIXED_SEED=1)
    target_link_options(smtpscope-program PRIVATE -fprofile-generate)
    return()
endif()
if(NOT SMTPSCOPE_PROFILE)
    return()
endif()
if(NOT CMAKE_C_COMPILER_ID STREQUAL "GNU" OR CMAKE_C_COMPILER_VERSION VERSION_LESS 12 OR CMAKE_CROSSCOMPILING)
    message(STATUS "SMTPSCOPE_PROFILE: not with this compiler")
    return()
endif()

# All that the code is made from but the way of linking, which comes behind counting.
set(profile_configuration)
foreach(variable CMAKE_C_COMPILER CMAKE_C_FLAGS CMAKE_C_FLAGS_RELEASE CMAKE_C_COMPILER_LAUNCHER CMAKE_MAKE_PROGRAM CMAKE_PREFIX_PATH)
    if(DEFINED ${variable})
        list(APPEND profile_configuration "-D${variable}=${${variable}}")
    endif()
endforeach()
set(training "${PROJECT_SOURCE_DIR}/tests/bench/train.sh")
file(GLOB training_set CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/pcaps/*.pcap*" "${PROJECT_SOURCE_DIR}/tests/bench/mkcapture*")
set(trained "${profile_folder}/trained")
add_custom_command(OUTPUT "${trained}"
    COMMAND ${CMAKE_COMMAND} -S "${PROJECT_SOURCE_DIR}" -B "${profile_folder}" -G "${CMAKE_GENERATOR}" ${profile_configuration}
        -DCMAKE_BUILD_TYPE=${CMAKE_BUILD_TYPE} -DBUILD_TESTING=OFF -DSMTPSCOPE_PROFILE_COUNTS=ON
    COMMAND ${CMAKE_COMMAND} --build "${profile_folder}" --target smtpscope-program mkcapture
    COMMAND ${CMAKE_COMMAND} -E rm -rf "${profile_folder}/counts"
    COMMAND sh "${training}" "${profile_folder}/bin" "${PROJECT_SOURCE_DIR}/pcaps" "${profile_folder}/training"
    COMMAND ${CMAKE_COMMAND} -E rm -rf "${profile_folder}/training"
    COMMAND ${CMAKE_COMMAND} -E touch "${trained}"
    DEPENDS "${training}" ${training_set}
    COMMENT "Counting what runs often: a build, and a run on the training set"
    VERBATIM)
add_custom_target(profile DEPENDS "${trained}")

foreach(target IN LISTS profile_targets)
    # A function that has changed, or that no run came to, is built as without counts; so is a file that is new.
    target_compile_options(${target} PRIVATE "-fprofile-use=${profile_folder}/counts" "-fprofile-prefix-path=${PROJECT_BINARY_DIR}"
        -fprofile-partial-training -fno-profile-values -fno-profile-reorder-functions -Wno-missing-profile -Wno-coverage-mismatch)
    add_dependencies(${target} profile)
    get_target_property(sources ${target} SOURCES)
    set_property(SOURCE ${sources} APPEND PROPERTY OBJECT_DEPENDS "${trained}")
endforeach()
