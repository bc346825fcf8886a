/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of a pod and its containers: every field of core/v1 PodSpec and Container
 * (Kubernetes 1.36), so that nothing valid is called unknown. What this release does not honour
 * says so in its row.
 */
#include "reconciler/schema_priv.h"

/* clang-format off */
static const struct schema_field object_field_fields[] = {
	{ "apiVersion", STRING, DEFAULT("\"v1\""), .doc = "The version of the path." },
	{ "fieldPath", STRING, REQUIRED, .doc = "Which field of the pod: metadata.name, status.podIP, ..." },
};
SCHEMA(schema_object_field, "ObjectFieldSelector", object_field_fields);

static const struct schema_field resource_field_fields[] = {
	{ "containerName", STRING, .format = FORMAT_DNS_LABEL, .doc = "The container; its own when missing." },
	{ "resource", STRING, REQUIRED, .doc = "limits.cpu, requests.memory, ..." },
	{ "divisor", QUANTITY, DEFAULT("\"0\""), .doc = "The unit of the result." },
};
SCHEMA(schema_resource_field, "ResourceFieldSelector", resource_field_fields);

static const struct schema_field key_ref_fields[] = {
	{ "name", STRING, REQUIRED, .format = FORMAT_DNS_SUBDOMAIN, .doc = "The object." },
	{ "key", STRING, REQUIRED, .format = FORMAT_CONFIG_KEY, .doc = "The key in it." },
	{ "optional", BOOL, .doc = "Whether it may be missing." },
};
static SCHEMA(key_ref, "KeySelector", key_ref_fields);

static const struct schema_field file_key_ref_fields[] = {
	{ "volumeName", STRING, REQUIRED, .doc = "The volume." },
	{ "path", STRING, REQUIRED, .format = FORMAT_REL_PATH, .doc = "The file in it." },
	{ "key", STRING, REQUIRED, .doc = "The variable in the file." },
	{ "optional", BOOL, .doc = "Whether it may be missing." },
};
static SCHEMA(file_key_ref, "FileKeySelector", file_key_ref_fields);

static const struct schema_field env_source_fields[] = {
	{ "configMapKeyRef", OBJECT(key_ref), .doc = "A key of a ConfigMap." },
	{ "secretKeyRef", OBJECT(key_ref), .doc = "A key of a Secret." },
	{ "fieldRef", OBJECT(schema_object_field), .doc = "A field of the pod." },
	{ "resourceFieldRef", OBJECT(schema_resource_field), .doc = "A request or limit of a container." },
	{ "fileKeyRef", OBJECT(file_key_ref), REFUSED("the variable would be missing"), .doc = "A variable of a file." },
};
static SCHEMA(env_source, "EnvVarSource", env_source_fields);

static const struct schema_field env_fields[] = {
	{ "name", STRING, REQUIRED, .format = FORMAT_ENV_NAME, .doc = "The variable." },
	{ "value", STRING, .doc = "Its value; $(OTHER) is replaced." },
	{ "valueFrom", OBJECT(env_source), .doc = "Where its value comes from." },
};
static SCHEMA(env_var, "EnvVar", env_fields);

static const struct schema_field env_ref_fields[] = {
	{ "name", STRING, REQUIRED, .format = FORMAT_DNS_SUBDOMAIN, .doc = "The object." },
	{ "optional", BOOL, .doc = "Whether it may be missing." },
};
static SCHEMA(env_ref, "EnvSource", env_ref_fields);

static const struct schema_field env_from_fields[] = {
	{ "prefix", STRING, .doc = "Put before each name." },
	{ "configMapRef", OBJECT(env_ref), .doc = "All keys of a ConfigMap." },
	{ "secretRef", OBJECT(env_ref), .doc = "All keys of a Secret." },
};
static SCHEMA(env_from, "EnvFromSource", env_from_fields);

static const struct schema_field port_fields[] = {
	{ "name", STRING, .format = FORMAT_PORT_NAME, .doc = "For services to refer to." },
	{ "containerPort", INT, .flags = FIELD_REQUIRED, PORT, .doc = "Where the container listens." },
	{ "hostPort", INT, ZERO_IS_NONE, .min = 0, .max = 65535,
	  .doc = "The port of the host that leads here." },
	{ "hostIP", STRING, .format = FORMAT_IP, .doc = "The address of the host for hostPort." },
	{ "protocol", STRING, ONE_OF("TCP", "UDP", "SCTP"), DEFAULT("\"TCP\""), .doc = "TCP, UDP or SCTP." },
};
static SCHEMA(port, "ContainerPort", port_fields);

static const struct schema_field claim_fields[] = {
	{ "name", STRING, REQUIRED, .doc = "An entry of resourceClaims." },
	{ "request", STRING, .doc = "Which request of it." },
};
static SCHEMA(claim, "ResourceClaim", claim_fields);

static const struct schema_field resources_fields[] = {
	{ "limits", QUANTITY_MAP, .key_format = FORMAT_QUALIFIED_NAME, .doc = "What the container can't exceed." },
	{ "requests", QUANTITY_MAP, .key_format = FORMAT_QUALIFIED_NAME, .doc = "What it is sure to get." },
	{ "claims", LIST_OF(claim), KEYED("name"), REFUSED("the device would be missing"), .doc = "Devices." },
};
static SCHEMA(resources, "ResourceRequirements", resources_fields);

static const struct schema_field mount_fields[] = {
	{ "name", STRING, REQUIRED, .doc = "One of the pod's volumes." },
	{ "mountPath", STRING, REQUIRED, .format = FORMAT_MOUNT_PATH, .doc = "Where it appears." },
	{ "readOnly", BOOL, ZERO_IS_NONE, .doc = "Whether it can't be written." },
	{ "subPath", STRING, .format = FORMAT_REL_PATH, .doc = "The part of the volume that is mounted." },
	{ "subPathExpr", STRING, REFUSED("the whole volume would be mounted"), .doc = "subPath with $(VAR)." },
	{ "mountPropagation", STRING, ONE_OF("None", "HostToContainer", "Bidirectional"), UNLESS("\"None\""),
	  UNSUPPORTED("mounts do not propagate"), .doc = "Whether later mounts are seen." },
	{ "recursiveReadOnly", STRING, ONE_OF("Disabled", "IfPossible", "Enabled"), UNLESS("\"Disabled\""),
	  UNSUPPORTED("mounts below stay as they are"), .doc = "readOnly for mounts below, too." },
};
static SCHEMA(mount, "VolumeMount", mount_fields);

static const struct schema_field device_fields[] = {
	{ "name", STRING, REQUIRED, .doc = "A volume." },
	{ "devicePath", STRING, REQUIRED, .doc = "Where it appears." },
};
static SCHEMA(device, "VolumeDevice", device_fields);

static const struct schema_field header_fields[] = {
	{ "name", STRING, REQUIRED, .doc = "The header." },
	{ "value", STRING, .doc = "Its value." },
};
static SCHEMA(header, "HTTPHeader", header_fields);

static const struct schema_field http_get_fields[] = {
	{ "path", STRING, DEFAULT("\"/\""), .doc = "What is asked for." },
	{ "port", INT_OR_STRING, .flags = FIELD_REQUIRED, PORT, .format = FORMAT_PORT_NAME, .doc = "Number or name." },
	{ "host", STRING, .doc = "The pod's address when missing." },
	{ "scheme", STRING, ONE_OF("HTTP", "HTTPS"), DEFAULT("\"HTTP\""), .doc = "HTTP or HTTPS." },
	{ "httpHeaders", LIST_OF(header), .doc = "Further headers." },
};
static SCHEMA(http_get, "HTTPGetAction", http_get_fields);

static const struct schema_field exec_fields[] = {
	{ "command", STRINGS, .doc = "What is run in the container; no shell." },
};
static SCHEMA(exec, "ExecAction", exec_fields);

static const struct schema_field tcp_fields[] = {
	{ "port", INT_OR_STRING, .flags = FIELD_REQUIRED, PORT, .format = FORMAT_PORT_NAME, .doc = "Number or name." },
	{ "host", STRING, .doc = "The pod's address when missing." },
};
static SCHEMA(tcp, "TCPSocketAction", tcp_fields);

static const struct schema_field grpc_fields[] = {
	{ "port", INT, .flags = FIELD_REQUIRED, PORT, .doc = "The port." },
	{ "service", STRING, DEFAULT("\"\""), .doc = "The service asked about." },
};
static SCHEMA(grpc, "GRPCAction", grpc_fields);

static const struct schema_field sleep_fields[] = {
	{ "seconds", INT, .flags = FIELD_REQUIRED, NATURAL, .doc = "How long." },
};
static SCHEMA(sleep_action, "SleepAction", sleep_fields);

static const struct schema_field probe_fields[] = {
	{ "exec", OBJECT(exec), .doc = "Good when the command exits 0." },
	{ "httpGet", OBJECT(http_get), .doc = "Good when the answer is 200 to 399." },
	{ "tcpSocket", OBJECT(tcp), .doc = "Good when the port can be connected to." },
	{ "grpc", OBJECT(grpc), .doc = "Good when the health service says so." },
	{ "initialDelaySeconds", INT, ZERO_IS_NONE, NATURAL, .doc = "Before the first probe." },
	{ "timeoutSeconds", INT, .min = 1, .max = INT32_MAX, DEFAULT("1"), .doc = "For one probe." },
	{ "periodSeconds", INT, .min = 1, .max = INT32_MAX, DEFAULT("10"), .doc = "Between probes." },
	{ "successThreshold", INT, .min = 1, .max = INT32_MAX, DEFAULT("1"), .doc = "How many good ones count." },
	{ "failureThreshold", INT, .min = 1, .max = INT32_MAX, DEFAULT("3"), .doc = "How many bad ones count." },
	{ "terminationGracePeriodSeconds", INT, .min = 1, .max = INT32_MAX, .doc = "Grace after a failed probe." },
};
SCHEMA(schema_probe, "Probe", probe_fields);

static const struct schema_field handler_fields[] = {
	{ "exec", OBJECT(exec), .doc = "A command in the container." },
	{ "httpGet", OBJECT(http_get), .doc = "A request." },
	{ "tcpSocket", OBJECT(tcp), .doc = "Obsolete." },
	{ "sleep", OBJECT(sleep_action), .doc = "A pause." },
};
static SCHEMA(handler, "LifecycleHandler", handler_fields);

static const struct schema_field lifecycle_fields[] = {
	{ "postStart", OBJECT(handler), .doc = "After the container began." },
	{ "preStop", OBJECT(handler), .doc = "Before it is told to end." },
	{ "stopSignal", STRING, .doc = "The signal that tells it." },
};
SCHEMA(schema_lifecycle, "Lifecycle", lifecycle_fields);

static const struct schema_field resize_fields[] = {
	{ "resourceName", STRING, REQUIRED, .doc = "cpu or memory." },
	{ "restartPolicy", STRING, ONE_OF("NotRequired", "RestartContainer"), .doc = "Whether a resize restarts." },
};
static SCHEMA(resize, "ContainerResizePolicy", resize_fields);

#define CONTAINER_COMMON \
	{ "name", STRING, REQUIRED, .format = FORMAT_DNS_LABEL, .doc = "Unique in the pod." }, \
	{ "image", STRING, REQUIRED, .format = FORMAT_IMAGE, .doc = "What runs." }, \
	{ "imagePullPolicy", STRING, ONE_OF("Always", "IfNotPresent", "Never"), \
	  .doc = "Always for latest or no tag, else IfNotPresent." }, \
	{ "command", STRINGS, .doc = "Replaces the image's ENTRYPOINT and drops its CMD." }, \
	{ "args", STRINGS, .doc = "Replaces the image's CMD." }, \
	{ "workingDir", STRING, .doc = "Where it starts; the image's when missing." }, \
	{ "env", LIST_OF(env_var), KEYED("name"), .flags = FIELD_DUPLICATES, .doc = "Variables; later ones see earlier ones." }, \
	{ "envFrom", LIST_OF(env_from), .doc = "Variables out of ConfigMaps and Secrets." }, \
	{ "ports", LIST_OF(port), KEYED("containerPort,protocol"), .flags = FIELD_DUPLICATES, .doc = "Where it listens." }, \
	{ "resources", OBJECT(resources), DEFAULT("{}"), .doc = "Requests and limits." }, \
	{ "volumeMounts", LIST_OF(mount), KEYED("mountPath"), .doc = "Volumes and where they appear." }, \
	{ "volumeDevices", LIST_OF(device), KEYED("devicePath"), REFUSED("the device would be missing"), \
	  .doc = "Block devices." }, \
	{ "securityContext", OBJECT(schema_container_security), .doc = "Whom it runs as, and what it may do." }, \
	{ "terminationMessagePath", STRING, DEFAULT("\"/dev/termination-log\""), .format = FORMAT_MOUNT_PATH, \
	  .doc = "The file whose content is shown after the end." }, \
	{ "terminationMessagePolicy", STRING, ONE_OF("File", "FallbackToLogsOnError"), DEFAULT("\"File\""), \
	  .doc = "Whether the log stands in for an empty file." }, \
	{ "stdin", BOOL, ZERO_IS_NONE, UNLESS("false"), UNSUPPORTED("standard input is empty"), .doc = "Keep standard input open." }, \
	{ "stdinOnce", BOOL, ZERO_IS_NONE, UNLESS("false"), UNSUPPORTED("standard input is empty"), .doc = "For one attach." }, \
	{ "tty", BOOL, ZERO_IS_NONE, UNLESS("false"), UNSUPPORTED("there is no terminal"), .doc = "Give it a terminal." }, \
	{ "resizePolicy", LIST_OF(resize), KEYED("resourceName"), UNSUPPORTED("pods are replaced, not resized"), \
	  .doc = "What a resize does." }, \
	{ "restartPolicyRules", ANY, UNSUPPORTED("the pod's restartPolicy holds"), .doc = "By exit code." }, \
	{ "lifecycle", OBJECT(schema_lifecycle), .doc = "Hooks." }, \
	{ "livenessProbe", OBJECT(schema_probe), .doc = "Restarts it when bad." }, \
	{ "readinessProbe", OBJECT(schema_probe), .doc = "Keeps traffic away while bad." }, \
	{ "startupProbe", OBJECT(schema_probe), .doc = "Holds the others off." }

static const struct schema_field container_fields[] = {
	CONTAINER_COMMON,
	{ "restartPolicy", STRING, ONE_OF("Always", "OnFailure", "Never"), UNSUPPORTED("the pod's restartPolicy holds"),
	  .doc = "Of this container alone." },
};
SCHEMA(schema_container, "Container", container_fields);

static const struct schema_field init_container_fields[] = {
	CONTAINER_COMMON,
	{ "restartPolicy", STRING, ONE_OF("Always", "OnFailure", "Never"), UNLESS("\"Always\""),
	  UNSUPPORTED("the pod's restartPolicy holds"), .doc = "Always makes it a sidecar." },
};
SCHEMA(schema_init_container, "Container", init_container_fields);

static const struct schema_field local_ref_fields[] = {
	{ "name", STRING, REQUIRED, .format = FORMAT_DNS_SUBDOMAIN, .doc = "A Secret." },
};
static SCHEMA(local_ref, "LocalObjectReference", local_ref_fields);

static const struct schema_field host_alias_fields[] = {
	{ "ip", STRING, REQUIRED, .format = FORMAT_IP, .doc = "The address." },
	{ "hostnames", STRINGS, .format = FORMAT_DNS_SUBDOMAIN, .doc = "Its names." },
};
static SCHEMA(host_alias, "HostAlias", host_alias_fields);

static const struct schema_field dns_option_fields[] = {
	{ "name", STRING, REQUIRED, .doc = "The option." },
	{ "value", STRING, .doc = "Its value." },
};
static SCHEMA(dns_option, "PodDNSConfigOption", dns_option_fields);

static const struct schema_field dns_config_fields[] = {
	{ "nameservers", STRINGS, .format = FORMAT_IP, .doc = "Further name servers; three in all." },
	{ "searches", STRINGS, .doc = "Further search domains." },
	{ "options", LIST_OF(dns_option), .doc = "Further resolver options." },
};
static SCHEMA(dns_config, "PodDNSConfig", dns_config_fields);

static const struct schema_field os_fields[] = {
	{ "name", STRING, REQUIRED, ONE_OF("linux", "windows"), .doc = "linux." },
};
static SCHEMA(os, "PodOS", os_fields);

static const struct schema_field gate_fields[] = {
	{ "conditionType", STRING, REQUIRED, .format = FORMAT_QUALIFIED_NAME, .doc = "A condition." },
};
static SCHEMA(readiness_gate, "PodReadinessGate", gate_fields);

static const struct schema_field scheduling_gate_fields[] = {
	{ "name", STRING, REQUIRED, .doc = "Who holds the pod." },
};
static SCHEMA(scheduling_gate, "PodSchedulingGate", scheduling_gate_fields);

#define ONE_HOST "there is one host"

static const struct schema_field pod_spec_fields[] = {
	{ "containers", LIST_OF(schema_container), REQUIRED, KEYED("name"), .doc = "What runs." },
	{ "restartPolicy", STRING, ONE_OF("Always", "OnFailure", "Never"), DEFAULT("\"Always\""),
	  .doc = "What follows a container's end." },
	{ "terminationGracePeriodSeconds", INT, NATURAL, DEFAULT("30"), .doc = "Between SIGTERM and SIGKILL." },
	{ "volumes", LIST_OF(schema_volume), KEYED("name"), .doc = "What containers can mount." },
	{ "hostname", STRING, .format = FORMAT_DNS_LABEL, .doc = "The pod's name when missing." },
	{ "subdomain", STRING, .format = FORMAT_DNS_LABEL, .doc = "Second part of the full name." },
	{ "hostNetwork", BOOL, ZERO_IS_NONE, .doc = "Use the host's network." },
	{ "hostAliases", LIST_OF(host_alias), KEYED("ip"), .doc = "Lines for /etc/hosts." },
	{ "dnsPolicy", STRING, ONE_OF("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
	  DEFAULT("\"ClusterFirst\""), .doc = "What resolv.conf says." },
	{ "dnsConfig", OBJECT(dns_config), .doc = "More for resolv.conf." },
	{ "securityContext", OBJECT(schema_pod_security), DEFAULT("{}"), .doc = "For all containers." },
	{ "initContainers", LIST_OF(schema_init_container), KEYED("name"), .doc = "What runs to its end before, and sidecars." },
	{ "ephemeralContainers", ANY, UNLESS("[]"), REFUSED("they are added to running pods only"), .doc = "For debugging." },
	{ "activeDeadlineSeconds", INT, .min = 1, .max = INT32_MAX,
	  .doc = "How long it may be active." },
	{ "hostPID", BOOL, ZERO_IS_NONE, UNLESS("false"), UNSUPPORTED("containers see their own processes only"),
	  .doc = "Use the host's process ids." },
	{ "hostIPC", BOOL, ZERO_IS_NONE, UNLESS("false"), UNSUPPORTED("the pod has an IPC namespace of its own"), .doc = "Use the host's IPC." },
	{ "shareProcessNamespace", BOOL, UNLESS("false"), UNSUPPORTED("containers see their own processes only"),
	  .doc = "One process namespace for the pod." },
	{ "hostUsers", BOOL, UNLESS("true"), UNSUPPORTED("there is no user namespace"), .doc = "Use the host's users." },
	{ "hostnameOverride", STRING, UNSUPPORTED("the hostname is as without it"), .doc = "The full hostname." },
	{ "setHostnameAsFQDN", BOOL, UNLESS("false"), UNSUPPORTED("the hostname is the short one"),
	  .doc = "Use the full name as hostname." },
	{ "enableServiceLinks", BOOL, UNLESS("false"), UNSUPPORTED("there are no variables for Services"),
	  .doc = "Variables for each Service." },
	{ "serviceAccountName", STRING, UNLESS("\"default\""), UNSUPPORTED("no token is mounted"), .doc = "Identity." },
	{ "serviceAccount", STRING, UNLESS("\"default\""), UNSUPPORTED("no token is mounted"),
	  .doc = "Obsolete name of serviceAccountName." },
	{ "automountServiceAccountToken", BOOL, UNLESS("false"), UNSUPPORTED("no token is mounted"),
	  .doc = "Whether a token is mounted." },
	{ "imagePullSecrets", LIST_OF(local_ref), KEYED("name"), UNLESS("[]"),
	  UNSUPPORTED("images are pulled without credentials"), .doc = "Credentials for registries." },
	{ "nodeName", STRING, UNSUPPORTED(ONE_HOST), .doc = "The host." },
	{ "nodeSelector", STRING_MAP, .key_format = FORMAT_QUALIFIED_NAME, .format = FORMAT_LABEL_VALUE, UNLESS("{}"),
	  UNSUPPORTED(ONE_HOST), .doc = "Labels of the host." },
	{ "affinity", OBJECT(schema_affinity), UNLESS("{}"), UNSUPPORTED(ONE_HOST), .doc = "Which hosts." },
	{ "tolerations", LIST_OF(schema_toleration), UNLESS("[]"), UNSUPPORTED(ONE_HOST), .doc = "Which taints." },
	{ "topologySpreadConstraints", LIST_OF(schema_spread), KEYED("topologyKey,whenUnsatisfiable"), UNLESS("[]"),
	  UNSUPPORTED(ONE_HOST), .doc = "How pods spread." },
	{ "schedulerName", STRING, DEFAULT("\"default-scheduler\""), UNLESS("\"default-scheduler\""), UNSUPPORTED(ONE_HOST),
	  .doc = "Who picks the host." },
	{ "schedulingGates", LIST_OF(scheduling_gate), KEYED("name"), UNLESS("[]"),
	  REFUSED("the pod would start before its gate opens"), .doc = "Who holds the pod." },
	{ "priorityClassName", STRING, UNSUPPORTED("all pods have one priority"), .doc = "Priority by name." },
	{ "priority", INT, UNSUPPORTED("all pods have one priority"), .doc = "Priority." },
	{ "preemptionPolicy", STRING, ONE_OF("PreemptLowerPriority", "Never"), UNSUPPORTED("pods are not preempted"),
	  .doc = "Whether others must go." },
	{ "readinessGates", LIST_OF(readiness_gate),
	  .doc = "Further conditions of readiness." },
	{ "runtimeClassName", STRING, REFUSED("it would run with less isolation than asked for"), .doc = "The runtime." },
	{ "overhead", QUANTITY_MAP, UNSUPPORTED("it is not counted"), .doc = "Of the runtime." },
	{ "os", OBJECT(os), UNLESS("{\"name\":\"linux\"}"), REFUSED("the host runs linux"), .doc = "linux." },
	{ "resourceClaims", ANY, UNLESS("[]"), REFUSED("the device would be missing"), .doc = "Devices." },
	{ "resources", OBJECT(resources), UNLESS("{}"), UNSUPPORTED("the pod as a whole is not limited"),
	  .doc = "Requests and limits of the pod as a whole." },
	{ "workloadRef", ANY, UNSUPPORTED(ONE_HOST), .doc = "Gang scheduling." },
};
SCHEMA(schema_pod_spec, "PodSpec", pod_spec_fields);
/* clang-format on */
