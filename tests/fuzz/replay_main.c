/* SPDX-License-Identifier: Apache-2.0 */
/* Without libFuzzer: runs every file of the folders given, once, in the order of their names. */
#include <dirent.h>
#include <stdio.h>

#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "tests/fuzz/fuzz.h"

static int run_file(const char *folder, const char *name)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	auto_free char *copy = NULL;
	char path[4096];
	struct error err = ERROR_INIT;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	printf("%s\n", path);
	fflush(stdout);
	if (io_read_file(path, LIMIT_FILE_BYTES, &sb, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	/* An exact-size copy, so that a sanitizer sees a read past the end. */
	copy = malloc(sb.len ? sb.len : 1);
	for (size_t i = 0; copy && i < sb.len; i++)
		copy[i] = sb.buf[i];
	return copy ? LLVMFuzzerTestOneInput((const uint8_t *)copy, sb.len) : 1;
}

static int run_folder(const char *folder)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, NULL, alphasort), ran = 0, bad = 0;

	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.') {
			bad |= run_file(folder, entries[i]->d_name);
			ran++;
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	if (ran == 0)
		fprintf(stderr, "%s: no inputs\n", folder);
	return bad || ran == 0;
}

int main(int argc, char **argv)
{
	int bad = argc < 2;

	for (int i = 1; i < argc; i++)
		bad |= run_folder(argv[i]);
	return bad;
}
