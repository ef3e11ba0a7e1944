/* conf_test.c — what is said about good and bad configurations, and that nothing
 * gets lost between a file, a role and the pages printed from the rows. */
#include "conf/conf.h"

#include "base/time.h"
#include "conf/rows.h"
#include "conf/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FIVE "hostname mail.example.org\ndomain example.org\n"

static bool one_include(void *arg, struct str glob, size_t i, struct str *ret_name,
			struct str *ret_text, struct err *e)
{
	(void)arg;
	if (str_eq(glob, S("denied")))
		return (fail)(e, FAULT_PERM, "Permission denied");
	*ret_name = glob;
	*ret_text = str_eq(glob, S("loop")) ? S("include loop\n")
		: str_eq(glob, S("bad")) ? S("\n  idel 5m\n")
		: S("domain included.example\nuser $(who)@included.example\n");
	return i == 0 && !str_eq(glob, S("none")) && !str_eq(glob, S("none*"));
}

static const struct conf_world world = {
	.file = { "/etc/waxwing/w.conf", 19 }, .is_root = true, .includes = { .file = one_include },
};

struct reading {
	struct arena arena;
	struct conf_notes notes;
	struct conf conf;
	bool ok;
};

static void reading_init(struct reading *r, const char *text)
{
	*r = (struct reading){ .arena.limit = CONF_MEMORY_MAX };
	r->ok = conf_read(str_from_z(text), &world, &r->arena, &r->notes, &r->conf);
}

static void reading_end(struct reading *r)
{
	arena_end(&r->arena);
}

/* All notes, one a line, without the folder. */
static void notes_join(const struct conf_notes *n, struct buf *b)
{
	for (size_t i = 0; i < n->n; i++) {
		struct str t = n->note[i].text;

		if (str_starts(t, S("/etc/waxwing/")))
			t = str_from(t, 13);
		buf_addf(b, "%s" STR_FMT, i ? "\n" : "", STR_ARG(t));
	}
}

static const struct {
	const char *text;
	const char *notes;       /* none: must be accepted in silence */
} cases[] = {
	{ FIVE, "" },
	{ FIVE "user nad@example.org\ncontact postmaster@example.org\nstorage /var/lib/waxwing\nversion 1\n", "" },
	{ "\xef\xbb\xbf" FIVE, "" },
	{ "hostname mail.example.org\r\ndomain example.org\r\n", "" },
	{ "hostname \\\n  mail.example.org # the name\ndomain \"example.org\"", "" },
	{ "set d example.org\nhostname mail.$(d)\ndomain $(d)\nuser \"a@$(d)\"\n", "" },
	{ FIVE "set who x\ninclude more\n", "" },
	{ FIVE "include none*\n", "" },
	/* the grammar */
	{ FIVE "include none\n", "w.conf:3:1: there is no file none" },
	{ FIVE "include denied\n", "w.conf:3:1: include denied: Permission denied" },
	{ FIVE "include loop\n", "loop:1:1: files include each other more than 8 deep" },
	{ FIVE "include bad\n", "bad:2:3: there is no directive \"idel\"" },
	{ FIVE "include\n", "w.conf:3:1: \"include\" wants one file or glob" },
	{ FIVE "inbound {\n  idel 5m\n}\n", "w.conf:4:3: there is no directive \"idel\", did you mean \"idle\"?" },
	{ FIVE "inbound {\n  idle 5m\n", "w.conf:3:9: the block has no \"}\"" },
	{ FIVE "inbound { idle 5m }\n", "w.conf:3:11: a new line belongs behind \"{\"\nw.conf:3:19: \"}\" stands on a line of its own" },
	{ FIVE "}\n", "w.conf:3:1: no block is open here" },
	{ FIVE "{\n}\n", "w.conf:3:1: \"{\" belongs behind a directive" },
	{ FIVE "inbound {\n} idle 5m\n", "w.conf:4:3: a new line belongs behind \"}\"\nw.conf:4:3: \"idle\" belongs into the block of inbound" },
	{ FIVE "user \"a@example.org\n", "w.conf:3:6: the string has no end on its line" },
	{ FIVE "user \"a\\n@example.org\"\n", "w.conf:3:8: in a string a backslash stands before \" \\ or $ only" },
	{ FIVE "user a\"b\"\n", "w.conf:3:7: a string begins with its quote: put the whole word between quotes" },
	{ FIVE "user \"a@example.org\"x\n", "w.conf:3:21: a space belongs behind a string" },
	{ FIVE "user a\\b@example.org\n", "w.conf:3:7: a backslash stands at the end of a line or in a string" },
	{ FIVE "user \x01\n", "w.conf:3:6: a byte 0x01 has no place here" },
	{ FIVE "user a\rb\n", "w.conf:3:7: a byte 0x0d has no place here" },
	{ FIVE "user \"\xc3\xa4\xc3\xb6\" \x7f\n", "w.conf:3:11: a byte 0x7f has no place here" },
	{ FIVE "set name a\nuser $(nmae)@example.org\n", "w.conf:4:6: no \"set\" gives \"nmae\" a value, did you mean \"name\"?" },
	{ FIVE "user $(\n", "w.conf:3:6: \"$(\" begins the use of a name: $(NAME)" },
	{ FIVE "set a b c\n", "w.conf:3:1: \"set\" wants a name and one value: set NAME value" },
	{ FIVE "set a. b\n", "w.conf:3:5: a name has letters, digits, \"-\" and \"_\" only" },
	{ FIVE "set a b\nset a c\n", "w.conf:4:5: \"a\" is set already" },
	{ FIVE "set a {\n}\n", "w.conf:3:7: \"set\" has no block" },
	{ FIVE "a {\nb {\nc {\nd {\ne {\nf {\ng {\nh {\ni {\n", "w.conf:11:3: blocks stand more than 8 deep\nw.conf:3:1: there is no directive \"a\"" },
	/* rows */
	{ FIVE "hostnam x.example\n", "w.conf:3:1: there is no directive \"hostnam\", did you mean \"hostname\"?" },
	{ FIVE "idle 5m\n", "w.conf:3:1: \"idle\" belongs into the block of inbound" },
	{ FIVE "inbound {\nstorage /x\n}\n", "w.conf:4:1: \"storage\" belongs outside all blocks" },
	{ FIVE "generation 4\n", "w.conf:3:1: there is no directive \"generation\"" },
	{ FIVE "hostname b.example\n", "w.conf:3:1: \"hostname\" stands here a second time" },
	{ FIVE "storage /x {\n}\n", "w.conf:3:1: \"storage\" has no block" },
	{ FIVE "inbound\n", "w.conf:3:1: behind \"inbound\" belongs a block: inbound {" },
	{ FIVE "inbound x {\n}\n", "w.conf:3:9: \"x\" has no place here: inbound" },
	{ FIVE "storage\n", "w.conf:3:1: behind this belongs more: storage PATH" },
	{ FIVE "storage /a /b\n", "w.conf:3:12: \"/b\" has no place here: storage PATH" },
	{ FIVE "version 2\n", "w.conf:3:9: version is at most 1" },
	{ FIVE "log loud\n", "w.conf:3:5: \"loud\" is not one of error|warn|info|debug" },
	{ FIVE "log inof\n", "w.conf:3:5: \"inof\" is not one of error|warn|info|debug, did you mean \"info\"?" },
	{ FIVE "contact root\n", "w.conf:3:9: \"root\" is not an address like name@example.org" },
	{ FIVE "contact a..b@example.org\n", "w.conf:3:9: \"a..b@example.org\" is not an address like name@example.org" },
	{ FIVE "quota 1G\nquota 2G for x.example\nquota 3G\n", "w.conf:5:1: the quota of all stands in line 3 already" },
	{ FIVE "dkim own t=y t=s\n", "" },
	{ FIVE "dkim keys /k/%d.pem selector x2019 t=s\ndkim keys /k/one selector s.t domain fixed.example\n", "" },
	{ FIVE "domain x.example {\ndkim keys /k/one selector k\n}\ndomain y.example {\ndkim off\n}\n", "" },
	{ FIVE "dkim keys /k/one selector k\n",
	  "w.conf:3:1: %d is missing in the path: each domain has a key of its own, or write \"domain NAME\"" },
	{ FIVE "dkim keys /k/%d\n", "w.conf:3:11: \"selector NAME\" is missing behind the path" },
	{ FIVE "dkim off\ndkim keys /k/%d selector k\n",
	  "w.conf:3:1: dkim own and dkim off stand alone, without other lines dkim" },
	{ FIVE "domain x.example {\ndkim keys /k/one selector k domain y.example\n}\n",
	  "w.conf:4:1: \"domain\" stands in a line dkim outside of the domains alone: it is for all letters" },
	{ FIVE "dkim-expiry 4d\n", "w.conf: dkim-expiry is not longer than letters wait (outbound: retry … give-up)" },
	{ FIVE "quota 1G 5\n", "w.conf:3:10: \"letters\" is missing behind the number" },
	{ FIVE "quota 0\n", "w.conf:3:7: quota is at least 1" },
	{ FIVE "quota 1G for a b\n", "w.conf:3:16: \"b\" has no place here: quota SIZE|off [COUNT letters] [for NAME|DOMAIN]" },
	{ FIVE "undelete 5\n", "w.conf:3:10: \"5\" is not a duration like 30s, 5m, 1h or 4d" },
	{ FIVE "undelete 99999999999999999w\n", "w.conf:3:10: \"99999999999999999w\" is not a duration like 30s, 5m, 1h or 4d" },
	{ FIVE "undelete 9999w\n", "w.conf:3:10: undelete is at most 3650d" },
	{ FIVE "subaddress ab\n", "w.conf:3:12: \"ab\" is not one of ! # $ % & * + - / = ? ^ _ ~ | or off" },
	{ FIVE "mail-uid Root\n", "w.conf:3:10: \"Root\" is not the name of a system user" },
	{ FIVE "domain example.org.\n", "w.conf:3:8: \"example.org.\" is not a domain (letters, digits, \"-\" and dots; others as xn--…)" },
	{ FIVE "domain a_b.example\n", "w.conf:3:8: \"a_b.example\" is not a domain (letters, digits, \"-\" and dots; others as xn--…)" },
	{ FIVE "users virtual.users\n", "w.conf:3:7: \"file\" is missing here: users file PATH" },
	{ FIVE "tls certificate a.pem\n", "w.conf:3:17: \"key\" is missing here: tls certificate PATH key PATH" },
	{ FIVE "auth {\nbackend pam\n}\n", "w.conf:4:9: behind this belongs more: backend internal|pam SERVICE" },
	{ FIVE "inbound {\nmax-size 10K\n}\n", "w.conf:4:10: max-size is at least 64K" },
	{ FIVE "inbound {\nmax-size 10T\n}\n", "w.conf:4:10: \"10T\" is not a size like 500, 256K, 50M or 1G" },
	{ FIVE "inbound {\nmax-recipients 99\n}\n", "w.conf:4:16: max-recipients is at least 100" },
	{ FIVE "inbound {\nletters 60 pro 1m\n}\n", "w.conf:4:12: \"per\" is missing here: letters COUNT per DURATION|off" },
	{ FIVE "inbound {\nfriends 192.0.2.1/24\n}\n", "w.conf:4:9: \"192.0.2.1/24\" is one address, not a network, did you mean \"192.0.2.0/24\"?" },
	{ FIVE "inbound {\nfriends 192.0.2.0/33\n}\n", "w.conf:4:9: \"192.0.2.0/33\" is not a network: behind / stands 0 to 32" },
	{ FIVE "inbound {\nfriends host.example\n}\n", "w.conf:4:9: \"host.example\" is not an IP address or network like 192.0.2.0/24 or 2001:db8::/32" },
	{ FIVE "inbound {\nhelo-chars <\n}\n", "w.conf:4:12: \"<\" is not a row of printable ASCII characters without @ < >" },
	{ FIVE "outbound {\nroute * smtp://x\n}\n", "w.conf:4:9: \"via\" is missing here: route DOMAIN [from DOMAIN] via mx|smtp://HOST[:PORT]|smtps://HOST[:PORT] [user NAME secret:PATH] [require-tls] [tls off|opportunistic|encrypt|verify]" },
	{ FIVE "outbound {\nroute *x via mx\n}\n", "w.conf:4:7: \"*x\" is not a domain (letters, digits, \"-\" and dots; others as xn--…)" },
	{ FIVE "outbound {\nroute * via x:25\n}\n", "w.conf:4:13: \"x:25\" is not mx, smtp://HOST:PORT or smtps://HOST:PORT" },
	{ FIVE "outbound {\nroute * via smtp://x:0\n}\n", "w.conf:4:13: \"smtp://x:0\" is not a server with a port from 1 to 65535" },
	{ FIVE "outbound {\nroute * via smtp://::1\n}\n", "w.conf:4:13: an IPv6 address stands in brackets: smtp://[2001:db8::1]" },
	{ FIVE "outbound {\nroute * via smtps://x user u p\n}\n", "w.conf:4:30: \"p\" is not secret:PATH, the file that holds the password" },
	{ FIVE "outbound {\nroute * via mx user u secret:p\n}\n", "w.conf:4:16: a password is for one server, not for those that the DNS names" },
	{ FIVE "outbound {\nroute * via smtp://x user u secret:p tls encrypt\n}\n", "w.conf:4:1: a password is only sent by TLS to a server with a right certificate" },
	{ FIVE "outbound {\nroute * via smtps://x tls off\n}\n", "w.conf:4:1: smtps is always encrypted: \"tls encrypt\" or \"tls verify\"" },
	{ FIVE "outbound {\nsource 192.0.2.1 192.0.2.2\n}\n", "w.conf: \"source\" names two addresses of the same kind" },
	{ FIVE "outbound {\nsource 192.0.2.0/24\n}\n", "w.conf:4:8: \"192.0.2.0/24\" is not an IP address" },
	{ FIVE "outbound {\nretry give-up 4d\n}\n", "w.conf:4:7: the first wait is missing: retry DURATION ... give-up DURATION [warn DURATION]" },
	{ FIVE "outbound {\nretry 5m give-up 4h warn 1d\n}\n", "w.conf:4:7: the warning comes after giving up" },
	{ FIVE "outbound {\nretry 5m\n}\n", "w.conf:4:7: \"give-up\" is missing here: retry DURATION ... give-up DURATION [warn DURATION]" },
	{ FIVE "ban {\ntimes\n}\n", "w.conf:4:1: behind this belongs more: times DURATION ..." },
	{ FIVE "ban {\ntimes 1h 2h 1h\n}\n", "w.conf:4:13: each is at least as long as the one before" },
	{ FIVE "ban {\nforget 61d\n}\n", "w.conf:4:8: forget is at most 60d" },
	{ FIVE "journal {\nsegments 17\n}\n", "w.conf:4:10: segments is at most 16" },
	{ FIVE "listen smpt *:25\n", "w.conf:3:8: \"smpt\" is not one of smtp|submission|imap|pop3|sieve|http|https, did you mean \"smtp\"?" },
	{ FIVE "dns {\n resolver forward\n}\n", "w.conf:4:11: behind this belongs more: resolver recursive|forward ADDRESS[:PORT] ...|off" },
	{ FIVE "dns {\n resolver forward *:53\n}\n", "w.conf:4:19: \"*:53\" is not an address" },
	{ FIVE "dns {\n resolver forward ns.example.org\n}\n", "w.conf:4:19: \"ns.example.org\" is not ADDRESS:PORT, like *:25 or [2001:db8::1]:25" },
	{ FIVE "listen smtp *:0\n", "w.conf:3:13: \"*:0\" is not ADDRESS:PORT, like *:25 or [2001:db8::1]:25" },
	{ FIVE "listen smtp ::1:25\n", "w.conf:3:13: \"::1:25\" is not ADDRESS:PORT, like *:25 or [2001:db8::1]:25" },
	{ FIVE "listen smtp *:25 atuh\n", "w.conf:3:18: \"atuh\" is not one of auth|starttls|tls|plaintext, did you mean \"auth\"?" },
	/* what options must agree on */
	{ "", "w.conf: \"hostname\" is missing: the full name of this server\nw.conf: no \"domain\": letters to hostname alone are taken" },
	{ "domain example.org\n", "w.conf: \"hostname\" is missing: the full name of this server" },
	{ FIVE "domain EXAMPLE.org\n", "w.conf:3:1: the domain \"example.org\" stands in line 2 already" },
	{ FIVE "domain b.example {\nalias-domains c.example example.org\n}\n", "w.conf:4:25: the domain \"example.org\" stands in line 2 already" },
	{ FIVE "user a@exmaple.org\n", "w.conf:3:6: no \"domain\" names \"exmaple.org\", did you mean \"example.org\"?" },
	{ FIVE "domains file d\nuser a@elsewhere.example\n", "" },
	{ FIVE "user a@example.org\nuser a@example.org\n", "w.conf:4:6: the user \"a@example.org\" stands in line 3 already" },
	{ FIVE "listen smtp *:25\nlisten smtp 192.0.2.1:25\n", "w.conf:4:1: port 25 is taken by the \"listen\" in line 3" },
	{ FIVE "listen smtp 192.0.2.1:25\nlisten smtp [2001:db8::1]:25\n", "" },
	{ FIVE "listen imap *:143\n", "w.conf:3:1: imap needs \"starttls\" or \"tls\"" },
	{ FIVE "listen pop3 *:110 plaintext\n", "w.conf:3:1: \"plaintext\" is for a loopback address alone: passwords would be sent in the clear" },
	{ FIVE "listen pop3 192.0.2.1:110 plaintext\n", "w.conf:3:1: \"plaintext\" is for a loopback address alone: passwords would be sent in the clear" },
	{ FIVE "listen smtp 127.0.0.1:25 plaintext\n", "w.conf:3:1: \"plaintext\" is for imap, pop3, submission and smtp with auth" },
	{ FIVE "listen smtp 127.0.0.1:25 auth plaintext\nlisten submission 127.0.0.1:587 plaintext\nlisten smtp *:465 auth tls\n", "" },
	{ FIVE "listen smtp *:2525 auth plaintext\n", "w.conf:3:1: \"plaintext\" is for a loopback address alone: passwords would be sent in the clear" },
	{ FIVE "listen smtp *:465 tls\n", "w.conf:3:1: smtp with \"tls\" is for clients that log in: auth tls, or submission" },
	{ FIVE "user a@example.org {\nkind relay\nmay-send-as own *@example.org x@example.net\nsent-copy off\nper-account 5 per 1h\n}\nuser www-data {\nmay-send-as any\nper-account off\n}\nuser b@example.org\n", "" },
	{ FIVE "user a@example.org {\nkind half\n}\n", "w.conf:4:6: \"half\" is not one of full|send-only|relay" },
	{ FIVE "user a@example.org {\nmay-send-as *@\n}\n", "w.conf:4:13: \"\" is not a domain (letters, digits, \"-\" and dots; others as xn--…)" },
	{ FIVE "user a@example.org {\nmay-send-as x\n}\n", "w.conf:4:13: \"x\" is not an address like name@example.org" },
	{ FIVE "user Www\n", "w.conf:3:6: \"Www\" is not the name of a system user" },
	{ FIVE "submission {\nnetwork 127.0.0.0/8 ::1 as any\nnetwork 192.0.2.0/24 as *@example.org a@example.net limit 10 per 1h\n}\n", "" },
	{ FIVE "submission {\nnetwork 192.0.2.0/24 as any\n}\n", "w.conf:4:1: \"any\" is for 127.0.0.0/8 and ::1 alone: name the addresses, or *@DOMAIN" },
	{ FIVE "submission {\nnetwork 127.0.0.0/7 as any\n}\n", "w.conf:4:9: \"127.0.0.0/7\" is one address, not a network, did you mean \"126.0.0.0/7\"?" },
	{ FIVE "submission {\nnetwork ::1 192.0.2.1 as any\n}\n", "w.conf:4:1: \"any\" is for 127.0.0.0/8 and ::1 alone: name the addresses, or *@DOMAIN" },
	{ FIVE "submission {\nnetwork ::1 as own\n}\n", "w.conf:4:1: a network has no own addresses: name them, or *@DOMAIN" },
	{ FIVE "submission {\nnetwork ::1\n}\n", "w.conf:4:1: \"as\" is missing: by which addresses may they send?" },
	{ FIVE "listen imap *:993 tls auth\n", "w.conf:3:1: \"auth\" is for smtp" },
	{ FIVE "listen imap off tls\n", "w.conf:3:13: \"off\" is not ADDRESS:PORT, like *:25 or [2001:db8::1]:25" },
	{ FIVE "listen imap 127.0.0.1:143 plaintext\nlisten imap [::1]:143 plaintext\nlisten imap *:993 tls\nlisten pop3 off\n", "" },
	{ FIVE "listen submission *:587\n", "w.conf:3:1: submission needs \"starttls\" or \"tls\"" },
	{ FIVE "auth {\nbackend internal\nbackend internal\n}\n", "w.conf:5:1: this backend stands in line 4 already" },
	{ FIVE "aliases off\naliases file x\n", "w.conf:3:1: \"aliases off\" stands beside other \"aliases\"" },
	{ FIVE "inbound {\nmax-connections 50\n}\n", "w.conf: reserve-submission 100 leaves nothing of max-connections 50" },
	{ FIVE "storage /\n", "w.conf: the root folder can be neither storage nor run" },
	{ FIVE "storage /x\nrun /x\n", "w.conf: storage and run are the same folder" },
	/* checks */
	{ FIVE "inbound {\ncheck rdns fail reject \"Sender validation failed\" temporary defer\n"
	  "check dnsbl zen.spamhaus.org hit score 6\njunk at 5\nreject at 12.25\n}\n", "" },
	{ FIVE "inbound {\ncheck dnsbl z.example answer 127.0.0.2-3 127.0.0.10/31 hit score 6 label a\n"
	  "check dnsbl z.example answer 127.0.0.4 hit tag\ncheck dnswl w.example hit pass\n}\n", "" },
	{ FIVE "inbound {\ncheck rdsn fail reject\n}\n",
	  "w.conf:4:7: \"rdsn\" is not one of rdns|helo|helo-self|sender-domain|dnsbl|dnswl|from|spf|dkim|dmarc|arc|header-address, did you mean \"rdns\"?" },
	{ FIVE "inbound {\ncheck rdns\n}\n", "w.conf:4:1: what follows is missing: fail reject, defer, score N, tag or off" },
	{ FIVE "inbound {\ncheck dnsbl z.example\n}\n", "w.conf:4:1: what follows is missing: hit reject, defer, score N, tag or off" },
	{ FIVE "inbound {\ncheck rdns hit reject\n}\n",
	  "w.conf:4:12: \"hit\" has no place here: behind check rdns belongs \"fail\", \"temporary\" and \"label\"" },
	{ FIVE "inbound {\ncheck rdns fail rejct\n}\n",
	  "w.conf:4:17: \"rejct\" is not one of off|reject|defer|score|tag|pass|obey, did you mean \"reject\"?" },
	{ FIVE "inbound {\ncheck rdns fail score much\n}\n", "w.conf:4:23: \"much\" is not a score from -1000 to 1000, like 6 or -2.5" },
	{ FIVE "inbound {\ncheck rdns fail score 1.234\n}\n", "w.conf:4:23: \"1.234\" is not a score from -1000 to 1000, like 6 or -2.5" },
	{ FIVE "inbound {\ncheck rdns fail pass\n}\n",
	  "w.conf:4:17: \"pass\" is for dnswl: who stands in that list passes the other checks" },
	{ FIVE "inbound {\ncheck dnswl w.example hit reject\n}\n",
	  "w.conf:4:27: nobody is refused for standing in a white list: pass, score -N or tag" },
	{ FIVE "inbound {\ncheck helo fail reject temporary defer\n}\n",
	  "w.conf:4:24: \"temporary\" has no place here: behind check helo belongs \"fail\" and \"label\"" },
	{ FIVE "inbound {\ncheck dnsbl z.example answer 127.0.0.11-2 hit tag\n}\n",
	  "w.conf:4:30: \"127.0.0.11-2\" is not an answer like 127.0.0.2, 127.0.0.2-11, 127.0.1.0/24 or 0.0.0.4/0.0.0.4" },
	{ FIVE "inbound {\ncheck dnsbl z.example answer 127.0.0.3/30 hit tag\n}\n",
	  "w.conf:4:30: \"127.0.0.3/30\" is not an answer like 127.0.0.2, 127.0.0.2-11, 127.0.1.0/24 or 0.0.0.4/0.0.0.4" },
	{ FIVE "inbound {\ncheck rdns fail tag label \"a b\"\n}\n",
	  "w.conf:4:27: \"a b\" is not a label: letters, digits, \"_\", \"-\" and \".\", at most 64" },
	{ FIVE "inbound {\ncheck rdns fail reject \"n\xc3\xb6\"\n}\n", "w.conf:4:24: a text for other servers is ASCII alone" },
	{ FIVE "inbound {\ncheck rdns fail tag fail off\n}\n", "w.conf:4:21: \"fail\" stands here a second time" },
	{ FIVE "inbound {\ncheck rdns fail tag\ncheck rdns fail off\n}\n", "w.conf:5:1: this check stands in line 4 already" },
	{ FIVE "inbound {\ncheck spf fail score 3 softfail score 1.5 neutral off none tag permerror reject \"no\" temporary defer label s\n"
	  "check dkim none tag\ncheck dmarc fail obey none score 1\ncheck arc fail tag\ncheck from fail tag\n}\n", "" },
	{ FIVE "inbound {\ncheck spf softfail obey\n}\n",
	  "w.conf:4:20: \"obey\" is for dmarc fail: what the domain in From asks for is done" },
	{ FIVE "inbound {\ncheck dmarc none obey\n}\n",
	  "w.conf:4:18: \"obey\" is for dmarc fail: what the domain in From asks for is done" },
	{ FIVE "inbound {\ncheck dkim softfail tag\n}\n",
	  "w.conf:4:12: \"softfail\" has no place here: behind check dkim belongs \"fail\", \"none\", \"temporary\" and \"label\"" },
	{ FIVE "inbound {\ncheck dmarc temporary defer\n}\n",
	  "w.conf:4:1: what follows is missing: fail reject, defer, score N, tag, obey or off" },
	{ FIVE "dns {\nresolver off\n}\ninbound {\ncheck dmarc fail obey\n}\n",
	  "w.conf:7:1: this check asks the DNS, and \"dns\" says \"resolver off\"" },
	{ FIVE "inbound {\njunk 5\n}\n", "w.conf:4:6: \"5\" is not \"at\" and a score, or off" },
	{ FIVE "inbound {\njunk at 5\nreject at 4\n}\n", "w.conf: reject at 4 leaves nothing for junk at 5" },
	{ FIVE "dns {\nresolver off\n}\ninbound {\ncheck rdns fail tag\n}\n",
	  "w.conf:7:1: this check asks the DNS, and \"dns\" says \"resolver off\"" },
	/* scanner */
	{ FIVE "scanner spamd 127.0.0.1:783 user debian-spamd max-size 1M within 1m at-once 10\n", "" },
	{ FIVE "scanner spamd\n", "w.conf:3:9: behind this belongs more: scanner spamd ADDRESS:PORT|/PATH [user NAME] [max-size SIZE] [within DURATION] "
	  "[at-once COUNT]|off" },
	{ FIVE "scanner spamd localhost:783\n",
	  "w.conf:3:15: \"localhost:783\" is not an address like 127.0.0.1:783 or [::1]:783, or the /PATH of a unix socket" },
	{ FIVE "scanner spamd ::1:783\n",
	  "w.conf:3:15: \"::1:783\" is not an address like 127.0.0.1:783 or [::1]:783, or the /PATH of a unix socket" },
	{ FIVE "scanner spamd 127.0.0.1:0\n",
	  "w.conf:3:15: \"127.0.0.1:0\" is not an address like 127.0.0.1:783 or [::1]:783, or the /PATH of a unix socket" },
	{ FIVE "scanner spamd \"/a b\"\n", "w.conf:3:15: the path of a unix socket has at most 107 octets, and no spaces" },
	{ FIVE "scanner spamd /s user \"a b\"\n", "w.conf:3:23: \"a b\" is not the name of a user of spamd" },
	{ FIVE "scanner spamd /s usr x\n",
	  "w.conf:3:18: \"usr\" is not one of user|max-size|within|at-once, did you mean \"user\"?" },
	/* many errors at once */
	{ "hostname -x\ndoman y\nlog q\n", "w.conf:1:10: \"-x\" is not a domain (letters, digits, \"-\" and dots; others as xn--…)\n"
	  "w.conf:2:1: there is no directive \"doman\", did you mean \"domain\"?\nw.conf:3:5: \"q\" is not one of error|warn|info|debug" },
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(65536);
		AUTO(reading_end) struct reading r;

		reading_init(&r, cases[i].text);
		notes_join(&r.notes, &b);
		buf_add_char(&b, '\0');
		assert_string_equal(b.p, cases[i].notes);
		assert_int_equal(r.ok, r.notes.errors == 0);
	}
}

/* What is understood but not served is accepted with a warning. */
static const struct {
	const char *text;
	const char *warning;
} later[] = {
	{ "listen sieve *:4190 starttls\n", "w.conf:3:1: \"listen sieve\" is not yet served" },
};

static void test_later(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(later); i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(65536), text = buf_on_heap(4096);
		AUTO(reading_end) struct reading r;

		buf_addf(&text, FIVE "%s%c", later[i].text, '\0');
		reading_init(&r, text.p);
		assert_true(r.ok);
		assert_int_equal(r.notes.warnings, 1);
		notes_join(&r.notes, &b);
		assert_true(str_eq(buf_str(&b), str_from_z(later[i].warning)));
	}
}

/* The first note of a text that is refused. */
static void check_refused(struct buf *text, size_t errors, const char *first)
{
	AUTO(reading_end) struct reading r = { 0 };
	AUTO(buf_end) struct buf b = buf_on_heap(65536);

	buf_add_char(text, '\0');
	assert_false(text->full);
	reading_init(&r, text->p);
	assert_int_equal(r.notes.errors, errors);
	notes_join(&r.notes, &b);
	if (!str_starts(buf_str(&b), str_from_z(first)))
		fail_msg(STR_FMT, STR_ARG(buf_str(&b)));
	buf_clear(text);
}

static void test_limits(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(4 << 20);

	(void)state;
	for (int i = 0; i < 100; i++)
		buf_add(&b, S("x y\n"));
	check_refused(&b, CONF_ERRORS_MAX, "w.conf:1:1: there is no directive \"x\"");

	buf_add(&b, S(FIVE "inbound {\nfriends"));
	for (int i = 0; i < CONF_WORDS_MAX; i++)
		buf_addf(&b, " 192.0.2.%d", 10 + i);
	buf_add(&b, S("\n}\n"));
	check_refused(&b, 1, "w.conf:4:702: more than 64 words in one directive");

	memset(buf_room(&b, CONF_FILE_MAX + 1), '\n', CONF_FILE_MAX + 1);
	check_refused(&b, 1, "w.conf:1:1: the file is larger than 1 MiB");

	/* words that double may not fill the memory */
	buf_add(&b, S("set a0 xxxxxxxxxxxxxxxx\n"));
	for (int i = 1; i < 10; i++)
		buf_addf(&b, "set a%d $(a%d)$(a%d)\n", i, i - 1, i - 1);
	check_refused(&b, 1, "w.conf:10:8: the word is longer than 4096 bytes");
}

static const char longer[] =
	"hostname mail.example.org\n"
	"listen smtp *:25\n"
	"listen smtp [2001:DB8::1]:2525 {\n"
	"    allow-bare-newline 192.0.2.0/24 ::1\n"
	"}\n"
	"tls certificate full.pem key \"./secrets/a key.pem\"\n"
	"auth {\n backend internal\n backend pam waxwing\n}\n"
	"domains file /etc/waxwing/virtual.domains\n"
	"users file ./virtual.users\n"
	"aliases file /etc/mail/aliases as nobody\n"
	"domain example.org\n"
	"domain Example.NZ {\n alias-domains example.com\n catch-all Accounts@Example.NZ\n accounts linux\nusers file nz\n others via smtp://127.0.0.1\n}\n"
	"user nad@example.org {\n kind send-only\n may-send-as own *@example.nz\n}\nuser www-data {\n per-account off\n}\n"
	"submission {\n network 127.0.0.0/8 as any\n network 10.0.0.0/8 as *@example.org limit 5 per 1h\n}\n"
	"subaddress \"#\"\n"
	"smtpd-copies 2\n"
	"inbound {\n friends 203.0.113.7 2001:db8:7::/64\n friends 10.0.0.0/8\n helo-chars _\n"
	" per-client 10 connections 60 per 1m\n letters off\n max-size 10M\n}\n"
	"outbound {\n retry 5m 15m 90m give-up 4d\n route *.Example.net from example.com via mx require-tls\n"
	" route * via smtps://[2001:db8::25]:24 user branch secret:b\n source 192.0.2.1 ::1\n}\n"
	"journal {\n checkpoint fsync\n}\n";

static void check_routes(const struct conf *c)
{
	const struct conf_route *r = conf_route_at(c, 1);

	assert_true(r && r->is_mx && r->has_tls && r->tls == CONF_TLS_VERIFY && str_eq(r->destination, S("*.example.net")) &&
		    str_eq(r->from, S("example.com")));
	r = conf_route_at(c, 2);
	assert_true(r && !r->is_mx && r->is_wrapped && r->port == 24 && r->tls == CONF_TLS_VERIFY && !r->has_tls &&
		    str_eq(r->host, S("2001:db8::25")) && str_eq(r->secret, S("/etc/waxwing/b")));
	r = conf_route_at(c, conf_others_number(c, 1));
	assert_true(r && r->port == 25 && r->tls == CONF_TLS_IF_OFFERED && str_eq(r->host, S("127.0.0.1")));
	assert_null(conf_route_at(c, 0));
	assert_null(conf_route_at(c, conf_others_number(c, 0)));
	assert_null(conf_route_at(c, conf_others_number(c, 2)));
}

static void test_values(void **state)
{
	static const uint8_t friend6[16] = { 0x20, 1, 0xd, 0xb8, 0, 7, 0, 0, 9 };
	static const uint8_t friend4[16] = { [10] = 0xff, 0xff, 10, 1, 2, 3 };
	static const uint8_t stranger[16] = { [10] = 0xff, 0xff, 203, 0, 113, 8 };
	AUTO(reading_end) struct reading r;
	const struct conf *c = &r.conf;

	(void)state;
	reading_init(&r, longer);
	assert_true(r.ok && r.notes.n == 0);
	assert_int_equal(c->listens.n, 2 + 6);   /* and those of submission, imap and pop3 */
	assert_true(str_eq(c->listens.p[1].addr, S("2001:db8::1")) && c->listens.p[1].port == 2525);
	assert_int_equal(c->listens.p[1].allow_bare_newline.n, 2);
	assert_true(str_eq(c->tls.p[0].key, S("/etc/waxwing/secrets/a key.pem")));
	assert_int_equal(c->auth.backends.n, 2);
	assert_true(str_eq(c->auth.backends.p[1].service, S("waxwing")));
	assert_true(str_eq(c->user_files.p[0].text, S("/etc/waxwing/virtual.users")));
	assert_true(str_eq(c->aliases.p[0].as_user, S("nobody")));
	assert_true(str_eq(c->domains.p[1].name, S("example.nz")));
	assert_true(str_eq(c->domains.p[1].catch_all, S("Accounts@example.nz")));
	assert_int_equal(c->domains.p[0].accounts, CONF_ACCOUNTS_INTERNAL);
	assert_int_equal(c->domains.p[1].accounts, CONF_ACCOUNTS_LINUX);
	assert_int_equal(c->subaddress, '#');
	assert_int_equal(c->smtpd_copies, 2);
	assert_int_equal(c->inbound.friends.n, 3);
	assert_true(conf_nets_has(&c->inbound.friends, friend6) && conf_nets_has(&c->inbound.friends, friend4));
	assert_false(conf_nets_has(&c->inbound.friends, stranger));
	assert_int_equal(c->inbound.per_client.connections, 10);
	assert_true(c->inbound.per_client.opened.n == 60 && c->inbound.per_client.opened.per == MINUTE);
	assert_int_equal(c->inbound.letters.n, 0);
	assert_true(c->inbound.max_size == 10 << 20 && c->inbound.idle == 5 * MINUTE);
	assert_true(c->outbound.retry.n == 3 && c->outbound.retry.delay[2] == 90 * MINUTE &&
		    c->outbound.retry.give_up == 4 * DAY && c->outbound.retry.warn == 0);
	check_routes(c);
	assert_int_equal(c->journal.checkpoint, CONF_CHECKPOINT_FSYNC);
	assert_int_equal(c->journal.segments, 16);
	assert_true(str_eq(c->contact, S("postmaster@example.org")) && str_eq(c->run, S("/run/waxwing")));
}

static void test_machine(void **state)
{
	struct conf_world w = { .file = S("/tmp/demo/w.conf"), .has_etc_aliases = true };
	struct conf_notes notes = { 0 };
	AUTO(arena_end) struct arena a = { .limit = CONF_MEMORY_MAX };
	struct conf c;

	(void)state;
	assert_true(conf_read(S(FIVE "storage .\n"), &w, &a, &notes, &c));
	assert_true(str_eq(c.storage, S("/tmp/demo")) && str_eq(c.run, S("/tmp/demo/run")));
	assert_true(c.aliases.n == 1 && str_eq(c.aliases.p[0].path, S("/etc/aliases")));
	assert_true(c.listens.n == 7 && c.listens.p[0].port == 25 && str_eq(c.listens.p[0].addr, S("*")));
	assert_true(c.listens.p[4].port == 993 && c.listens.p[4].proto == CONF_IMAP && c.listens.p[4].tls == CONF_TLS_WRAPPED);
	assert_true(c.listens.p[1].port == 587 && c.listens.p[2].port == 465 && c.listens.p[2].proto == CONF_SUBMISSION &&
		    c.listens.p[2].tls == CONF_TLS_WRAPPED);
	assert_true(c.listens.p[5].port == 110 && c.listens.p[5].proto == CONF_POP3 && c.listens.p[5].tls == CONF_TLS_STARTTLS);
	assert_true(conf_read(S(FIVE "aliases off\nrun run\n"), &w, &a, &notes, &c));
	assert_true(c.aliases.n == 0 && str_eq(c.run, S("/tmp/demo/run")));
	/* a line replaces the defaults of its protocol */
	assert_true(conf_read(S(FIVE "listen imap *:1993 tls\nlisten pop3 off\nlisten submission off\n"), &w, &a, &notes, &c));
	assert_true(c.listens.n == 4 && c.listens.p[0].port == 1993 && c.listens.p[1].port == 0 && c.listens.p[3].port == 25);
}

/* A machine that only sends: nobody connects from outside, nobody reads mail there. */
static const struct {
	const char *text;
	bool is_satellite;
} machines[] = {
	{ "outbound {\nroute * via smtps://main.example.org\n}\n", true },
	{ "outbound {\nroute example.net via mx\nroute * via smtp://192.0.2.1 tls off\n}\n", true },
	{ "outbound {\nroute * via mx require-tls\n}\n", false },
	{ "outbound {\nroute * from example.org via smtps://main.example.org\n}\n", false },
	{ "outbound {\nroute *.example.org via smtps://main.example.org\n}\n", false },
	{ "domain example.org\noutbound {\nroute * via smtps://main.example.org\n}\n", false },
	{ "", false },
};

static void test_satellite(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(machines); i++) {
		AUTO(buf_end) struct buf text = buf_on_heap(4096);
		AUTO(reading_end) struct reading r;

		buf_addf(&text, "hostname thishost.example.org\ncontact admin@example.org\n%s%c", machines[i].text, '\0');
		reading_init(&r, text.p);
		assert_true(r.ok);
		assert_int_equal(conf_is_satellite(&r.conf), machines[i].is_satellite);
		assert_int_equal(r.conf.listens.n, machines[i].is_satellite ? 1 : 7);
		assert_true(str_eq(r.conf.listens.p[0].addr, machines[i].is_satellite ? S("127.0.0.1") : S("*")));
	}
}

/* Print for the parent, read, print again: the same. */
static void check_round_trip(const struct conf *c, struct buf *image)
{
	AUTO(buf_end) struct buf again = buf_on_heap(1 << 20), live = buf_on_heap(4096), restart = buf_on_heap(4096);
	AUTO(arena_end) struct arena a = { .limit = CONF_MEMORY_MAX };
	struct err e = { 0 };
	struct conf back;

	assert_true(conf_print_for_role(c, S("parent"), image));
	if (!conf_read_image(buf_str(image), &a, &back, &e))
		fail_msg("%s", e.text);
	assert_true(conf_print_for_role(&back, S("parent"), &again));
	assert_true(str_eq(buf_str(image), buf_str(&again)));
	conf_diff(c, &back, &live, &restart);
	assert_true(live.n == 0 && restart.n == 0);
}

/* A value of each type, other than all defaults, as it is printed. */
static const struct {
	const struct conf_type *type;
	const char *words;
} samples[] = {
	{ &conf_type_copies, "3" }, { &conf_type_duration, "6m" }, { &conf_type_size, "2M" },
	{ &conf_type_path, "\"/a b/\\$(c)\"" }, { &conf_type_chars, "\"_{#\"" }, { &conf_type_mark, "-" },
	{ &conf_type_domain, "o.example" }, { &conf_type_address, "y@x.example" }, { &conf_type_login, "_vmail" },
	{ &conf_type_net, "10.0.0.0/8 2001:db8::/32 192.0.2.7 ::1" }, { &conf_type_rate, "7 per 2h" },
	{ &conf_type_durations, "90s 2h 2h 3d" },
	{ &conf_type_per_client, "7 connections 9 per 30s" }, { &conf_type_retry, "1m 2m give-up 2d warn 1h" },
	{ &conf_type_file, "file /f" }, { &conf_type_aliases, "file /f as nobody" },
	{ &conf_type_quota, "5G 1000 letters for y@x.example" }, { &conf_type_over_quota, "refuse" },
	{ &conf_type_tls, "certificate /c key \"/k k\"" }, { &conf_type_backend, "pam mail" },
	{ &conf_type_log, "debug" }, { &conf_type_helo, "strict" }, { &conf_type_checkpoint, "syncfs" },
	{ &conf_type_accounts, "linux" }, { &conf_type_listen, "smtp 192.0.2.1:26" },
	{ &conf_type_domain_block, "z.example" }, { &conf_type_user_block, "y@x.example" },
	{ &conf_type_sender, "own *@x.example y@x.example" }, { &conf_type_user_kind, "relay" },
	{ &conf_type_on_off, "off" }, { &conf_type_limit, "7 per 2h" },
	{ &conf_type_network, "127.0.0.0/8 ::1 as any y@x.example limit off" },
	{ &conf_type_via, "via smtps://h.example:465 tls encrypt" },
	{ &conf_type_route, "*.d.example from * via smtp://[::1]:26 user u \"secret:/s s\"" },
	{ &conf_type_ipv6, "on" }, { &conf_type_ip, "192.0.2.7 ::1" }, { &conf_type_demand, "verify" },
	{ &conf_type_check, "dnsbl l.example answer 127.0.0.2-11 0.0.0.4/0.0.0.4 untested hit reject \"no \\\"x\" label a.B-1" },
	{ &conf_type_threshold, "at -2.5" },
	{ &conf_type_scanner, "spamd [::1]:783 user a@b.example max-size 1M within 10s at-once 2" },
	{ &conf_type_dkim, "keys \"/k k/%d.pem\" selector s1 t=y t=s" },
	{ &conf_type_resolver, "forward 192.0.2.1:53 [2001:db8::1]:5353" },
};

static const char *sample_of(const struct conf_row *row, char *mem, size_t size)
{
	if (row->type == &conf_type_count) {
		long n = strtol(row->deflt, NULL, 10);

		snprintf(mem, size, "%ld", n < row->max ? n + 1 : n > row->min ? n - 1 : n);
		return mem;
	}
	if (row->type == &conf_type_duration && row->min > 6 * MINUTE)
		return "30d";
	for (size_t i = 0; i < ARRAY_LEN(samples); i++)
		if (samples[i].type == row->type)
			return samples[i].words;
	return NULL;
}

__attribute__((noinline)) static void check_option(unsigned section, const struct conf_row *row)
{
	static const char *const open[SECTION_COUNT] = {
		"", "listen smtp *:2500 {\n    ", "domain d.example {\n    ", "auth {\n    ",
		"inbound {\n    ", "outbound {\n    ", "journal {\n    ", "login {\n    ", "ban {\n    ", "user u@x.example {\n    ",
		"submission {\n    ", "dns {\n    ",
	};
	AUTO(buf_end) struct buf text = buf_on_heap(4096), image = buf_on_heap(65536), line = buf_on_heap(4096);
	AUTO(reading_end) struct reading r = { 0 };
	char mem[32];
	const char *words = sample_of(row, mem, sizeof(mem));

	if (!words)
		fail_msg("no sample for %s", row->name);
	buf_addf(&line, "%s%s %s\n", open[section], row->name, words);
	if (row->type != &conf_type_domain || section != SECTION_TOP)
		buf_add(&text, S("hostname mail.example.org\n"));
	buf_add(&text, S("domain x.example\n"));
	if (section == SECTION_INBOUND || section == SECTION_OUTBOUND)  /* other rows of the block come before this one */
		buf_addf(&text, "%s%s %s\n}\n", open[section], row->name, words);
	else
		buf_addf(&text, STR_FMT "%s\n", STR_ARG(buf_str(&line)), section ? "}" : "");
	buf_add_char(&text, '\0');
	reading_init(&r, text.p);
	if (!r.ok)
		fail_msg("%s: " STR_FMT, row->name, STR_ARG(r.notes.note[0].text));
	check_round_trip(&r.conf, &image);
	buf_clear(&line);
	buf_addf(&line, "%s %s\n", row->name, words);
	if (row->type != &conf_type_domain && str_find_str(buf_str(&image), buf_str(&line)) == image.n &&
	    row->type->section == SECTION_NONE)
		fail_msg("%s is lost", row->name);
}

static void test_each_option(void **state)
{
	AUTO(buf_end) struct buf image = buf_on_heap(1 << 20);
	AUTO(reading_end) struct reading r;

	(void)state;
	for (unsigned s = 0; s < SECTION_COUNT; s++)
		for (size_t i = 0; i < conf_sections[s].n; i++) {
			const struct conf_row *row = &conf_sections[s].row[i];

			if (row->kind == KIND_LATER || row->reload == RELOAD_IMAGE ||
			    (row->kind == KIND_ONE && row->type->section != SECTION_NONE))
				continue;
			check_option(s, row);
		}
	reading_init(&r, longer);
	assert_true(r.ok);
	r.conf.generation = 7;
	check_round_trip(&r.conf, &image);
	assert_true(str_starts(buf_str(&image), S("generation 7\ndirectory /etc/waxwing\nhostname ")));
}

/* A role learns its part and no more. */
static void test_roles(void **state)
{
	AUTO(buf_end) struct buf smtpd = buf_on_heap(65536), pam = buf_on_heap(65536);
	AUTO(arena_end) struct arena a = { .limit = CONF_MEMORY_MAX };
	AUTO(reading_end) struct reading r;
	struct err e = { 0 };
	static struct conf c;

	(void)state;
	reading_init(&r, longer);
	assert_false(conf_print_for_role(&r.conf, S("nobody"), &smtpd));
	assert_int_equal(smtpd.n, 0);
	assert_true(conf_print_for_role(&r.conf, S("smtpd"), &smtpd));
	assert_int_equal(str_find_str(buf_str(&smtpd), S("storage")), smtpd.n);
	assert_int_equal(str_find_str(buf_str(&smtpd), S("nad@")), smtpd.n);
	assert_true(conf_read_image(buf_str(&smtpd), &a, &c, &e));
	assert_true(c.inbound.max_size == 10 << 20 && c.domains.n == 2 && c.listens.n == 8);
	assert_true(conf_print_for_role(&r.conf, S("pam"), &pam));
	assert_true(str_eq(buf_str(&pam), S("generation 0\ndirectory /etc/waxwing\n"
					   "hostname mail.example.org\n"
					   "auth {\n    backend internal\n    backend pam waxwing\n}\n")));
	assert_false(conf_read_image(S("hostname x y"), &a, &c, &e));
	assert_string_equal(e.text, "configuration image:1:12: \"y\" has no place here: hostname DOMAIN");
	assert_false(conf_read_image(S("include x"), &a, &c, &e));
}

__attribute__((noinline)) static void check_reads(const char *text)
{
	AUTO(reading_end) struct reading r;

	reading_init(&r, text);
	assert_true(r.ok && r.notes.n == 0);
}

static void test_show(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(65536), x = buf_on_heap(65536);
	AUTO(reading_end) struct reading r;
	struct err e = { 0 };

	(void)state;
	reading_init(&r, FIVE "inbound {\nidle 2m\n}\n");
	conf_show(&r.conf, &b);
	assert_true(str_find_str(buf_str(&b), S("    idle 2m\n")) < b.n);
	assert_true(str_find_str(buf_str(&b), S("    hops 50    # default\n")) < b.n);
	assert_true(str_find_str(buf_str(&b), S("listen smtp *:25    # default\n")) < b.n);
	assert_true(str_find_str(buf_str(&b), S("generation")) == b.n);
	buf_add_char(&b, '\0');
	check_reads(b.p);
	assert_true(conf_explain(S("idle"), &x, &e));
	assert_true(str_eq(buf_str(&x), S("idle DURATION\n"
		"    How long a client may stay silent between commands.\n"
		"    stands in the block of inbound\n    default: 5m\n    a reload applies a change\n")));
	buf_clear(&x);
	assert_true(conf_explain(S("users"), &x, &e));
	assert_true(str_find_str(buf_str(&x), S("outside all blocks")) < x.n);
	assert_true(str_find_str(buf_str(&x), S("in the block of domain")) < x.n);
	assert_false(conf_explain(S("idel"), &x, &e));
	assert_string_equal(e.text, "there is no directive \"idel\", did you mean \"idle\"?");
}

static void test_diff(void **state)
{
	AUTO(buf_end) struct buf live = buf_on_heap(4096), restart = buf_on_heap(4096);
	static struct reading a, b;      /* large */

	(void)state;
	reading_init(&a, FIVE);
	reading_init(&b, "hostname other.example.org\ndomain example.org {\ncatch-all a@example.org\n}\n"
			 "inbound {\nidle 2m\nfriends 10.0.0.0/8\n}\njournal {\nsegments 8\n}\nundelete 168h\n");
	assert_true(a.ok && b.ok);
	conf_diff(&a.conf, &b.conf, &live, &restart);
	assert_true(str_eq(buf_str(&live), S("domain, inbound friends, inbound idle")));
	assert_true(str_eq(buf_str(&restart), S("hostname, journal segments")));
	reading_end(&a);
	reading_end(&b);
}

/* A page that is kept in the sources is the one printed now; CONF_WRITE=1 writes it anew. */
static void check_page(const char *name, struct str want)
{
	const char *root = getenv("SOURCE_ROOT");
	char path[512];
	AUTO(buf_end) struct buf have = buf_on_heap(1 << 20);
	FILE *f;

	if (!root)
		skip();
	snprintf(path, sizeof(path), "%s/%s", root, name);
	if (getenv("CONF_WRITE")) {
		f = fopen(path, "w");
		assert_non_null(f);
		assert_int_equal(fwrite(want.p, 1, want.n, f), want.n);
		assert_int_equal(fclose(f), 0);
	}
	f = fopen(path, "r");
	assert_non_null(f);
	for (int c = fgetc(f); c != EOF; c = fgetc(f))
		buf_add_char(&have, (char)c);
	fclose(f);
	if (!str_eq(buf_str(&have), want))
		fail_msg("%s is out of date: run this test with CONF_WRITE=1", name);
}

/* The page is man/waxwing.conf.5.in with the options in place of its line @OPTIONS@. */
static void page_fill(struct buf *page, struct str options)
{
	const char *root = getenv("SOURCE_ROOT");
	char path[512], line[512];
	FILE *f;

	if (!root)
		skip();
	snprintf(path, sizeof(path), "%s/man/waxwing.conf.5.in", root);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		buf_add(page, str_eq(str_from_z(line), S("@OPTIONS@\n")) ? options : str_from_z(line));
	fclose(f);
}

static void test_pages(void **state)
{
	AUTO(buf_end) struct buf man = buf_on_heap(1 << 20), sample = buf_on_heap(1 << 20), page = buf_on_heap(1 << 20);
	AUTO(reading_end) struct reading r = { 0 };

	(void)state;
	conf_print_man(&man);
	conf_print_sample(&sample);
	for (unsigned s = 0; s < SECTION_COUNT; s++)
		for (size_t i = 0; i < conf_sections[s].n; i++) {
			const struct conf_row *row = &conf_sections[s].row[i];
			char line[64];

			if (row->reload == RELOAD_IMAGE)
				continue;
			snprintf(line, sizeof(line), ".It Ic %s", row->name);
			assert_true(str_find_str(buf_str(&man), str_from_z(line)) < man.n);
			snprintf(line, sizeof(line), s ? "\n#    %s" : "\n#%s", row->name);
			if (row->kind != KIND_LATER && str_find_str(buf_str(&sample), str_from_z(line)) == sample.n)
				fail_msg("%s is not in the sample", row->name);
		}
	check_page("conf/waxwing.conf", buf_str(&sample));
	page_fill(&page, buf_str(&man));
	check_page("man/waxwing.conf.5", buf_str(&page));
	buf_add_char(&sample, '\0');
	reading_init(&r, sample.p);
	assert_true(r.ok && r.notes.n == 0);
}

static void test_secret(void **state)
{
	static const struct {
		unsigned mode, uid;
		const char *why;         /* "": may hold a secret */
	} row[] = {
		{ S_IFREG | 0600, 0, "" }, { S_IFREG | 0400, 0, "" }, { S_IFREG | 0600, 77, "" },
		{ S_IFREG | 0640, 0, "a secret must have mode 0600, this one has 0640" },
		{ S_IFREG | 0604, 0, "a secret must have mode 0600, this one has 0604" },
		{ S_IFREG | 04600, 0, "a secret must have mode 0600, this one has 4600" },
		{ S_IFREG | 0600, 78, "a secret must belong to root or the server, this one belongs to uid 78" },
		{ S_IFDIR | 0600, 0, "a secret must be a regular file" },
		{ S_IFLNK | 0600, 0, "a secret must be a regular file" },
	};
	struct str path = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct stat st = { .st_mode = row[i].mode, .st_uid = row[i].uid };
		struct err e = { 0 };

		assert_int_equal(conf_secret_check(&st, 77, &e), row[i].why[0] == '\0');
		assert_string_equal(e.text, row[i].why);
	}
	assert_true(conf_secret_path(S("secret:/a"), &path) && str_eq(path, S("/a")));
	assert_false(conf_secret_path(S("secret:"), &path) || conf_secret_path(S("/a"), &path));
}

static void test_quota_of(void **state)
{
	static const struct { struct str account; uint64_t bytes; uint32_t letters; } rows[] = {
		{ S("a@x.example"), 5, 0 }, { S("A@x.example"), 5, 0 }, { S("b@x.example"), 7, 9 }, { S("b@y.example"), 3, 0 },
		{ S("root"), 3, 0 }, { S("boss"), 0, 0 }, { S("c_d"), 11, 0 },
	};
	AUTO(reading_end) struct reading r = { 0 };

	(void)state;
	reading_init(&r, FIVE "quota 7 9 letters for x.example\nquota 3\nquota 5 for a@x.example\nquota off for boss\n"
			      "quota 11 for c_d\n");
	assert_true(r.ok);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct conf_quota *q = conf_quota_of(&r.conf.quotas, rows[i].account);

		if (!q || q->bytes != rows[i].bytes || q->letters != rows[i].letters)
			fail_msg("row %zu", i);
	}
	assert_null(conf_quota_of(&(struct conf_quotas){ 0 }, S("a@x.example")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases), cmocka_unit_test(test_later), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_values), cmocka_unit_test(test_machine), cmocka_unit_test(test_satellite),
		cmocka_unit_test(test_each_option), cmocka_unit_test(test_quota_of), cmocka_unit_test(test_roles),
		cmocka_unit_test(test_show), cmocka_unit_test(test_diff), cmocka_unit_test(test_pages),
		cmocka_unit_test(test_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
