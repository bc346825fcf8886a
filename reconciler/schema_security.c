/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of security contexts.
 */
#include "reconciler/schema_priv.h"

/* clang-format off */
#define ID .min = 0, .max = INT32_MAX

static const struct schema_field selinux_fields[] = {
	{ "user", STRING, .doc = "SELinux user." },
	{ "role", STRING, .doc = "SELinux role." },
	{ "type", STRING, .doc = "SELinux type." },
	{ "level", STRING, .doc = "SELinux level." },
};
static SCHEMA(selinux, "SELinuxOptions", selinux_fields);

static const struct schema_field seccomp_fields[] = {
	{ "type", STRING, REQUIRED, ONE_OF("RuntimeDefault", "Unconfined", "Localhost"), .doc = "Which profile." },
	{ "localhostProfile", STRING, .format = FORMAT_REL_PATH, .doc = "The file, for Localhost." },
};
static SCHEMA(seccomp, "SeccompProfile", seccomp_fields);

static const struct schema_field apparmor_fields[] = {
	{ "type", STRING, REQUIRED, ONE_OF("RuntimeDefault", "Unconfined", "Localhost"), .doc = "Which profile." },
	{ "localhostProfile", STRING, .doc = "Its name, for Localhost." },
};
static SCHEMA(apparmor, "AppArmorProfile", apparmor_fields);

static const struct schema_field capabilities_fields[] = {
	{ "add", STRINGS, .format = FORMAT_CAPABILITY, .doc = "Beyond the usual set." },
	{ "drop", STRINGS, .format = FORMAT_CAPABILITY, .doc = "Out of the usual set; ALL for every one." },
};
static SCHEMA(capabilities, "Capabilities", capabilities_fields);

static const struct schema_field sysctl_fields[] = {
	{ "name", STRING, REQUIRED, .format = FORMAT_SYSCTL, .doc = "The sysctl." },
	{ "value", STRING, .flags = FIELD_REQUIRED, .doc = "Its value." },
};
static SCHEMA(sysctl, "Sysctl", sysctl_fields);

#define SECURITY_COMMON \
	{ "runAsUser", INT, ID, .doc = "The user id." }, \
	{ "runAsGroup", INT, ID, .doc = "The group id." }, \
	{ "runAsNonRoot", BOOL, .doc = "Refuse to start as root." }, \
	{ "seccompProfile", OBJECT(seccomp), .doc = "Which system calls are allowed." }, \
	{ "seLinuxOptions", OBJECT(selinux), UNLESS("{}"), UNSUPPORTED("no label is set"), .doc = "SELinux label." }, \
	{ "appArmorProfile", OBJECT(apparmor), UNLESS("{\"type\":\"Unconfined\"}"), UNSUPPORTED("no profile is set"), \
	  .doc = "AppArmor profile." }, \
	{ "windowsOptions", ANY, UNLESS("{}"), UNSUPPORTED("the host runs linux"), .doc = "For Windows." }

static const struct schema_field container_security_fields[] = {
	SECURITY_COMMON,
	{ "capabilities", OBJECT(capabilities), .doc = "What of root's power it has." },
	{ "privileged", BOOL, .doc = "All of root's power over the host." },
	{ "readOnlyRootFilesystem", BOOL, .doc = "Its own files can't be written." },
	{ "allowPrivilegeEscalation", BOOL, .doc = "false: set-user-ID programs gain nothing." },
	{ "procMount", STRING, ONE_OF("Default", "Unmasked"), .doc = "Whether parts of /proc are hidden." },
};
SCHEMA(schema_container_security, "SecurityContext", container_security_fields);

static const struct schema_field pod_security_fields[] = {
	SECURITY_COMMON,
	{ "supplementalGroups", INTS, ID, .doc = "Further group ids." },
	{ "supplementalGroupsPolicy", STRING, ONE_OF("Merge", "Strict"), UNLESS("\"Merge\""),
	  UNSUPPORTED("the image's groups are added"), .doc = "Whether the image's groups count." },
	{ "fsGroup", INT, ID, .doc = "The group that owns the volumes." },
	{ "fsGroupChangePolicy", STRING, ONE_OF("OnRootMismatch", "Always"), .doc = "When owners are changed." },
	{ "sysctls", LIST_OF(sysctl), UNLESS("[]"), UNSUPPORTED("they are not set"), .doc = "Kernel parameters of the pod." },
	{ "seLinuxChangePolicy", STRING, ONE_OF("Recursive", "MountOption"), UNSUPPORTED("no label is set"),
	  .doc = "How labels are set." },
};
SCHEMA(schema_pod_security, "PodSecurityContext", pod_security_fields);
/* clang-format on */
