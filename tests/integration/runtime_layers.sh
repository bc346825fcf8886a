#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Hostile, odd and legal layers through the real worker: see evil_tar.py.
# timeout: 240
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
need_root
need_cmd python3 zstd tar

python3 "$SOURCE_DIR/tests/integration/evil_tar.py" "$RECOND_BIN/recond-layer" "$T" || fail "see above"
ok "nothing got out of a layer, and nothing legal was lost"
