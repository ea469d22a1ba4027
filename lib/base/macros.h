/* SPDX-License-Identifier: Apache-2.0 */
/* lib/base/macros.h - the few macros every file may use. */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a)     (sizeof(a) / sizeof((a)[0]))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define MUST_CHECK        __attribute__((warn_unused_result))
#define UNUSED            __attribute__((unused))
#define NORETURN          __attribute__((noreturn))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* auto_release(strbuf) struct strbuf sb = STRBUF_INIT; strbuf_release(&sb) runs at scope end. */
#define auto_release(type) __attribute__((cleanup(type##_release)))

/* auto_free char *p = NULL; freed at scope end unless taken. Always initialise. */
static inline void free_ptr(void *pp)
{
	free(*(void **)pp);
}
#define auto_free __attribute__((cleanup(free_ptr)))

/* auto_close int fd = -1; closed at scope end unless taken with TAKE_FD. */
static inline void close_ptr(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define auto_close __attribute__((cleanup(close_ptr)))

/* TAKE(p): hand ownership to the caller, leaving p NULL. */
#define TAKE(p)                                                                                    \
	({                                                                                         \
		__typeof__(p) take_p = (p);                                                        \
		(p) = NULL;                                                                        \
		take_p;                                                                            \
	})
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int take_f = fd;                                                                   \
		(fd) = -1;                                                                         \
		take_f;                                                                            \
	})
