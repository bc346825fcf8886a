/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named places where a test can make a process fail. Only builds with RECOND_FAILPOINTS (the
 * presets dev, fault and coverage) have any; elsewhere the macros are nothing, which
 * style.hardening checks on the programs that are released.
 *
 * $RECOND_FAILPOINTS says what happens, in containerd's syntax: "name=term->term;name=term". A term
 * is an action, or COUNT*action for the next COUNT hits; the last one without a count is for good,
 * after the last one with a count nothing happens any more. Actions: off, error(ENOSPC), sleep(MS),
 * panic (abort), kill (SIGKILL of the process itself). What is malformed ends the process with
 * status 70, so that no test runs by mistake without its fault.
 *
 * $RECOND_FAILPOINTS_DIR names a directory with a file per failpoint that was reached, one byte for
 * each hit by whatever process; counts then go over all processes. Both variables reach workers and
 * monitors. The names of a program are in its ELF section "failpoints": tests/fault/failpoints.py.
 */
#pragma once

#ifdef RECOND_FAILPOINTS

#define FAILPOINT_NAME_SIZE 60

/* One place, as it lies in the section; 64 bytes without padding. */
struct failpoint {
	char name[FAILPOINT_NAME_SIZE];
	int takes_error;
};

/*
 * Carry out what the environment says of POINT: 0, or the negative errno of an error() action (at a
 * place that takes none that ends the process as malformed does).
 */
int failpoint_hit(const struct failpoint *point);

#define FAILPOINT_HIT_(id, with_error)                                                             \
	({                                                                                         \
		static const struct failpoint point_                                               \
			__attribute__((section("failpoints"), used, aligned(64))) = {              \
				.name = id, .takes_error = with_error};                            \
		failpoint_hit(&point_);                                                            \
	})

/* A place to die or to wait at. */
#define FAILPOINT(id) ((void)FAILPOINT_HIT_(id, 0))

/* A place that can fail: 0, or the negative errno with ERR filled. Needs base/err.h. */
#define FAILPOINT_ERR(id, err)                                                                     \
	({                                                                                         \
		int code_ = FAILPOINT_HIT_(id, 1);                                                 \
		code_ < 0 ? err_errno(err, code_, "failpoint " id) : 0;                            \
	})

#else

#define FAILPOINT(id) ((void)0)
#define FAILPOINT_ERR(id, err) (0)

#endif
