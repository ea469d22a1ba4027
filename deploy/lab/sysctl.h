/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/sysctl.h - the machine's settings that a lab needs more of, and gives back.
 *
 * Every sidecar Envoy watches files, all under one uid; when its share of inotify instances is used
 * up Envoy aborts. `up` raises what is too small and writes down what it was; `down` restores it.
 */
#pragma once

#include "deploy/lab/lab.h"

int lab_sysctl_raise(const struct lab *lab, struct error *err);
int lab_sysctl_restore(const struct lab *lab, struct error *err);
