# SPDX-License-Identifier: Apache-2.0
#
# What `cmake --install` puts where beside the programs themselves (recond_program() installs those): man pages, shell
# completions, the units of systemd with what belongs to them, and, when /etc is ours, the configuration.
file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/man/*.[1-8]")
foreach(page IN LISTS pages)
	cmake_path(GET page EXTENSION LAST_ONLY section)
	string(SUBSTRING "${section}" 1 -1 section)
	install(FILES "${page}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
endforeach()

# A distribution's own files and the administrator's have different directories in zsh.
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
	set(zsh_dir "${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions")
else()
	set(zsh_dir "${CMAKE_INSTALL_DATADIR}/zsh/site-functions")
endif()
set(completions "${PROJECT_SOURCE_DIR}/contrib/completions")
install(FILES "${completions}/recond.bash"
	DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" RENAME recond)
install(FILES "${completions}/_recond" DESTINATION "${zsh_dir}")
install(FILES "${completions}/recond.fish" DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")

# systemd looks below /usr/local/lib too.
set(systemd "${PROJECT_SOURCE_DIR}/contrib/systemd")
foreach(unit IN ITEMS recond.service recond-pods.service)
	configure_file("${systemd}/${unit}.in" "${PROJECT_BINARY_DIR}/contrib/systemd/${unit}" @ONLY)
endforeach()
install(FILES
	"${PROJECT_BINARY_DIR}/contrib/systemd/recond.service"
	"${PROJECT_BINARY_DIR}/contrib/systemd/recond-pods.service"
	"${systemd}/recond.slice"
	"${systemd}/recond.socket"
	DESTINATION lib/systemd/system)
install(FILES "${systemd}/recond.sysusers" DESTINATION lib/sysusers.d RENAME recond.conf)
install(FILES "${systemd}/recond.tmpfiles" DESTINATION lib/tmpfiles.d RENAME recond.conf)

# The daemon reads /etc/recond whatever the prefix is; only an installation in /usr may write there.
if(CMAKE_INSTALL_FULL_SYSCONFDIR STREQUAL "/etc")
	install(FILES "${PROJECT_SOURCE_DIR}/contrib/recond.conf" DESTINATION /etc/recond)
	install(DIRECTORY DESTINATION /etc/recond/apps)
else()
	install(FILES "${PROJECT_SOURCE_DIR}/contrib/recond.conf" DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples")
endif()
