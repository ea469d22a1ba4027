/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sidecar-files OBJECTS NAMESPACE/POD DIR - a sidecar's Envoy files in DIR, and its redirect rules
 * in DIR/rules; certificates are DIR/{cert,key,root}.pem. For tests/system/sidecars.py; not
 * installed.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/istio/redirect.h"
#include "lib/istio/sidecar.h"

static int write_text(struct arena *a, const char *path, const char *text, struct error *err)
{
	char *folder = arena_strdup(a, path);
	int r;

	*strrchr(folder, '/') = '\0';
	r = io_mkdirs(folder, 0755, err);
	return r < 0 ? r : io_write_file_atomic(path, text, strlen(text), 0644, err);
}

static int write_rules(struct arena *a, const struct istio_workload *pod, const char *dir,
		       struct error *err)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct istio_redirect redirect;
	int r;

	istio_redirect_from_annotations(a, &pod->annotations, &redirect);
	r = istio_redirect_render(&redirect, &out, err);
	return r < 0 ? r : write_text(a, arena_printf(a, "%s/rules", dir), strbuf_cstr(&out), err);
}

static int write_files(struct arena *a, const char *objects, char *who, const char *dir,
		       struct error *err)
{
	struct istio_sidecar_options o = {
		.dir = dir,
		.cert_file = arena_printf(a, "%s/cert.pem", dir),
		.key_file = arena_printf(a, "%s/key.pem", dir),
		.root_file = arena_printf(a, "%s/root.pem", dir),
		.version = "test",
	};
	char *slash = strchr(who, '/');
	const struct istio_workload *pod;
	struct istio_sidecar_files files;
	struct snapshot s;
	struct istio_mesh m;
	int r;

	snapshot_init(&s, a);
	r = snapshot_read(&s, objects, err);
	if (r < 0)
		return r;
	istio_mesh_load(&m, a, &s);
	snapshot_release(&s);
	if (slash)
		*slash = '\0';
	pod = slash ? istio_mesh_pod(&m, who, slash + 1) : NULL;
	if (!pod)
		return error_set(err, -2, "no such pod");
	r = istio_sidecar_render(a, &m, pod, &o, &files, err);
	for (size_t i = 0; r == 0 && i < files.n; i++) {
		auto_release(strbuf) struct strbuf out = STRBUF_INIT;

		doc_write_json(files.items[i].doc, DOC_COMPACT, &out);
		r = write_text(a, arena_printf(a, "%s/%s", dir, files.items[i].path),
			       strbuf_cstr(&out), err);
	}
	return r < 0 ? r : write_rules(a, pod, dir, err);
}

int main(int argc, char **argv)
{
	struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	int r;

	if (argc != 4) {
		fprintf(stderr, "usage: sidecar-files OBJECTS NAMESPACE/POD DIR\n");
		return 64;
	}
	r = write_files(&a, argv[1], argv[2], argv[3], &err);
	if (r < 0)
		fprintf(stderr, "sidecar-files: %s\n", err.msg);
	arena_release(&a);
	return r < 0;
}
