/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time and randomness of the host. Policy code takes both from reconciler/ports.h instead, so that
 * a simulator can replace them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CLOCK_RFC3339_SIZE 40

/* Milliseconds of CLOCK_BOOTTIME: for intervals and deadlines. */
uint64_t clock_boottime_ms(void);

/* Nanoseconds since the epoch: for time stamps only. */
int64_t clock_realtime_ns(void);

/*
 * The same as of the first call in this process, and from then on by CLOCK_BOOTTIME: for time
 * stamps that ages are told by. Setting the wall clock changes it at the next start.
 */
int64_t clock_steady_realtime_ns(void);

/* "2006-01-02T15:04:05Z" (seconds, UTC) as Kubernetes' metav1.Time prints it. */
void clock_format_rfc3339(char ret[CLOCK_RFC3339_SIZE], int64_t epoch_ns);

/* With nanoseconds, as metav1.MicroTime and container logs do: "2006-01-02T15:04:05.123456789Z". */
void clock_format_rfc3339_nano(char ret[CLOCK_RFC3339_SIZE], int64_t epoch_ns);

/* Parse either form (any number of fraction digits, "Z" or "+hh:mm"). 0 and *ret_ns, or -EINVAL. */
int clock_parse_rfc3339(int64_t *ret_ns, const char *s);

/* N random bytes from getrandom(2); aborts when the kernel cannot give them. */
void clock_random(void *buf, size_t n);

/* This boot's id (/proc/sys/kernel/random/boot_id, 36 characters) into RET; 0 or negative errno. */
int clock_boot_id(char ret[37]);
