# SPDX-License-Identifier: Apache-2.0
#
# `cpack -G DEB`: a package for the distribution it is built on. Its paths are those of a tree configured with
# -DCMAKE_INSTALL_PREFIX=/usr (cmake/RecondInstall.cmake), which has to be said when configuring: the path of the
# workers is compiled in.
set(debian "${PROJECT_SOURCE_DIR}/contrib/debian")
set(staged "${PROJECT_BINARY_DIR}/contrib/debian")

configure_file("${debian}/changelog.in" "${staged}/changelog" @ONLY)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME recond)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_CONTACT "The recond authors <root@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION
"recond turns one Linux host into the place where git push ends: it builds the
images whose sources changed, rolls out ordinary Kubernetes manifests, and when
the new version of an app cannot come up it puts back the last good one. There
is no cluster and no Docker: one small daemon, crun, and the kernel.

Containers do not depend on the daemon: they go on while it is restarted,
upgraded or removed.")
set(CPACK_PACKAGING_INSTALL_PREFIX "${CMAKE_INSTALL_PREFIX}")
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX "${CMAKE_INSTALL_PREFIX}")
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS "${PROJECT_SOURCE_DIR}/cmake/package_docs.cmake")
set(CPACK_RECOND_DOCS "${staged}/changelog" "${debian}/copyright" "${PROJECT_SOURCE_DIR}/CHANGELOG.md")

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "crun, systemd")
set(CPACK_DEBIAN_PACKAGE_PREDEPENDS "init-system-helpers (>= 1.54~)")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "nftables, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "git")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
	"${debian}/conffiles" "${debian}/postinst" "${debian}/postrm" "${debian}/prerm")
include(CPack)
