/* sendmail_options.c — the options that programs give to sendmail.
 *
 * Most of what sendmail, Exim and Postfix know means nothing here and is taken in silence; nothing that
 * names a file to write is ever obeyed (CVE-2016-10033).  Behind -- stand addresses alone. */
#include "ctl/sendmail.h"

#include <stdio.h>
#include <string.h>

/* With a value, in the same word or the next. */
static const char with_value[] = "ABCDFfhLMNOopRrVX";
/* Alone, or with something in the same word. */
static const char alone[] = "abdEeGgIimnQqsTtUvxc";

static bool complain(const char *what, const char *word)
{
	fprintf(stderr, "sendmail: %s: %.100s\n", what, word);
	return false;
}

/* What a web form may have put into an argument is no line of SMTP. */
static bool is_one_line(const char *v)
{
	for (; *v; v++)
		if ((unsigned char)*v < ' ' || *v == 0x7f)
			return complain("a control character in an argument", "");
	return true;
}

static bool set_mode(struct sendmail *s, const char *v)
{
	switch (*v) {
	case 'm': case 'a': case 'h': case 'H':
		return true;
	case 's':
		s->mode = SENDMAIL_SMTP;
		return true;
	case 'p': case 'P':
		s->mode = SENDMAIL_QUEUE;
		return true;
	case 'i': case 'I':
		s->mode = SENDMAIL_ALIASES;
		return true;
	case 't':
		s->mode = SENDMAIL_TEST;
		return true;
	case 'v':
		s->mode = SENDMAIL_VERIFY;
		return true;
	case 'd': case 'D': case 'l':
		s->mode = SENDMAIL_DAEMON;
		return true;
	}
	return complain("no such mode", v);
}

/* "never", or some of "success,failure,delay"   RFC 3461 §4.1 */
static bool is_notify(struct str s)
{
	static const char *const words[] = { "success", "failure", "delay" };
	struct str rest = s;
	unsigned seen = 0;

	if (str_eq_nocase(s, S("never")))
		return true;
	while (rest.n) {
		struct str w = str_cut(rest, ',', &rest);
		unsigned i = 0;

		while (i < ARRAY_LEN(words) && !str_eq_nocase(w, str_from_z(words[i])))
			i++;
		if (i == ARRAY_LEN(words) || seen & 1U << i)
			return false;
		seen |= 1U << i;
	}
	return seen;
}

static bool set_value(struct sendmail *s, char letter, const char *v)
{
	if (!is_one_line(v))
		return false;
	switch (letter) {
	case 'C':
		s->conf_path = v;
		return true;
	case 'f': case 'r':
		s->from = v;
		return true;
	case 'F':
		s->full_name = v;
		return true;
	case 'N':
		s->notify = v;
		return is_notify(str_from_z(v)) || complain("-N is never, or some of success,failure,delay", v);
	case 'R':
		s->ret = v;
		return strcasecmp(v, "full") == 0 || strcasecmp(v, "hdrs") == 0 || complain("-R is full or hdrs", v);
	case 'V':
		s->envid = v;
		return true;
	case 'o':
		s->ignores_dots |= *v == 'i';
		s->takes_header |= *v == 't';
		s->is_verbose |= *v == 'v';
		return true;
	}
	return true;
}

static bool set_alone(struct sendmail *s, const char *word)
{
	switch (*word) {
	case 'b':
		return set_mode(s, word + 1);
	case 'i':
		s->ignores_dots = true;
		break;
	case 't':
		s->takes_header = true;
		break;
	case 'v':
		s->is_verbose = true;
		break;
	case 'q':
		if (s->mode == SENDMAIL_SEND)
			s->mode = SENDMAIL_NOTHING;
		break;
	}
	/* -ti, -vt, … */
	if (strchr("itvmns", *word) && word[1])
		return set_alone(s, word + 1);
	return strchr(alone, *word) || complain("no such option", word);
}

bool sendmail_options(struct sendmail *s, int argc, char **argv)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		const char *word = argv[i] + 1;

		if (strcmp(word, "-") == 0) {
			i++;
			break;
		}
		if (strchr(with_value, *word)) {
			const char *v = word[1] ? word + 1 : argv[++i];

			if (i >= argc)
				return complain("a value is missing behind", argv[argc - 1]);
			if (!set_value(s, *word, v))
				return false;
		} else if (!set_alone(s, word)) {
			return false;
		}
	}
	s->args = argv + i;
	s->n_args = i < argc ? argc - i : 0;
	for (i = 0; i < s->n_args; i++)
		if (!is_one_line(s->args[i]))
			return false;
	return true;
}
