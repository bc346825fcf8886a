# SPDX-License-Identifier: Apache-2.0
#
# Run by cpack over the staged files before they become a package: what Debian's policy wants in /usr/share/doc, and
# compressed manual pages.
set(root "${CPACK_TEMPORARY_INSTALL_DIRECTORY}")
set(doc "${root}${CPACK_INSTALL_PREFIX}/share/doc/${CPACK_PACKAGE_NAME}")
file(MAKE_DIRECTORY "${doc}")
file(COPY ${CPACK_RECOND_DOCS} DESTINATION "${doc}")
file(GLOB_RECURSE pages "${root}${CPACK_INSTALL_PREFIX}/share/man/*.[1-8]")
# -n: the same input makes the same package.
execute_process(COMMAND gzip -9nf ${pages} "${doc}/changelog" COMMAND_ERROR_IS_FATAL ANY)
