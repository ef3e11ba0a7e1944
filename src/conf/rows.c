/* rows.c — the .def files as tables. */
#include "conf/rows.h"

#include "base/time.h"

enum {
	PARENT = 1 << 0, CONTROL = 1 << 1, SMTPD = 1 << 2, QUEUE = 1 << 3, MAILBOX = 1 << 4,
	SCAN = 1 << 5, USER = 1 << 6, PAM = 1 << 7, KEYS = 1 << 8, ZYGOTE = 1 << 9,
	LOGIN = 1 << 10, DNS = 1 << 11, RELAY = 1 << 12, SIGN = 1 << 13, ALL = (1 << 14) - 1,
	/* short names for the rows */
	LIVE = RELOAD_LIVE, RESTART = RELOAD_RESTART, IMAGE = RELOAD_IMAGE,
};

static const struct {
	const char *name;
	unsigned bit;
} roles[] = {
	{ "parent", PARENT }, { "control", CONTROL }, { "smtpd", SMTPD }, { "queue", QUEUE },
	{ "mailbox", MAILBOX }, { "scan", SCAN }, { "user", USER }, { "pam", PAM },
	{ "keys", KEYS }, { "zygote", ZYGOTE }, { "login", LOGIN }, { "dns", DNS },
	{ "relay", RELAY }, { "sign", SIGN },
};

unsigned conf_role_bit(struct str role)
{
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (str_eq(role, str_from_z(roles[i].name)))
			return roles[i].bit;
	return 0;
}

#define SIZE_ONE(owner, field) sizeof(((struct owner *)0)->field)
#define SIZE_MANY(owner, field) sizeof(*((struct owner *)0)->field.p)
/* the parent receives all */
#define OPT(kind_, type_, field_, name_, deflt_, min_, max_, reload_, roles_, help_) \
	{ .name = name_, .kind = KIND_##kind_, .type = &conf_type_##type_, \
	  .offset = offsetof(struct OWNER, field_), .size = SIZE_##kind_(OWNER, field_), \
	  .deflt = deflt_, .min = min_, .max = max_, .reload = (enum conf_reload)(reload_), \
	  .roles = (unsigned)(roles_) | PARENT, .help = help_ },
#define LATER(name_, help_) { .name = name_, .kind = KIND_LATER, .help = help_ },

static const struct conf_row top_rows[] = {
#define OWNER conf
#include "conf/top.def"
#undef OWNER
};
static const struct conf_row listen_rows[] = {
#define OWNER conf_listen
#include "conf/listen.def"
#undef OWNER
};
static const struct conf_row domain_rows[] = {
#define OWNER conf_domain
#include "conf/domain.def"
#undef OWNER
};
static const struct conf_row auth_rows[] = {
#define OWNER conf_auth
#include "conf/auth.def"
#undef OWNER
};
static const struct conf_row inbound_rows[] = {
#define OWNER conf_inbound
#include "conf/inbound.def"
#undef OWNER
};
static const struct conf_row outbound_rows[] = {
#define OWNER conf_outbound
#include "conf/outbound.def"
#undef OWNER
};
static const struct conf_row journal_rows[] = {
#define OWNER conf_journal
#include "conf/journal.def"
#undef OWNER
};
static const struct conf_row login_rows[] = {
#define OWNER conf_login
#include "conf/login.def"
#undef OWNER
};
static const struct conf_row ban_rows[] = {
#define OWNER conf_ban
#include "conf/ban.def"
#undef OWNER
};
static const struct conf_row user_rows[] = {
#define OWNER conf_user
#include "conf/user.def"
#undef OWNER
};
static const struct conf_row submission_rows[] = {
#define OWNER conf_submission
#include "conf/submission.def"
#undef OWNER
};
static const struct conf_row dns_rows[] = {
#define OWNER conf_dns
#include "conf/dns.def"
#undef OWNER
};

const struct conf_section_rows conf_sections[SECTION_COUNT] = {
	[SECTION_TOP] = { NULL, top_rows, ARRAY_LEN(top_rows) },
	[SECTION_LISTEN] = { "listen", listen_rows, ARRAY_LEN(listen_rows) },
	[SECTION_DOMAIN] = { "domain", domain_rows, ARRAY_LEN(domain_rows) },
	[SECTION_AUTH] = { "auth", auth_rows, ARRAY_LEN(auth_rows) },
	[SECTION_INBOUND] = { "inbound", inbound_rows, ARRAY_LEN(inbound_rows) },
	[SECTION_OUTBOUND] = { "outbound", outbound_rows, ARRAY_LEN(outbound_rows) },
	[SECTION_JOURNAL] = { "journal", journal_rows, ARRAY_LEN(journal_rows) },
	[SECTION_LOGIN] = { "login", login_rows, ARRAY_LEN(login_rows) },
	[SECTION_BAN] = { "ban", ban_rows, ARRAY_LEN(ban_rows) },
	[SECTION_USER] = { "user", user_rows, ARRAY_LEN(user_rows) },
	[SECTION_SUBMISSION] = { "submission", submission_rows, ARRAY_LEN(submission_rows) },
	[SECTION_DNS] = { "dns", dns_rows, ARRAY_LEN(dns_rows) },
};

_Static_assert(ARRAY_LEN(top_rows) <= 64 && ARRAY_LEN(inbound_rows) <= 64, "a bit for each row");

const struct conf_row *conf_row_find(enum conf_section section, struct str name)
{
	for (size_t i = 0; i < conf_sections[section].n; i++)
		if (str_eq(name, str_from_z(conf_sections[section].row[i].name)))
			return &conf_sections[section].row[i];
	return NULL;
}
