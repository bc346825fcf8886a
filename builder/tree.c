/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking contexts and root file systems. Nothing here follows a symlink by accident: contexts are
 * opened beneath their directory without any symlink, root file systems as if they were "/".
 */
#include "builder/tree.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/strbuf.h"
#include "builder/glob.h"

#define TREE_MAX_DEPTH 256

void tree_sources_deinit(struct tree_sources *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->items[i].path);
		free(s->items[i].name);
	}
	free(s->items);
	*s = (struct tree_sources){};
}

int tree_changed(struct err *err, const char *path)
{
	return err_set(err, ERR_TRANSIENT, ESTALE, "BuildFailed", "'%s' changed while building",
		       path);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Takes over PATH. */
static void add_source(struct tree_sources *ret, char *path, const char *written, bool is_dir)
{
	GROW(ret->items, ret->cap, ret->n + 1);
	ret->items[ret->n++] = (struct tree_source){path, mem_strdup(base_name(written)), is_dir};
}

static int not_found(struct err *err, const char *path)
{
	return err_invalid(err, "\"/%s\": not found", path);
}

static int find_in_context(struct tree_sources *ret, const struct tree *t, const char *path,
			   struct err *err)
{
	autofree char *resolved = NULL;
	const struct context_entry *e;
	int r;

	r = context_resolve(&resolved, t->context, path, err);
	if (r < 0)
		return r;
	if (!r)
		return not_found(err, path);
	e = context_find(t->context, resolved);
	add_source(ret, TAKE_PTR(resolved), path, !e || S_ISDIR(e->mode));
	return 0;
}

static int find_in_root(struct tree_sources *ret, const struct tree *t, const char *path,
			struct err *err)
{
	autoclose int fd = fs_open_in_root(t->fd, *path ? path : ".", O_PATH, 0);
	struct stat st;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return not_found(err, path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, fd < 0 ? fd : errno, "open '/%s'", path);
	add_source(ret, mem_strdup(path), path, S_ISDIR(st.st_mode));
	return 0;
}

static int find_one(struct tree_sources *ret, const struct tree *t, const char *path,
		    struct err *err)
{
	return t->context ? find_in_context(ret, t, path, err) : find_in_root(ret, t, path, err);
}

/* The names in the directory FD (taken over), sorted. 0 or negative errno. */
static int list_dir(struct strlist *ret, int fd)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	while ((e = readdir(dir)))
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			strlist_add(ret, e->d_name);
	(void)closedir(dir);
	strlist_sort(ret);
	return 0;
}

/* Match the components of PATTERN from AT on below the directory DIR, which exists or does not. */
static int glob_root(struct strlist *ret, const struct tree *t, const char *dir,
		     const char *pattern, struct err *err)
{
	size_t n = strcspn(pattern, "/");
	autofree char *component = mem_strndup(pattern, n);
	_cleanup_(glob_freep) struct glob *g = NULL;
	autostrlist names = {};
	int fd, r;

	r = glob_new(&g, component, GLOB_PATH, err);
	if (r < 0)
		return r;
	fd = fs_open_in_root(t->fd, *dir ? dir : ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 || list_dir(&names, fd) < 0)
		return 0;
	for (size_t i = 0; i < names.n; i++) {
		autofree char *path = NULL;

		if (!glob_match(g, names.items[i]))
			continue;
		path = mem_asprintf("%s%s%s", dir, *dir ? "/" : "", names.items[i]);
		if (!pattern[n])
			strlist_add(ret, path);
		else if ((r = glob_root(ret, t, path, pattern + n + 1, err)) < 0)
			return r;
	}
	return 0;
}

int tree_find(struct tree_sources *ret, const struct tree *t, const char *word, struct err *err)
{
	autostrlist paths = {};
	int r;

	if (!glob_has_magic(word))
		return find_one(ret, t, word, err);
	if (t->context)
		r = context_glob(&paths, t->context, word, err);
	else
		r = glob_root(&paths, t, "", word, err);
	for (size_t i = 0; i < paths.n && r >= 0; i++)
		r = find_one(ret, t, paths.items[i], err);
	return r;
}

/*
 * What the listing says about E, with identity and time of the file behind n->fd when there is one.
 * False when that is of another type.
 */
static bool fill_stat(struct tree_node *n, const struct context_entry *e)
{
	n->has_mtime = n->fd >= 0 && fstat(n->fd, &n->st) == 0;
	if (n->has_mtime && (n->st.st_mode & S_IFMT) != (e->mode & S_IFMT))
		return false;
	n->st.st_mode = e->mode;
	n->st.st_size = (off_t)e->size;
	n->st.st_uid = 0;
	n->st.st_gid = 0;
	n->st.st_rdev = 0;
	return true;
}

static int emit_entry(const struct tree *t, const struct context_entry *e, const char *path,
		      tree_node_fn fn, void *data, struct err *err)
{
	struct tree_node n = {.path = path, .link = e->link, .fd = -1};
	autoclose int fd = -1;
	int r;

	if (!S_ISLNK(e->mode)) {
		fd = fs_open_beneath(
			t->fd, e->real,
			O_RDONLY | O_NONBLOCK | O_NOCTTY | (S_ISDIR(e->mode) ? O_DIRECTORY : 0), 0);
		/* Git's export has no place for what is not content: an empty directory. */
		if (fd < 0 && S_ISREG(e->mode))
			return fd == -EACCES || fd == -EMFILE
				       ? err_errno(err, fd, "open '%s'", e->path)
				       : tree_changed(err, e->path);
	}
	n.fd = fd;
	n.digest = S_ISREG(e->mode) ? e->digest : NULL;
	if (!fill_stat(&n, e))
		return tree_changed(err, e->path);
	if (S_ISDIR(e->mode))
		n.fd = -1;
	r = fn(&n, data, err);
	return r < 0 ? r : 0;
}

static int walk_context(const struct tree *t, const struct tree_source *s, tree_node_fn fn,
			void *data, struct err *err)
{
	size_t skip = *s->path ? strlen(s->path) + 1 : 0, n;
	const struct context_entry *below;
	int r;

	if (!s->is_dir)
		return emit_entry(t, context_find(t->context, s->path), "", fn, data, err);
	below = context_below(t->context, s->path, &n);
	for (size_t i = 0; i < n; i++) {
		if (below[i].ignored)
			continue;
		r = emit_entry(t, &below[i], below[i].path + skip, fn, data, err);
		if (r < 0)
			return r;
	}
	return 0;
}

struct walk {
	tree_node_fn fn;
	void *data;
	struct err *err;
};

static int walk_dir(const struct walk *w, int fd, const char *prefix, unsigned depth);

/* NAME in DIRFD; PATH is what the callback gets to see. Sockets are passed over. */
static int walk_entry(const struct walk *w, int dirfd, const char *name, const char *path,
		      unsigned depth)
{
	struct tree_node n = {.path = path, .fd = -1, .has_mtime = true};
	char link[PATH_MAX];
	autoclose int fd = -1;
	ssize_t len;
	int r;

	if (fstatat(dirfd, name, &n.st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(w->err, errno, "stat '%s'", path);
	if (S_ISSOCK(n.st.st_mode))
		return 0;
	if (S_ISLNK(n.st.st_mode)) {
		len = readlinkat(dirfd, name, link, sizeof(link) - 1);
		if (len < 0)
			return err_errno(w->err, errno, "read link '%s'", path);
		link[len] = '\0';
		n.link = link;
	} else if (S_ISREG(n.st.st_mode) || S_ISDIR(n.st.st_mode)) {
		fd = fs_open_beneath(dirfd, name, O_RDONLY | O_NONBLOCK, 0);
		if (fd < 0)
			return err_errno(w->err, fd, "open '%s'", path);
		n.fd = S_ISREG(n.st.st_mode) ? fd : -1;
	}
	r = w->fn(&n, w->data, w->err);
	if (r < 0 || !S_ISDIR(n.st.st_mode))
		return r;
	return walk_dir(w, TAKE_FD(fd), path, depth + 1);
}

/* Takes over FD. */
static int walk_dir(const struct walk *w, int fd, const char *prefix, unsigned depth)
{
	autoclose int dirfd = fd;
	autostrlist names = {};
	int r;

	if (depth > TREE_MAX_DEPTH)
		return err_invalid(w->err, "'%s' is nested too deeply", prefix);
	fd = fs_open_beneath(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	r = fd < 0 ? fd : list_dir(&names, fd);
	if (r < 0)
		return err_errno(w->err, r, "list '%s'", prefix);
	for (size_t i = 0; i < names.n; i++) {
		autofree char *path =
			mem_asprintf("%s%s%s", prefix, *prefix ? "/" : "", names.items[i]);

		r = walk_entry(w, dirfd, names.items[i], path, depth);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A single file is opened through links; what a link ends at is what is copied. */
static int walk_root_file(const struct walk *w, int root_fd, const char *path)
{
	struct tree_node n = {.path = "", .fd = -1, .has_mtime = true};
	autoclose int at = fs_open_in_root(root_fd, path, O_PATH, 0);
	autoclose int fd = -1;

	if (at < 0 || fstat(at, &n.st) < 0)
		return err_errno(w->err, at < 0 ? at : errno, "open '/%s'", path);
	if (S_ISREG(n.st.st_mode)) {
		fd = fs_open_in_root(root_fd, path, O_RDONLY | O_NONBLOCK, 0);
		if (fd < 0)
			return err_errno(w->err, fd, "open '/%s'", path);
		n.fd = fd;
	}
	return w->fn(&n, w->data, w->err);
}

int tree_walk(const struct tree *t, const struct tree_source *source, tree_node_fn fn, void *data,
	      struct err *err)
{
	struct walk w = {fn, data, err};
	int fd;

	if (t->context)
		return walk_context(t, source, fn, data, err);
	if (!source->is_dir)
		return walk_root_file(&w, t->fd, source->path);
	fd = fs_open_in_root(t->fd, *source->path ? source->path : ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return err_errno(err, fd, "open '/%s'", source->path);
	return walk_dir(&w, fd, "", 0);
}

static int hash_node(const struct tree_node *n, void *data, struct err *err)
{
	struct digest_ctx *h = data;
	autofree char *head = NULL;
	char content[DIGEST_STR_SIZE] = "";
	int r;

	if (n->fd >= 0) {
		r = digest_fd(content, NULL, n->fd, err);
		if (r < 0)
			return r;
	}
	head = mem_asprintf("%s\n%o %u %u %llu %s %s", n->path, n->st.st_mode, n->st.st_uid,
			    n->st.st_gid, (unsigned long long)n->st.st_rdev, content,
			    n->link ? n->link : "");
	digest_update(h, head, strlen(head) + 1);
	return 0;
}

int tree_digest(char ret[DIGEST_STR_SIZE], const struct tree *t, const struct strlist *sources,
		struct err *err)
{
	_cleanup_(digest_freep) struct digest_ctx *h = digest_new();
	_cleanup_(tree_sources_deinit) struct tree_sources found = {};
	int r;

	for (size_t i = 0; i < sources->n; i++) {
		r = tree_find(&found, t, sources->items[i], err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < found.n; i++) {
		digest_update(h, found.items[i].name, strlen(found.items[i].name) + 1);
		r = tree_walk(t, &found.items[i], hash_node, h, err);
		if (r < 0)
			return r;
	}
	digest_final(h, ret);
	return 0;
}
