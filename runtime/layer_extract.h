/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extractor: the process that reads a layer's foreign bytes, confined to the directory it
 * fills. Started by layer_unpack.c as "recond-layer extract".
 */
#pragma once

/*
 * Serve the request on fd 3 (see layer_tar_priv.h) and report on it. Returns the process's exit
 * status: 0 when a result was reported, whatever it is.
 */
int layer_extract_main(void);
