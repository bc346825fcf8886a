/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /etc/passwd and /etc/group of a root file system. Lines that are malformed are skipped, as libc
 * does; the first match in the file's order wins.
 */
#include "runtime/passwd.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#define REASON "InvalidUser"
#define MAX_ID 4294967294u /* (uid_t)-1 means "leave it" to the kernel */
#define MAX_SPEC 512
#define MAX_FIELDS 8

#define invalid(err, ...) err_set(err, ERR_INVALID, EINVAL, REASON, __VA_ARGS__)

int passwd_parse_id(uid_t *ret, const char *s)
{
	uint64_t id;

	if (str_parse_u64(&id, s, 0, MAX_ID) < 0)
		return -EINVAL;
	*ret = (uid_t)id;
	return 0;
}

/* One line cut at its colons. */
struct line {
	char *text;
	char *fields[MAX_FIELDS];
	size_t n;
};

static void line_deinit(struct line *l)
{
	free(l->text);
	*l = (struct line){};
}

/* The next line of *P with at least MIN fields into *RET; false at the end. */
static bool line_next(struct line *ret, const char **p, size_t min)
{
	while (**p) {
		size_t n = strcspn(*p, "\n");
		const char *start = *p;
		char *s;

		*p += n + (start[n] == '\n');
		line_deinit(ret);
		ret->text = s = mem_strndup(start, n);
		for (ret->n = 0; s && ret->n < MAX_FIELDS; ret->n++) {
			char *colon = strchr(s, ':');

			if (colon)
				*colon = '\0';
			ret->fields[ret->n] = s;
			s = colon ? colon + 1 : NULL;
		}
		if (ret->n >= min && *ret->fields[0])
			return true;
	}
	return false;
}

struct account {
	uid_t uid;
	gid_t gid;
	char *name; /* NULL when there is no entry */
	char *home;
};

static void account_deinit(struct account *a)
{
	free(a->name);
	free(a->home);
}

/* Look SPEC, a name or a number, up. A number needs no entry. */
static int find_account(struct account *ret, const char *passwd, const char *spec, struct err *err)
{
	_cleanup_(line_deinit) struct line l = {};
	uid_t wanted = 0, uid, gid;
	bool numeric = passwd_parse_id(&wanted, spec) == 0;

	while (line_next(&l, &passwd, 4)) {
		if (passwd_parse_id(&uid, l.fields[2]) < 0 ||
		    passwd_parse_id(&gid, l.fields[3]) < 0)
			continue;
		if (numeric ? uid != wanted : !str_eq(l.fields[0], spec))
			continue;
		ret->uid = uid;
		ret->gid = gid;
		ret->name = mem_strdup(l.fields[0]);
		ret->home = mem_strdup(l.n > 5 ? l.fields[5] : "");
		return 0;
	}
	if (!numeric)
		return invalid(err, "user '%s' is not in the image's /etc/passwd", spec);
	ret->uid = wanted;
	ret->gid = 0;
	return 0;
}

/* The gid of SPEC, a name or a number. */
static int find_group(gid_t *ret, const char *group, const char *spec, struct err *err)
{
	_cleanup_(line_deinit) struct line l = {};

	if (passwd_parse_id(ret, spec) == 0)
		return 0;
	while (line_next(&l, &group, 3))
		if (str_eq(l.fields[0], spec) && passwd_parse_id(ret, l.fields[2]) == 0)
			return 0;
	return invalid(err, "group '%s' is not in the image's /etc/group", spec);
}

static bool is_member(const char *members, const char *name)
{
	size_t n = strlen(name);

	while (*members) {
		size_t len = strcspn(members, ",");

		if (len == n && strncmp(members, name, n) == 0)
			return true;
		members += len + (members[len] == ',');
	}
	return false;
}

/* Add the groups that list NAME. */
static int add_groups(struct passwd_ids *ids, const char *group, const char *name, struct err *err)
{
	_cleanup_(line_deinit) struct line l = {};
	gid_t gid;

	while (line_next(&l, &group, 4)) {
		if (passwd_parse_id(&gid, l.fields[2]) < 0 || gid == ids->gid ||
		    !is_member(l.fields[3], name))
			continue;
		if (ids->n_groups == PASSWD_MAX_GROUPS)
			return invalid(err, "user '%s' is in more than %d groups", name,
				       PASSWD_MAX_GROUPS);
		ids->groups[ids->n_groups++] = gid;
	}
	return 0;
}

static void set_home(struct passwd_ids *ids, const char *home)
{
	bool ok = home && *home == '/' && strlen(home) < sizeof(ids->home);

	for (const char *s = home; ok && *s; s++)
		ok = (unsigned char)*s >= 0x20 && *s != 0x7f;
	(void)snprintf(ids->home, sizeof(ids->home), "%s", ok ? home : "/");
}

int passwd_resolve_text(struct passwd_ids *ret, const char *passwd, const char *group,
			const char *spec, struct err *err)
{
	autofree struct passwd_ids *ids = NEW(struct passwd_ids);
	_cleanup_(account_deinit) struct account account = {};
	autofree char *user = NULL;
	const char *colon = strchr(spec, ':');
	int r;

	assert(ret && passwd && group);

	if (strlen(spec) > MAX_SPEC)
		return invalid(err, "user is longer than %d characters", MAX_SPEC);
	user = mem_strndup(spec, colon ? (size_t)(colon - spec) : strlen(spec));
	if (colon && (!*user || !colon[1]))
		return invalid(err, "user '%s' is not USER or USER:GROUP", spec);
	r = find_account(&account, passwd, *user ? user : "0", err);
	if (r < 0)
		return r;
	ids->uid = account.uid;
	ids->gid = account.gid;
	set_home(ids, account.home);
	if (colon)
		r = find_group(&ids->gid, group, colon + 1, err);
	else if (account.name)
		r = add_groups(ids, group, account.name, err);
	if (r < 0)
		return r;
	*ret = *ids;
	return 0;
}

/* The text of a file in the root, "" when there is none. Anything but a regular file is an attempt
 * to hang us. */
static int read_text(char **ret, int root_fd, const char *path, struct err *err)
{
	autoclose int fd = fs_open_in_root(root_fd, path, O_PATH, 0), readable = -1;
	char self[32];
	struct stat st;
	size_t n;
	int r;

	if (fd == -ENOENT || fd == -ENOTDIR) {
		*ret = mem_strdup("");
		return 0;
	}
	if (fd < 0)
		return invalid(err, "/%s: %s", path, strerror(-fd));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return invalid(err, "/%s is not a regular file", path);
	if (st.st_size > (off_t)PASSWD_MAX_BYTES)
		return invalid(err, "/%s is larger than %u bytes", path, PASSWD_MAX_BYTES);
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	readable = fs_open(self, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (readable < 0)
		return err_errno(err, readable, "open /%s", path);
	r = fs_read_fd(ret, &n, readable, PASSWD_MAX_BYTES);
	return r < 0 ? err_errno(err, r, "read /%s", path) : 0;
}

int passwd_resolve(struct passwd_ids *ret, int root_fd, const char *spec, struct err *err)
{
	autofree char *passwd = NULL, *group = NULL;
	int r;

	r = read_text(&passwd, root_fd, "etc/passwd", err);
	if (r >= 0)
		r = read_text(&group, root_fd, "etc/group", err);
	if (r >= 0)
		r = passwd_resolve_text(ret, passwd, group, spec, err);
	return r;
}
