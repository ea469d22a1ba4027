/* SPDX-License-Identifier: Apache-2.0 */
/* runbooks/expr_lex.h - the words of an expression. Used by the parser only. */
#pragma once

#include "runbooks/expr.h"

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_LITERAL, TOKEN_PUNCTUATION };

struct token {
	enum token_kind kind;
	uint32_t line, col;
	const char *text;    /* NAME, PUNCTUATION: as written, in the arena; END: "" */
	struct expr literal; /* LITERAL: a leaf without items */
};

struct lexer {
	struct arena *arena;
	const char *at;
	uint32_t line, col;
};

/* The next word, behind blanks and line ends. -EINVAL with its place. */
int lexer_next(struct lexer *l, struct token *ret_token, struct error *err);
