/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one seam between policy and world. The reconciler calls these functions and nothing else
 * outside of itself; cmd/ implements them with watch, builder and runtime, tests with fakes in
 * virtual time. A call only starts something and never blocks; its answer comes later through one
 * of the reconciler_* functions of reconciler.h. Answers may be slow, missing, repeated or late:
 * the policy decides by levels, and asks again what is not answered within a minute (effects.c). So
 * each call may be repeated: what is under way goes on, what is done is answered once more.
 * Only two things may not get lost while the process lives: that a container ended, and that a pod
 * that nobody took down is gone; what is found at start tells them again.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ports {
	void *data; /* first argument of every function */

	/* Milliseconds that never jump and count sleep; for intervals. */
	uint64_t (*now_ms)(void *data);
	/* Wall clock as of the start of the process, nanoseconds since the epoch; goes on with
	 * now_ms and so never jumps either. For time stamps and their ages. */
	int64_t (*realtime_ns)(void *data);
	/* Fill BUF with N random bytes. */
	void (*random)(void *data, void *buf, size_t n);
	/* Call reconciler_run at AT_MS (of now_ms) at the latest; a later call replaces the time.
	 * UINT64_MAX: never. */
	void (*wake_at)(void *data, uint64_t at_ms);

	/*
	 * Which image a reference means on this host, without fetching: 1 with the digest in RET
	 * (80 bytes), 0 when it is not here. Answers at once from the host's image store.
	 */
	int (*image_resolve)(void *data, char *ret, const char *ref);
	/*
	 * Have the image REF here, unpacked and ready to run. Answer: reconciler_image_done. The
	 * error's kind says whether trying again can help; its reason is one of Kubernetes'
	 * (ErrImagePull, InvalidImageName, ErrImageNeverPull).
	 */
	void (*image_get)(void *data, const char *ref);

	/*
	 * Decode and validate the manifests of APPS (names) in revision REVISION of source SOURCE.
	 * Answer: reconciler_decoded with the document of manifest.h.
	 */
	void (*decode)(void *data, const char *source, const char *revision);
	/*
	 * The digest of everything below directory DIR ("" or "." for all) in a revision: 1 with it
	 * in RET (80 bytes), 0 when there is no such directory. Answers at once.
	 */
	int (*tree_digest)(void *data, char *ret, const char *source, const char *revision,
			   const char *dir);
	/*
	 * Look at a build without doing it. IMAGE is the Image object as decoded, of an app in
	 * REVISION of SOURCE. Answer: reconciler_build_planned with ID.
	 */
	void (*build_plan)(void *data, const char *id, const char *source, const char *revision,
			   const json_t *image);
	/* Do it. Answers: any number of reconciler_build_progress, then reconciler_build_done with
	 * ID. */
	void (*build)(void *data, const char *id, const char *source, const char *revision,
		      const json_t *image);

	/*
	 * Pods, in the vocabulary of runtime/pod.h's requests (JSON). Each is idempotent and keyed
	 * by the pod's uid: repeating it while it is under way or done does nothing but answer
	 * again.
	 */
	void (*sandbox_up)(void *data, const json_t *request);
	void (*container_start)(void *data, const json_t *request);
	/* SIGNO 0 means the stop signal of the container's spec or image. */
	void (*container_signal)(void *data, const char *uid, const char *name,
				 unsigned int attempt, int signo);
	void (*pod_down)(void *data, const char *uid);
	/* Does the process of that very attempt live? Asks the host now, answers at once. */
	bool (*container_lives)(void *data, const char *uid, const char *name,
				unsigned int attempt);

	/*
	 * Run one probe or hook of a container. REQUEST: {"podUid", "container", "attempt", "type":
	 * "exec|httpGet|tcpSocket|grpc", "timeoutMs", exec: "command": [..]; httpGet: "host",
	 * "port", "path", "scheme", "headers": [[name, value]..], "userAgent", "anyStatus" (of a
	 * hook: any answer is well); tcpSocket: "host", "port"; grpc: "host", "port", "service"}.
	 * Names and ports are resolved already, an empty host means the pod itself. Answer:
	 * reconciler_check_done with ID, once; a repeated ID is ignored while it runs.
	 */
	void (*check)(void *data, const char *id, const json_t *request);
	/* Give up ID if it runs: no answer comes any more. */
	void (*check_cancel)(void *data, const char *id);

	/*
	 * Tell the people behind SOURCE what became of an app, by the hooks of the source's
	 * configuration. EVENT (borrowed): {"type": "verified|held|released", "app", "source",
	 * "revision", "effective", "reason", "message", "time"}. There is no answer, and nothing
	 * depends on whether it arrives.
	 */
	void (*notify)(void *data, const char *source, const json_t *event);
};
