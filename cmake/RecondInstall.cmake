# SPDX-License-Identifier: Apache-2.0
#
# What `cmake --install` puts where beside the programs themselves (recond_program() installs those): man pages and
# shell completions.
file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/man/*.[1-8]")
foreach(page IN LISTS pages)
	cmake_path(GET page EXTENSION LAST_ONLY section)
	string(SUBSTRING "${section}" 1 -1 section)
	install(FILES "${page}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
endforeach()

set(completions "${PROJECT_SOURCE_DIR}/contrib/completions")
if(EXISTS "${completions}/recond.bash")
	install(FILES "${completions}/recond.bash"
		DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" RENAME recond)
endif()
if(EXISTS "${completions}/_recond")
	install(FILES "${completions}/_recond" DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/site-functions")
endif()
