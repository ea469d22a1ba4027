/* SPDX-License-Identifier: Apache-2.0 */
/* agent/datapath/verifier_log.h - what matters of the pages that the kernel's verifier writes. */
#pragma once

#include <stddef.h>

/* The last bytes of it, at most `most`, from the beginning of a line on; points into log. */
const char *verifier_log_end(const char *log, size_t most);
/* Its last word: the last line that is no summary; "" when there is none. */
void verifier_log_reason(const char *log, char *ret, size_t size);
/* Addresses of the kernel become "0x*": what is published tells nobody where things are. */
void verifier_log_scrub(char *log);
