# SPDX-License-Identifier: Apache-2.0
#
# How everything is compiled and linked: language, warnings, sanitizers, hardening. Nothing here knows a module.
include(CheckCCompilerFlag)
include(CheckPIESupported)

option(RECOND_WERROR "Warnings are errors" OFF)
option(RECOND_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(RECOND_COVERAGE "Instrument for gcov" OFF)
option(RECOND_FUZZ "Build the fuzz targets with libFuzzer (clang only)" OFF)
option(RECOND_FAILPOINTS "Failpoints (base/failpoint.h), for builds that are tested and never installed" OFF)
option(RECOND_HARDEN "Compiler and linker hardening of a release" OFF)

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
if(NOT CMAKE_BUILD_TYPE)
	set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug, Release, RelWithDebInfo" FORCE)
endif()

check_pie_supported(LANGUAGES C)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_compile_definitions(
	_GNU_SOURCE
	RECOND_VERSION="${PROJECT_VERSION}"
	RECOND_LIBEXECDIR="${CMAKE_INSTALL_FULL_LIBEXECDIR}/recond")
add_compile_options(
	-Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wpointer-arith -Wwrite-strings -Wundef -Wvla
	-Wno-missing-field-initializers -fno-common -fno-strict-aliasing)
include_directories("${PROJECT_SOURCE_DIR}")

if(RECOND_WERROR)
	add_compile_options(-Werror)
endif()

if(RECOND_SANITIZE)
	add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
	add_link_options(-fsanitize=address,undefined)
endif()

if(RECOND_FAILPOINTS)
	add_compile_definitions(RECOND_FAILPOINTS)
endif()

if(RECOND_COVERAGE)
	add_compile_options(--coverage -fprofile-update=atomic)
	add_link_options(--coverage)
endif()

if(RECOND_FUZZ)
	if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
		message(FATAL_ERROR "RECOND_FUZZ needs clang: libFuzzer is part of it")
	endif()
	add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Add FLAG to every target if the compiler takes it.
function(recond_flag_if_supported flag)
	string(MAKE_C_IDENTIFIER "RECOND_HAS${flag}" var)
	check_c_compiler_flag("-Werror ${flag}" "${var}")
	if(${var})
		add_compile_options("${flag}")
	endif()
endfunction()

if(RECOND_HARDEN)
	# The journal gets names of source files: those of the repository, not of the machine that compiled them.
	add_compile_options("-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")
	# Distributions' compilers may predefine another level: undefine first.
	add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
	foreach(flag IN ITEMS -fstack-protector-strong -fstack-clash-protection -fcf-protection=full
			-ftrivial-auto-var-init=zero -fno-delete-null-pointer-checks)
		recond_flag_if_supported("${flag}")
	endforeach()
	add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code -Wl,--as-needed)
endif()
