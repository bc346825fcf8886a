/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an instance has on the host beside its pods, and its end: bridges, rules, cgroups. Which
 * bridges it made is on disk, since the flags may have changed since.
 */
#include <assert.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "runtime/pod_priv.h"

#define BRIDGES_FILE "bridges" /* one name a line, in the run directory */
#define BRIDGES_MAX 4096

static void read_bridges(struct pod_runtime *rt, struct strlist *ret)
{
	autofree char *text = NULL;
	autostrlist lines = {0};
	size_t n;

	if (fs_read_at(&text, &n, rt->run_fd, BRIDGES_FILE, BRIDGES_MAX) < 0)
		return;
	strlist_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.n; i++)
		if (*lines.items[i] && !strlist_contains(ret, lines.items[i]))
			strlist_add(ret, lines.items[i]);
}

int pod_retire_note_bridge(struct pod_runtime *rt, struct err *err)
{
	autostrlist bridges = {0};
	autostrbuf text = STRBUF_INIT;

	read_bridges(rt, &bridges);
	if (strlist_contains(&bridges, rt->bridge))
		return 0;
	for (size_t i = 0; i < bridges.n; i++)
		strbuf_addf(&text, "%s\n", bridges.items[i]);
	strbuf_addf(&text, "%s\n", rt->bridge);
	if (text.len > BRIDGES_MAX)
		return err_set(err, ERR_FATAL, E2BIG, NULL, "too many bridges since the boot");
	return fs_replace(rt->run_fd, BRIDGES_FILE, text.data, text.len, 0600, err);
}

size_t pod_runtime_pods(const struct pod_runtime *rt)
{
	return rt->n_pods;
}

void pod_host_down(struct pod_runtime *rt)
{
	autostrlist bridges = {0};
	json_t *names = json_array();

	assert(rt->n_pods == 0);
	read_bridges(rt, &bridges);
	if (!strlist_contains(&bridges, rt->bridge))
		strlist_add(&bridges, rt->bridge);
	for (size_t i = 0; i < bridges.n; i++)
		(void)json_array_append_new(names, json_text(bridges.items[i]));
	pod_task_add(rt, POD_VERB_HOST_DOWN, NULL, NULL, json_pack("{s:o}", "bridges", names));
}
