/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/kubelet/image.h - what a container is as a process: argv, environment, user. Pure.
 *
 * An image of the lab's file (deploy/lab/images.h) is a folder: its programs are found there first,
 * and without a command the one that is called like the image runs. Another lab image is a name for
 * a role of sidestep-lab: sidestep.dev/lab/workload:1     sidestep-lab workload ARGS
 *   sidestep.dev/lab/istio-proxy:1  sidestep-lab istio-proxy ARGS
 *   sidestep.dev/lab/istio-init:1   sidestep-lab istio-init ARGS
 * A command whose program is called like one of them ("/workload", "pilot-agent",
 * "istio-iptables") means that role too, whatever the image; "sidestep-migrate" (what a probe pod
 * runs) is the one beside this program; any other command runs as it stands.
 */
#pragma once

#include "deploy/lab/kubelet/pod.h"

struct image_process {
	const char **argv, **env; /* NULL-terminated, in the arena */
	uint32_t uid, gid;
};

/* exec NULL: the container itself; else a command run in it. -EINVAL; -ENOMEDIUM: unknown image. */
int image_process(struct arena *a, const struct container *c, const struct doc *exec,
		  struct image_process *out, struct error *err);
/* $(NAME) from env ("NAME=value" strings); $$ is $; unknown names stay as they are. */
const char *image_expand(struct arena *a, const char *text, const char *const *env);
