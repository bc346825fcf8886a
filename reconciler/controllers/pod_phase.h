/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the statuses of a pod's containers to the pod's phase and conditions, by the kubelet's rules
 * (getPhase, status/generate.go). Pure.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/*
 * The phase of the pod with SPEC whose container statuses are in STATUS. ENDING: nothing is started
 * any more, whatever restartPolicy says. Borrowed.
 */
const char *pod_phase(const json_t *spec, const json_t *status, bool ending);

/* "Succeeded" and "Failed". */
bool pod_phase_is_terminal(const char *phase);

/*
 * Set Initialized, Ready and ContainersReady in O, a pod with its new phase and container statuses.
 * NOW: RFC 3339.
 */
void pod_phase_set_conditions(json_t *o, const char *now);
