/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/expr.h"

struct evaluation {
	struct arena *arena;
	const struct doc *data;
};

static const char *const type_names[] = {
	[EXPR_T_UNKNOWN] = "unknown",     [EXPR_T_BOOL] = "a truth value",
	[EXPR_T_INT] = "an integer",      [EXPR_T_REAL] = "a number",
	[EXPR_T_DURATION] = "a duration", [EXPR_T_STRING] = "a string",
	[EXPR_T_LIST] = "a list",         [EXPR_T_MAP] = "a map",
};

static struct expr_value eval(const struct evaluation *v, const struct expr *e);

const char *expr_type_name(enum expr_type t)
{
	return type_names[t];
}

const char *expr_truth_name(enum expr_truth t)
{
	return t == EXPR_TRUE ? "true" : t == EXPR_FALSE ? "false" : "unknown";
}

static const char *spelled(const struct evaluation *v, const struct expr *e)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	expr_print(e, &sb);
	return arena_strdup(v->arena, strbuf_cstr(&sb));
}

static struct expr_value unknown(const char *why)
{
	return (struct expr_value){.type = EXPR_T_UNKNOWN, .text = why};
}

static struct expr_value of_bool(bool b)
{
	return (struct expr_value){.type = EXPR_T_BOOL, .number = b};
}

static struct expr_value of_int(int64_t n)
{
	return (struct expr_value){.type = EXPR_T_INT, .number = n};
}

static struct expr_value of_duration(int64_t ns)
{
	return (struct expr_value){.type = EXPR_T_DURATION, .number = ns};
}

static struct expr_value of_real(double x)
{
	return isfinite(x) ? (struct expr_value){.type = EXPR_T_REAL, .real = x}
			   : unknown("the result is no finite number");
}

static struct expr_value of_doc(const struct doc *d)
{
	switch (d->kind) {
	case DOC_BOOL:
		return of_bool(d->boolean);
	case DOC_INT:
		return of_int(d->integer);
	case DOC_REAL:
		return of_real(d->real);
	case DOC_STRING:
		return (struct expr_value){.type = EXPR_T_STRING, .text = d->string};
	case DOC_LIST:
		return (struct expr_value){.type = EXPR_T_LIST, .doc = d, .n = d->list.n};
	case DOC_MAP:
		return (struct expr_value){.type = EXPR_T_MAP, .doc = d, .n = d->map.n};
	case DOC_NULL:
		break;
	}
	return unknown("it is null");
}

static struct expr_value item_of(const struct expr_value *list, size_t i)
{
	return list->doc ? of_doc(doc_at(list->doc, i)) : list->values[i];
}

/* --- paths ------------------------------------------------------------------------------------ */

static const struct doc *look_up(const struct evaluation *v, const struct expr *e)
{
	if (e->op == EXPR_NAME)
		return doc_get(v->data, e->text);
	if (e->op == EXPR_FIELD)
		return doc_get(look_up(v, e->items[0]), e->text);
	return doc_at(look_up(v, e->items[0]), (size_t)e->number);
}

/* An answer says of a field that could not be seen why: {unseen: {full: "..."}}. */
static const char *unseen(const struct evaluation *v, const struct expr *e)
{
	return e->op == EXPR_FIELD
		       ? doc_str(doc_get(doc_get(look_up(v, e->items[0]), "unseen"), e->text))
		       : NULL;
}

static struct expr_value eval_path(const struct evaluation *v, const struct expr *e)
{
	const struct doc *d = look_up(v, e);
	const char *why = d ? NULL : unseen(v, e);

	if (why)
		return unknown(
			arena_printf(v->arena, "%.200s is not known: %.300s", spelled(v, e), why));
	if (!d || d->kind == DOC_NULL)
		return unknown(arena_printf(v->arena, "%.200s is not known", spelled(v, e)));
	return of_doc(d);
}

/* --- two values beside each other --------------------------------------------------------------
 */

static bool is_number(const struct expr_value *x)
{
	return x->type == EXPR_T_INT || x->type == EXPR_T_REAL;
}

static double real_of(const struct expr_value *x)
{
	return x->type == EXPR_T_REAL ? x->real : (double)x->number;
}

/* A string of the data next to a duration or a number: "15m", "12.5%". */
static void read_beside(struct expr_value *x, const struct expr_value *other)
{
	uint64_t ns;
	char *end;
	double n;

	if (x->type != EXPR_T_STRING)
		return;
	if (other->type == EXPR_T_DURATION) {
		if (str_to_duration_ns(x->text, &ns, NULL) == 0 && ns <= INT64_MAX)
			*x = of_duration((int64_t)ns);
	} else if (is_number(other) && x->text[strspn(x->text, "0123456789.")] == '%') {
		n = strtod(x->text, &end);
		if (end != x->text && strcmp(end, "%") == 0)
			*x = of_real(n / 100);
	}
}

static struct expr_value mismatch(const struct evaluation *v, const struct expr *e,
				  const struct expr_value *a, const struct expr_value *b)
{
	return unknown(arena_printf(v->arena, "%.200s: %s beside %s", spelled(v, e),
				    type_names[a->type], type_names[b->type]));
}

enum order { ORDER_LESS, ORDER_EQUAL, ORDER_GREATER, ORDER_DIFFERENT, ORDER_NONE };

static enum order order_int(int64_t a, int64_t b)
{
	return a < b ? ORDER_LESS : a > b ? ORDER_GREATER : ORDER_EQUAL;
}

static enum order order_real(double a, double b)
{
	return a < b ? ORDER_LESS : a > b ? ORDER_GREATER : ORDER_EQUAL;
}

/* ORDER_NONE: these two cannot be compared; ORDER_DIFFERENT: only for equality. */
static enum order compare(struct expr_value a, struct expr_value b)
{
	read_beside(&a, &b);
	read_beside(&b, &a);
	if (is_number(&a) && is_number(&b))
		return a.type == EXPR_T_INT && b.type == EXPR_T_INT
			       ? order_int(a.number, b.number)
			       : order_real(real_of(&a), real_of(&b));
	if (a.type != b.type)
		return ORDER_NONE;
	if (a.type == EXPR_T_DURATION)
		return order_int(a.number, b.number);
	if (a.type == EXPR_T_STRING)
		return order_int(strcmp(a.text, b.text), 0);
	if (a.type == EXPR_T_BOOL)
		return a.number == b.number ? ORDER_EQUAL : ORDER_DIFFERENT;
	return ORDER_NONE;
}

static struct expr_value eval_compare(const struct evaluation *v, const struct expr *e,
				      const struct expr_value *a, const struct expr_value *b)
{
	const enum order o = compare(*a, *b);

	if (o == ORDER_NONE)
		return mismatch(v, e, a, b);
	if (e->op == EXPR_EQ || e->op == EXPR_NE)
		return of_bool((o == ORDER_EQUAL) == (e->op == EXPR_EQ));
	if (a->type == EXPR_T_BOOL)
		return mismatch(v, e, a, b);
	if (e->op == EXPR_LT)
		return of_bool(o == ORDER_LESS);
	if (e->op == EXPR_LE)
		return of_bool(o != ORDER_GREATER);
	if (e->op == EXPR_GT)
		return of_bool(o == ORDER_GREATER);
	return of_bool(o != ORDER_LESS);
}

/* An item that cannot be compared leaves the answer open unless another is equal. */
static struct expr_value eval_in(const struct evaluation *v, const struct expr *e,
				 const struct expr_value *a, const struct expr_value *list)
{
	struct expr_value open = of_bool(false);

	if (list->type != EXPR_T_LIST)
		return mismatch(v, e, a, list);
	for (size_t i = 0; i < list->n; i++) {
		const struct expr_value item = item_of(list, i);
		const enum order o = compare(*a, item);

		if (o == ORDER_EQUAL)
			return of_bool(true);
		if (item.type == EXPR_T_UNKNOWN)
			open = item;
		else if (o == ORDER_NONE)
			open = mismatch(v, e, a, &item);
	}
	return open;
}

/* One place to go back to is enough for *: time is the product of the lengths at most. */
static bool glob(const char *pattern, const char *s)
{
	const char *star = NULL, *again = NULL;

	while (*s) {
		if (*pattern == '*') {
			star = ++pattern;
			again = s;
		} else if (*pattern == '\\' && pattern[1] && pattern[1] == *s) {
			pattern += 2;
			s++;
		} else if (*pattern != '\\' && *pattern && (*pattern == '?' || *pattern == *s)) {
			pattern++;
			s++;
		} else if (star) {
			pattern = star;
			s = ++again;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

static struct expr_value eval_matches(const struct evaluation *v, const struct expr *e,
				      const struct expr_value *a, const struct expr_value *b)
{
	if (a->type != EXPR_T_STRING || b->type != EXPR_T_STRING)
		return mismatch(v, e, a, b);
	if (strlen(a->text) > EXPR_MAX_GLOB || strlen(b->text) > EXPR_MAX_GLOB)
		return unknown("matches looks at no string of more than 4096 bytes");
	return of_bool(glob(b->text, a->text));
}

/* --- arithmetic ---------------------------------------------------------------------------------
 */

static bool int_overflows(enum expr_op op, int64_t a, int64_t b, int64_t *ret)
{
	if (op == EXPR_ADD)
		return __builtin_add_overflow(a, b, ret);
	if (op == EXPR_SUB)
		return __builtin_sub_overflow(a, b, ret);
	return __builtin_mul_overflow(a, b, ret);
}

static struct expr_value whole(enum expr_op op, const struct expr_value *a,
			       const struct expr_value *b)
{
	int64_t n;

	if (int_overflows(op, a->number, b->number, &n))
		return unknown("the result does not fit 64 bits");
	return (struct expr_value){.type = a->type, .number = n};
}

static struct expr_value scaled(const struct expr_value *duration, double by)
{
	const double ns = (double)duration->number * by;

	if (!(fabs(ns) < 9.2e18))
		return unknown("the result does not fit 64 bits");
	return of_duration((int64_t)llround(ns));
}

static struct expr_value real_result(enum expr_op op, double a, double b)
{
	if (op == EXPR_ADD)
		return of_real(a + b);
	if (op == EXPR_SUB)
		return of_real(a - b);
	if (op == EXPR_MUL)
		return of_real(a * b);
	return fabs(b) > 0 ? of_real(a / b) : unknown("a division by zero");
}

static struct expr_value eval_arithmetic(const struct evaluation *v, const struct expr *e,
					 struct expr_value a, struct expr_value b)
{
	const bool sum = e->op == EXPR_ADD || e->op == EXPR_SUB;
	bool da, db;

	read_beside(&a, &b);
	read_beside(&b, &a);
	da = a.type == EXPR_T_DURATION;
	db = b.type == EXPR_T_DURATION;
	if (da && db)
		return sum                 ? whole(e->op, &a, &b)
		       : e->op == EXPR_DIV ? real_result(e->op, (double)a.number, (double)b.number)
					   : mismatch(v, e, &a, &b);
	if (da && is_number(&b) && e->op == EXPR_MUL)
		return scaled(&a, real_of(&b));
	if (db && is_number(&a) && e->op == EXPR_MUL)
		return scaled(&b, real_of(&a));
	if (da && is_number(&b) && e->op == EXPR_DIV)
		return fabs(real_of(&b)) > 0 ? scaled(&a, 1 / real_of(&b))
					     : unknown("a division by zero");
	if (!is_number(&a) || !is_number(&b))
		return mismatch(v, e, &a, &b);
	if (a.type == EXPR_T_INT && b.type == EXPR_T_INT && e->op != EXPR_DIV)
		return whole(e->op, &a, &b);
	return real_result(e->op, real_of(&a), real_of(&b));
}

static struct expr_value eval_negative(const struct evaluation *v, const struct expr *e)
{
	const struct expr_value zero = of_int(0), a = eval(v, e->items[0]);

	if (a.type == EXPR_T_UNKNOWN)
		return a;
	if (a.type == EXPR_T_REAL)
		return of_real(-a.real);
	if (a.type != EXPR_T_INT && a.type != EXPR_T_DURATION)
		return mismatch(v, e, &zero, &a);
	if (a.number == INT64_MIN)
		return unknown("the result does not fit 64 bits");
	return (struct expr_value){.type = a.type, .number = -a.number};
}

/* --- functions ----------------------------------------------------------------------------------
 */

static struct expr_value extreme(const struct evaluation *v, const struct expr *e,
				 const struct expr_value *list)
{
	const enum order wanted = e->number == EXPR_MIN ? ORDER_LESS : ORDER_GREATER;
	struct expr_value best = unknown("it is the least or greatest of an empty list");

	for (size_t i = 0; i < list->n; i++) {
		const struct expr_value item = item_of(list, i);
		enum order o;

		if (item.type == EXPR_T_UNKNOWN)
			return item;
		if (!is_number(&item) && item.type != EXPR_T_DURATION)
			return mismatch(v, e, list, &item);
		if (i == 0) {
			best = item;
			continue;
		}
		o = compare(item, best);
		if (o == ORDER_NONE)
			return mismatch(v, e, &best, &item);
		if (o == wanted)
			best = item;
	}
	return best;
}

static struct expr_value eval_call(const struct evaluation *v, const struct expr *e)
{
	const struct expr_value a = eval(v, e->items[0]);

	if (e->number == EXPR_KNOWN)
		return of_bool(a.type != EXPR_T_UNKNOWN);
	if (a.type == EXPR_T_UNKNOWN)
		return a;
	if (e->number == EXPR_LENGTH) {
		if (a.type == EXPR_T_STRING)
			return of_int((int64_t)strlen(a.text));
		if (a.type == EXPR_T_LIST || a.type == EXPR_T_MAP)
			return of_int((int64_t)a.n);
	} else if (a.type == EXPR_T_LIST) {
		return extreme(v, e, &a);
	}
	return unknown(
		arena_printf(v->arena, "%.200s: %s has none", spelled(v, e), type_names[a.type]));
}

/* --- the tree -----------------------------------------------------------------------------------
 */

static struct expr_value truth_of(const struct evaluation *v, const struct expr *e)
{
	const struct expr_value a = eval(v, e);

	if (a.type == EXPR_T_BOOL || a.type == EXPR_T_UNKNOWN)
		return a;
	return unknown(arena_printf(v->arena, "%.200s is %s, not true or false", spelled(v, e),
				    type_names[a.type]));
}

/* Kleene: what decides alone (false for and, true for or) wins over unknown. */
static struct expr_value eval_logic(const struct evaluation *v, const struct expr *e)
{
	const int64_t decides = e->op == EXPR_OR;
	const struct expr_value a = truth_of(v, e->items[0]);
	struct expr_value b;

	if (a.type == EXPR_T_BOOL && a.number == decides)
		return a;
	b = truth_of(v, e->items[1]);
	if (a.type == EXPR_T_UNKNOWN && !(b.type == EXPR_T_BOOL && b.number == decides))
		return a;
	return b;
}

static struct expr_value eval_list(const struct evaluation *v, const struct expr *e)
{
	struct expr_value *values = arena_array(v->arena, e->n + 1, struct expr_value);

	for (size_t i = 0; i < e->n; i++)
		values[i] = eval(v, e->items[i]);
	return (struct expr_value){.type = EXPR_T_LIST, .values = values, .n = e->n};
}

static struct expr_value eval_pair(const struct evaluation *v, const struct expr *e)
{
	const struct expr_value a = eval(v, e->items[0]), b = eval(v, e->items[1]);

	if (a.type == EXPR_T_UNKNOWN)
		return a;
	if (b.type == EXPR_T_UNKNOWN)
		return b;
	if (e->op == EXPR_IN)
		return eval_in(v, e, &a, &b);
	if (e->op == EXPR_MATCHES)
		return eval_matches(v, e, &a, &b);
	if (e->op >= EXPR_ADD)
		return eval_arithmetic(v, e, a, b);
	return eval_compare(v, e, &a, &b);
}

static struct expr_value eval_leaf(const struct expr *e)
{
	static const double scale[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

	if (e->op == EXPR_BOOL)
		return of_bool(e->number);
	if (e->op == EXPR_INT)
		return of_int(e->number);
	if (e->op == EXPR_DURATION)
		return of_duration(e->number);
	if (e->op == EXPR_STRING)
		return (struct expr_value){.type = EXPR_T_STRING, .text = e->text};
	return of_real((double)e->number / scale[e->places] / (e->op == EXPR_PERCENT ? 100 : 1));
}

static struct expr_value eval(const struct evaluation *v, const struct expr *e)
{
	struct expr_value a;

	if (e->op == EXPR_AND || e->op == EXPR_OR)
		return eval_logic(v, e);
	if (e->op == EXPR_NOT) {
		a = truth_of(v, e->items[0]);
		return a.type == EXPR_T_BOOL ? of_bool(!a.number) : a;
	}
	if (e->op == EXPR_NEG)
		return eval_negative(v, e);
	if (e->op == EXPR_CALL)
		return eval_call(v, e);
	if (e->op == EXPR_LIST)
		return eval_list(v, e);
	if (e->op == EXPR_NAME || e->op == EXPR_FIELD || e->op == EXPR_INDEX)
		return eval_path(v, e);
	return e->n == 2 ? eval_pair(v, e) : eval_leaf(e);
}

struct expr_value expr_eval(struct arena *a, const struct expr *e, const struct doc *data)
{
	const struct evaluation v = {a, data};

	return eval(&v, e);
}

enum expr_truth expr_decide(struct arena *a, const struct expr *e, const struct doc *data,
			    const char **ret_why)
{
	const struct evaluation v = {a, data};
	const struct expr_value r = truth_of(&v, e);

	if (r.type == EXPR_T_BOOL)
		return r.number ? EXPR_TRUE : EXPR_FALSE;
	if (ret_why)
		*ret_why = r.text;
	return EXPR_UNKNOWN;
}
