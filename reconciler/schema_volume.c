/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of volumes. A volume that can't be provided is refused: without it a container would
 * write into its own layer what was meant to last.
 */
#include "reconciler/schema_priv.h"

/* clang-format off */
#define MISSING REFUSED("the volume would be missing")

static const struct schema_field item_fields[] = {
	{ "key", STRING, REQUIRED, .format = FORMAT_CONFIG_KEY, .doc = "The key." },
	{ "path", STRING, REQUIRED, .format = FORMAT_REL_PATH, .doc = "The file it becomes." },
	{ "mode", INT, .min = 0, .max = 0777, .doc = "Its permissions." },
};
static SCHEMA(item, "KeyToPath", item_fields);

static const struct schema_field configmap_fields[] = {
	{ "name", STRING, REQUIRED, .format = FORMAT_DNS_SUBDOMAIN, .doc = "The ConfigMap." },
	{ "items", LIST_OF(item), .doc = "Which keys; all when missing." },
	{ "defaultMode", INT, .min = 0, .max = 0777, DEFAULT("420"), .doc = "Permissions of the files." },
	{ "optional", BOOL, .doc = "Whether it may be missing." },
};
static SCHEMA(configmap, "ConfigMapVolumeSource", configmap_fields);

static const struct schema_field secret_fields[] = {
	{ "secretName", STRING, REQUIRED, .format = FORMAT_DNS_SUBDOMAIN, .doc = "The Secret." },
	{ "items", LIST_OF(item), .doc = "Which keys; all when missing." },
	{ "defaultMode", INT, .min = 0, .max = 0777, DEFAULT("420"), .doc = "Permissions of the files." },
	{ "optional", BOOL, .doc = "Whether it may be missing." },
};
static SCHEMA(secret, "SecretVolumeSource", secret_fields);

static const struct schema_field empty_dir_fields[] = {
	{ "medium", STRING, ONE_OF("", "Memory"), .doc = "Memory for a tmpfs." },
	{ "sizeLimit", QUANTITY, .doc = "How much it may hold." },
};
static SCHEMA(empty_dir, "EmptyDirVolumeSource", empty_dir_fields);

static const struct schema_field host_path_fields[] = {
	{ "path", STRING, REQUIRED, .format = FORMAT_ABS_PATH, .doc = "On the host." },
	{ "type", STRING, DEFAULT("\"\""),
	  ONE_OF("", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"),
	  .doc = "What must be there, or is made." },
};
static SCHEMA(host_path, "HostPathVolumeSource", host_path_fields);

static const struct schema_field claim_fields[] = {
	{ "claimName", STRING, REQUIRED, .format = FORMAT_DNS_SUBDOMAIN, .doc = "The claim." },
	{ "readOnly", BOOL, .doc = "Whether it can't be written." },
};
static SCHEMA(claim, "PersistentVolumeClaimVolumeSource", claim_fields);

static const struct schema_field downward_item_fields[] = {
	{ "path", STRING, REQUIRED, .format = FORMAT_REL_PATH, .doc = "The file." },
	{ "fieldRef", OBJECT(schema_object_field), .doc = "A field of the pod." },
	{ "resourceFieldRef", OBJECT(schema_resource_field), .doc = "A request or limit." },
	{ "mode", INT, .min = 0, .max = 0777, .doc = "Its permissions." },
};
static SCHEMA(downward_item, "DownwardAPIVolumeFile", downward_item_fields);

static const struct schema_field downward_fields[] = {
	{ "items", LIST_OF(downward_item), .doc = "The files." },
	{ "defaultMode", INT, .min = 0, .max = 0777, DEFAULT("420"), .doc = "Permissions of the files." },
};
static SCHEMA(downward, "DownwardAPIVolumeSource", downward_fields);

static const struct schema_field projection_fields[] = {
	{ "name", STRING, REQUIRED, .format = FORMAT_DNS_SUBDOMAIN, .doc = "The object." },
	{ "items", LIST_OF(item), .doc = "Which keys; all when missing." },
	{ "optional", BOOL, .doc = "Whether it may be missing." },
};
static SCHEMA(projection, "Projection", projection_fields);

static const struct schema_field token_fields[] = {
	{ "audience", STRING, .doc = "Whom the token is for." },
	{ "expirationSeconds", INT, .min = 600, .max = INT32_MAX, DEFAULT("3600"), .doc = "How long it holds." },
	{ "path", STRING, REQUIRED, .format = FORMAT_REL_PATH, .doc = "The file." },
};
static SCHEMA(token, "ServiceAccountTokenProjection", token_fields);

static const struct schema_field projected_source_fields[] = {
	{ "configMap", OBJECT(projection), .doc = "Keys of a ConfigMap." },
	{ "secret", OBJECT(projection), .doc = "Keys of a Secret." },
	{ "downwardAPI", OBJECT(downward), .doc = "Fields of the pod." },
	{ "serviceAccountToken", OBJECT(token), .doc = "A token." },
	{ "clusterTrustBundle", ANY, .doc = "Certificates." },
	{ "podCertificate", ANY, .doc = "A certificate." },
};
static SCHEMA(projected_source, "VolumeProjection", projected_source_fields);

static const struct schema_field projected_fields[] = {
	{ "sources", LIST_OF(projected_source), .doc = "What is put together." },
	{ "defaultMode", INT, .min = 0, .max = 0777, DEFAULT("420"), .doc = "Permissions of the files." },
};
static SCHEMA(projected, "ProjectedVolumeSource", projected_fields);

static const struct schema_field nfs_fields[] = {
	{ "server", STRING, REQUIRED, .doc = "The server." },
	{ "path", STRING, REQUIRED, .format = FORMAT_ABS_PATH, .doc = "What it exports." },
	{ "readOnly", BOOL, .doc = "Whether it can't be written." },
};
static SCHEMA(nfs, "NFSVolumeSource", nfs_fields);

static const struct schema_field volume_image_fields[] = {
	{ "reference", STRING, .format = FORMAT_IMAGE, .doc = "The image." },
	{ "pullPolicy", STRING, ONE_OF("Always", "IfNotPresent", "Never"), .doc = "When it is pulled." },
};
static SCHEMA(volume_image, "ImageVolumeSource", volume_image_fields);

static const struct schema_field volume_fields[] = {
	{ "name", STRING, REQUIRED, .format = FORMAT_DNS_LABEL, .doc = "Unique in the pod." },
	{ "emptyDir", OBJECT(empty_dir), .doc = "Empty at first; lives as long as the pod." },
	{ "hostPath", OBJECT(host_path), .doc = "A file or directory of the host." },
	{ "configMap", OBJECT(configmap), .doc = "Keys of a ConfigMap as files." },
	{ "secret", OBJECT(secret), .doc = "Keys of a Secret as files." },
	{ "persistentVolumeClaim", OBJECT(claim), MISSING, .doc = "Storage that outlives the pod." },
	{ "projected", OBJECT(projected), MISSING, .doc = "Several sources in one directory." },
	{ "downwardAPI", OBJECT(downward), MISSING, .doc = "Fields of the pod as files." },
	{ "ephemeral", ANY, MISSING, .doc = "A claim of the pod's own." },
	{ "nfs", OBJECT(nfs), MISSING, .doc = "A directory of another host." },
	{ "csi", ANY, MISSING, .doc = "A storage driver's." },
	{ "image", OBJECT(volume_image), MISSING, .doc = "The files of an image." },
	{ "awsElasticBlockStore", ANY, MISSING, .doc = "Obsolete." },
	{ "azureDisk", ANY, MISSING, .doc = "Obsolete." },
	{ "azureFile", ANY, MISSING, .doc = "Obsolete." },
	{ "cephfs", ANY, MISSING, .doc = "Obsolete." },
	{ "cinder", ANY, MISSING, .doc = "Obsolete." },
	{ "fc", ANY, MISSING, .doc = "Fibre channel." },
	{ "flexVolume", ANY, MISSING, .doc = "Obsolete." },
	{ "flocker", ANY, MISSING, .doc = "Obsolete." },
	{ "gcePersistentDisk", ANY, MISSING, .doc = "Obsolete." },
	{ "gitRepo", ANY, MISSING, .doc = "Obsolete and dangerous." },
	{ "glusterfs", ANY, MISSING, .doc = "Obsolete." },
	{ "iscsi", ANY, MISSING, .doc = "A disk over the network." },
	{ "photonPersistentDisk", ANY, MISSING, .doc = "Obsolete." },
	{ "portworxVolume", ANY, MISSING, .doc = "Obsolete." },
	{ "quobyte", ANY, MISSING, .doc = "Obsolete." },
	{ "rbd", ANY, MISSING, .doc = "Obsolete." },
	{ "scaleIO", ANY, MISSING, .doc = "Obsolete." },
	{ "storageos", ANY, MISSING, .doc = "Obsolete." },
	{ "vsphereVolume", ANY, MISSING, .doc = "Obsolete." },
};
SCHEMA(schema_volume, "Volume", volume_fields);
/* clang-format on */
