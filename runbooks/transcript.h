/* SPDX-License-Identifier: Apache-2.0 */
/* runbooks/transcript.h - a way through a runbook as people read it: what was asked, what it said,
 * which way was taken, what is concluded. The same for recorded cases and for runs. Pure. */
#pragma once

#include "runbooks/walk.h"

/*
 * A stranger's text within a line of ours: its further lines are indented, and nothing in it steers
 * a terminal or turns text around, so that it is never taken for what we say. The text itself, or
 * in the arena; NULL is "".
 */
const char *shown(struct arena *a, const char *text);

void transcript_steps(const struct walk *w, struct strbuf *out);
/* Outcome, cause, confidence, the reason of a doubt, exit code. */
void transcript_end(const struct walk *w, struct strbuf *out);
/* Of a recorded case: its name, mode and parameters, steps, end. */
void transcript_case(const struct fixture *f, const struct walk *w, struct strbuf *out);
/* Whether the first character of text (not empty) is a control, turns the text around, or is
 * nothing to see; how many bytes it has. */
bool unseen_at(const char *text, size_t *ret_bytes);
