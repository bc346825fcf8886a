# SPDX-License-Identifier: Apache-2.0
#
# The words every CMakeLists.txt of this tree is written in: a module, a program, and the kinds of tests. Each
# declaration is also written to build/declared.txt, which the style gates read.
include_guard(GLOBAL)
find_package(PkgConfig REQUIRED)

set(RECOND_DECLARED "${PROJECT_BINARY_DIR}/declared.txt")
file(WRITE "${RECOND_DECLARED}" "")

# What a test must never print: Criterion lets a leak pass, and a filter that matches nothing too.
set(RECOND_FAIL_TEXT "LeakSanitizer|AddressSanitizer|runtime error:|Tested: 0 ")

# Include the directory DIR if it holds a CMakeLists.txt.
function(recond_add_if_present dir)
	file(GLOB list CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${dir}/CMakeLists.txt")
	if(list)
		add_subdirectory("${PROJECT_SOURCE_DIR}/${dir}" "${PROJECT_BINARY_DIR}/${dir}")
	endif()
endfunction()

# One line per list: "<what> <name> <directory> <key> <values...>".
function(recond_declare_ what name key)
	file(RELATIVE_PATH dir "${PROJECT_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}")
	string(JOIN " " line ${what} ${name} ${dir} ${key} ${ARGN})
	file(APPEND "${RECOND_DECLARED}" "${line}\n")
endfunction()

# Link TARGET with modules (USES) and pkg-config packages or -l flags (LIBS).
function(recond_link_ target scope uses libs)
	foreach(use IN LISTS uses)
		target_link_libraries(${target} ${scope} recond_${use})
		set_property(GLOBAL APPEND PROPERTY RECOND_USED "${use}")
	endforeach()
	foreach(lib IN LISTS libs)
		if(lib MATCHES "^-l")
			target_link_libraries(${target} ${scope} ${lib})
			continue()
		endif()
		string(MAKE_C_IDENTIFIER "${lib}" id)
		if(NOT TARGET PkgConfig::${id})
			pkg_check_modules(${id} REQUIRED IMPORTED_TARGET GLOBAL ${lib})
		endif()
		target_link_libraries(${target} ${scope} PkgConfig::${id})
	endforeach()
endfunction()

#
# recond_module(NAME HEADERS a.h... SOURCES a.c... [USES module...] [LIBS pkg...])
#
# A static library recond_NAME. HEADERS are the public ones, the only ones other modules may include; USES are the
# modules this one may include. A directory may hold a second library for its workers (LIBS that the daemon must not
# link): then a program or test names it in its own USES.
#
function(recond_module name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "HEADERS;SOURCES;USES;LIBS")
	recond_no_leftovers_("${name}" "${arg_UNPARSED_ARGUMENTS}")
	add_library(recond_${name} STATIC ${arg_SOURCES})
	target_compile_options(recond_${name} PRIVATE -Wmissing-prototypes)
	recond_link_(recond_${name} PUBLIC "${arg_USES}" "${arg_LIBS}")
	recond_declare_(module ${name} headers ${arg_HEADERS})
	recond_declare_(module ${name} uses ${arg_USES})
endfunction()

#
# recond_program(NAME SOURCES main.c... [USES module...] [LIBS pkg...] [LIBEXEC])
#
# An executable in build/bin. LIBEXEC marks a worker, installed to libexec/recond; others go to bin.
#
function(recond_program name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "LIBEXEC" "" "SOURCES;USES;LIBS")
	recond_no_leftovers_("${name}" "${arg_UNPARSED_ARGUMENTS}")
	add_executable(${name} ${arg_SOURCES})
	target_compile_options(${name} PRIVATE -Wmissing-prototypes)
	recond_link_(${name} PRIVATE "${arg_USES}" "${arg_LIBS}")
	recond_declare_(program ${name} uses ${arg_USES})
	if(arg_LIBEXEC)
		install(TARGETS ${name} RUNTIME DESTINATION "${CMAKE_INSTALL_LIBEXECDIR}/recond")
	else()
		install(TARGETS ${name} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
	endif()
endfunction()

#
# recond_unit_test(NAME SOURCES t.c... [USES module...] [LIBS pkg...] [TIMEOUT seconds])
#
# A Criterion program, in ctest as unit.NAME. No root, no network, no fixed path.
#
function(recond_unit_test name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;USES;LIBS")
	recond_no_leftovers_("${name}" "${arg_UNPARSED_ARGUMENTS}")
	if(NOT BUILD_TESTING OR RECOND_FUZZ)
		return()
	endif()
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 60)
	endif()
	set(target test_${name})
	add_executable(${target} ${arg_SOURCES})
	set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/unit")
	list(APPEND arg_LIBS criterion)
	recond_link_(${target} PRIVATE "${arg_USES}" "${arg_LIBS}")
	add_test(NAME unit.${name} COMMAND ${target} --color=never -j1)
	set_tests_properties(unit.${name} PROPERTIES
		LABELS unit
		TIMEOUT ${arg_TIMEOUT}
		FAIL_REGULAR_EXPRESSION "${RECOND_FAIL_TEXT}"
		ENVIRONMENT "RECOND_LIBEXEC=${PROJECT_BINARY_DIR}/bin;RECOND_BIN=${PROJECT_BINARY_DIR}/bin;SOURCE_DIR=${PROJECT_SOURCE_DIR}")
endfunction()

#
# recond_integration_test(SCRIPT)
#
# A shell script as integration.<name>, given RECOND_BIN, RECOND_LIBEXEC and SOURCE_DIR; 77 means skipped. Comments in
# its head set how it runs: "# timeout: SECONDS" (default 60), "# serial" (alone), "# lock: NAME..." (never together
# with another holder of NAME). Scripts tests/integration/*.sh are registered without being named.
#
function(recond_integration_test script)
	cmake_path(GET script STEM name)
	cmake_path(ABSOLUTE_PATH script BASE_DIRECTORY "${PROJECT_SOURCE_DIR}/tests/integration")
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${script}")
	file(STRINGS "${script}" head LIMIT_COUNT 30 REGEX "^# (timeout:|serial|lock:)")
	set(timeout 60)
	set(locks)
	set(serial FALSE)
	foreach(line IN LISTS head)
		if(line MATCHES "^# timeout: *([0-9]+)")
			set(timeout "${CMAKE_MATCH_1}")
		elseif(line MATCHES "^# lock: *(.+)$")
			separate_arguments(locks UNIX_COMMAND "${CMAKE_MATCH_1}")
		elseif(line MATCHES "^# serial *$")
			set(serial TRUE)
		endif()
	endforeach()
	add_test(NAME integration.${name} COMMAND "${script}")
	set_tests_properties(integration.${name} PROPERTIES
		LABELS integration
		TIMEOUT "${timeout}"
		SKIP_RETURN_CODE 77
		RUN_SERIAL "${serial}"
		RESOURCE_LOCK "${locks}"
		FAIL_REGULAR_EXPRESSION "LeakSanitizer|AddressSanitizer|runtime error:"
		ENVIRONMENT "RECOND_LIBEXEC=${PROJECT_BINARY_DIR}/bin;RECOND_BIN=${PROJECT_BINARY_DIR}/bin;SOURCE_DIR=${PROJECT_SOURCE_DIR}")
endfunction()

#
# recond_fuzz_target(NAME SOURCES f.c... [USES module...] [LIBS pkg...])
#
# With RECOND_FUZZ a libFuzzer program build/<preset>/fuzz/NAME. Without, the same source linked with replay.c, which
# runs every file of tests/fuzz/corpus/NAME through it, in ctest as fuzz.NAME. Sources tests/fuzz/*.c are registered
# without being named when their head says " * uses: module...".
#
function(recond_fuzz_target name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;USES;LIBS")
	recond_no_leftovers_("${name}" "${arg_UNPARSED_ARGUMENTS}")
	add_executable(${name} ${arg_SOURCES})
	set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
	recond_link_(${name} PRIVATE "${arg_USES}" "${arg_LIBS}")
	if(RECOND_FUZZ)
		target_link_options(${name} PRIVATE -fsanitize=fuzzer)
		return()
	endif()
	target_sources(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests/fuzz/lib/replay.c")
	add_test(NAME fuzz.${name} COMMAND ${name} "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name}")
	set_tests_properties(fuzz.${name} PROPERTIES
		LABELS fuzz
		TIMEOUT 120
		FAIL_REGULAR_EXPRESSION "LeakSanitizer|AddressSanitizer|runtime error:")
endfunction()

# tests/unit/*, tests/integration/*.sh, tests/fuzz/*.c, and what else of tests/ has a CMakeLists.txt.
function(recond_add_tests)
	file(GLOB dirs CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/unit/*/CMakeLists.txt"
		"${PROJECT_SOURCE_DIR}/tests/*/CMakeLists.txt")
	foreach(list IN LISTS dirs)
		cmake_path(GET list PARENT_PATH dir)
		file(RELATIVE_PATH dir "${PROJECT_SOURCE_DIR}" "${dir}")
		recond_add_if_present("${dir}")
	endforeach()

	file(GLOB scripts CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/integration/*.sh")
	foreach(script IN LISTS scripts)
		recond_integration_test("${script}")
	endforeach()

	file(GLOB fuzzers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/fuzz/*.c")
	foreach(fuzzer IN LISTS fuzzers)
		cmake_path(GET fuzzer STEM name)
		file(STRINGS "${fuzzer}" line LIMIT_COUNT 1 REGEX "^ \\* uses: ")
		if(line)
			string(REGEX REPLACE "^ \\* uses: *" "" line "${line}")
			separate_arguments(uses UNIX_COMMAND "${line}")
			recond_fuzz_target("${name}" SOURCES "${fuzzer}" USES ${uses})
		endif()
	endforeach()
endfunction()

# A misspelt keyword would otherwise become part of the list before it.
function(recond_no_leftovers_ name leftovers)
	if(leftovers)
		message(FATAL_ERROR "${name}: unknown arguments: ${leftovers}")
	endif()
endfunction()

# To be called last: every module that is used must exist.
function(recond_finish)
	get_property(used GLOBAL PROPERTY RECOND_USED)
	list(REMOVE_DUPLICATES used)
	foreach(use IN LISTS used)
		if(NOT TARGET recond_${use})
			message(WARNING "USES ${use}: there is no such module (yet); what links it will fail")
		endif()
	endforeach()
endfunction()
