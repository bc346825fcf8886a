#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
ok "words that are shown"
