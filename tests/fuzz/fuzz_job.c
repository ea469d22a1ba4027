/* SPDX-License-Identifier: Apache-2.0 */
/* The journal of a regeneration, as somebody else may have left it. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/job.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct job *job = xcalloc(1, sizeof(*job));
	int fd = memfd_create("journal", MFD_CLOEXEC);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fuzz_check(fd >= 0 && !io_write_all(fd, data, n, NULL));
	if (!job_load(job, path, NULL)) {
		fuzz_check(job->request && job->fd >= 0);
		fuzz_check(job->records.n <= JOB_MAX_RECORDS);
		fuzz_check(!job_over(job, REGENERATE_STOPPED, "over", NULL));
		job_free(job, false);
		job = xcalloc(1, sizeof(*job));
		/* It goes on behind what was whole. */
		fuzz_check(!job_load(job, path, NULL) && job->state == REGENERATE_STOPPED);
	}
	job_free(job, false);
	close(fd);
	return 0;
}
