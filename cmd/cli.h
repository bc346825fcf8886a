/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions behind the commands, one per file cli_*.c. All return an exit status and write to
 * stdout and stderr.
 */
#pragma once

#include "cmd/command.h"

/* recond get: objects as kubectl shows them. */
int cli_get(const struct command_line *line);

/* recond status: apps, rollouts, builds and what is not well. */
int cli_status(const struct command_line *line);

/* recond logs: the output of a container. */
int cli_logs(const struct command_line *line);

/* recond scale: the number of a workload's pods. */
int cli_scale(const struct command_line *line);

/* recond rollout status | restart. */
int cli_rollout(const struct command_line *line);

/* recond delete: objects, by name or label. */
int cli_delete(const struct command_line *line);

/* recond history, diff, undo, retry, pause, resume, approve, undelete: what people ask of apps. */
int cli_history(const struct command_line *line);
int cli_diff(const struct command_line *line);
int cli_app_action(const struct command_line *line);

/* recond images: what is in the local image store. */
int cli_images(const struct command_line *line);

/* recond cleanup: ending an instance for good; needs no daemon. */
int cli_cleanup(const struct command_line *line);

/* recond version: of this program and of the daemon. */
int cli_version(const struct command_line *line);

/* recond completion: a script for a shell. */
int cli_completion(const struct command_line *line);

/* recond help. */
int cli_help(const struct command_line *line);
