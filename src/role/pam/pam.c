/* pam.c — asks the system who its users are and whether a password is theirs.
 *
 * It stays root, since pam_unix reads the shadow file; it hears two questions,
 * each from the role `user` only, and answers them by way of a child.  A name
 * must look like one before anything else sees it. */
#include "role/pam/pam.h"

#include "base/fd.h"
#include "base/log.h"
#include "role/runtime.h"
#include "user/linux_account.h"
#include "user/password.h"

#include <errno.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>

enum { SERVICE_MAX = 64 };

/* -- who is it? ------------------------------------------------------------ */

struct found {
	uint8_t is_answered, exists;
	uint32_t uid, gid;
	char home[LINUX_PATH_MAX + 1];
	char shell[LINUX_PATH_MAX + 1];
};
_Static_assert(sizeof(struct found) <= ANSWER_MAX, "an answer is one write");

/* In the child. */
static void find(void *arg, int out)
{
	const char *name = arg;
	struct found f = { .is_answered = 1 };
	const struct passwd *pw;
	struct err e;

	errno = 0;
	pw = getpwnam(name);
	if (!pw && (errno == EIO || errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EAGAIN))
		return;
	if (pw && strcmp(pw->pw_name, name) == 0 && strlen(pw->pw_dir) < sizeof(f.home) &&
	    strlen(pw->pw_shell) < sizeof(f.shell)) {
		f.exists = 1;
		f.uid = pw->pw_uid;
		f.gid = pw->pw_gid;
		snprintf(f.home, sizeof(f.home), "%s", pw->pw_dir);
		snprintf(f.shell, sizeof(f.shell), "%s", pw->pw_shell);
	}
	fd_write_all(out, str_of(&f, sizeof(f)), &e);
}

SUSPENDS static bool serve_account(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct pam_account *q = question;
	struct pam_account_answer *r = answer;
	struct found f;
	char *name;
	size_t n;

	(void)l;
	if (!linux_name_is_valid(q->name))
		return true;
	name = str_z(a, q->name);
	if (!name)
		return fail(e, FAULT_TEMP, "out of memory");
	if (!child_ask(find, name, &f, sizeof(f), &n, e))
		return false;
	if (n != sizeof(f) || !f.is_answered)
		return fail(e, FAULT_TEMP, "the system could not be asked for user %s", name);
	f.home[sizeof(f.home) - 1] = f.shell[sizeof(f.shell) - 1] = '\0';
	*r = (struct pam_account_answer){ .exists = f.exists, .uid = f.uid, .gid = f.gid,
					  .home = arena_str(a, str_from_z(f.home)),
					  .shell = arena_str(a, str_from_z(f.shell)) };
	return a->full ? fail(e, FAULT_TEMP, "out of memory") : true;
}

/* -- is it the password? --------------------------------------------------- */

struct login {
	const char *service, *name;
	char *password;          /* given to the first question for a secret */
	bool is_given;
};

enum { WRONG = 'n', RIGHT = 'y' };       /* nothing: PAM itself failed */

static int answer_one(struct login *x, const struct pam_message *m, struct pam_response *r)
{
	if (m->msg_style == PAM_TEXT_INFO || m->msg_style == PAM_ERROR_MSG)
		return PAM_SUCCESS;
	if (m->msg_style != PAM_PROMPT_ECHO_OFF || x->is_given)
		return PAM_CONV_ERR;     /* a second secret, or something we do not have */
	x->is_given = true;
	r->resp = strdup(x->password);
	return r->resp ? PAM_SUCCESS : PAM_BUF_ERR;
}

static int converse(int n, const struct pam_message **messages, struct pam_response **ret, void *arg)
{
	struct pam_response *r;
	int rc = PAM_SUCCESS;

	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	r = calloc((size_t)n, sizeof(*r));
	if (!r)
		return PAM_BUF_ERR;
	for (int i = 0; i < n && rc == PAM_SUCCESS; i++)
		rc = answer_one(arg, messages[i], &r[i]);
	if (rc == PAM_SUCCESS) {
		*ret = r;
		return rc;
	}
	for (int i = 0; i < n; i++)
		free(r[i].resp);
	free(r);
	return rc;
}

/* Did a module put another name in the place of the one that was asked for? */
static bool is_same_name(pam_handle_t *h, const char *name)
{
	const void *now = NULL;

	return pam_get_item(h, PAM_USER, &now) == PAM_SUCCESS && now && strcmp(now, name) == 0;
}

static bool is_trouble(int rc)
{
	return rc == PAM_SYSTEM_ERR || rc == PAM_BUF_ERR || rc == PAM_ABORT || rc == PAM_AUTHINFO_UNAVAIL ||
	       rc == PAM_SERVICE_ERR || rc == PAM_OPEN_ERR || rc == PAM_SYMBOL_ERR || rc == PAM_MODULE_UNKNOWN;
}

/* In the child. */
static void check(void *arg, int out)
{
	struct login *x = arg;
	struct pam_conv conv = { converse, x };
	pam_handle_t *h = NULL;
	struct err e;
	int rc = pam_start(x->service, x->name, &conv, &h);

	if (rc == PAM_SUCCESS)
		rc = pam_authenticate(h, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (rc == PAM_SUCCESS)
		rc = pam_acct_mgmt(h, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (rc == PAM_SUCCESS && !is_same_name(h, x->name))
		rc = PAM_PERM_DENIED;
	if (!is_trouble(rc))
		fd_write_all(out, str_of(&(char){ rc == PAM_SUCCESS ? RIGHT : WRONG }, 1), &e);
	if (h)
		pam_end(h, rc);
	explicit_bzero(x->password, strlen(x->password));
}

/* A service is a file below /etc/pam.d: only those of the configuration are opened. */
static bool is_service(struct str service)
{
	const struct conf_backends *list = &conf_now()->auth.backends;

	for (size_t i = 0; i < list->n; i++)
		if (list->p[i].kind == CONF_BACKEND_PAM && str_eq(list->p[i].service, service))
			return service.n > 0 && service.n <= SERVICE_MAX && !str_has(service, '/');
	return false;
}

SUSPENDS static bool ask_password(struct login *x, uint8_t *ret, struct err *e)
{
	char said;
	size_t n;

	if (!child_ask(check, x, &said, 1, &n, e))
		return false;
	if (n != 1)
		return fail(e, FAULT_TEMP, "PAM service %s could not check a password", x->service);
	*ret = said == RIGHT;
	return true;
}

static void wipe(struct str password)
{
	if (password.n)
		explicit_bzero((void *)(uintptr_t)password.p, password.n);
}

SUSPENDS static bool serve_password(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct pam_password *q = question;
	struct pam_password_answer *r = answer;
	struct err why;
	struct login x;
	bool ok = true;

	(void)l;
	if (!is_service(q->service)) {
		wipe(q->password);
		return fail(e, FAULT_PERM, "no backend names the PAM service %s", LOGQ(str_head(q->service, 60)));
	}
	x = (struct login){ .service = str_z(a, q->service), .name = str_z(a, q->name),
			    .password = str_z(a, q->password) };
	if (linux_name_is_valid(q->name) && password_check(q->password, &why) && x.service && x.name && x.password)
		ok = ask_password(&x, &r->right, e);
	if (x.password)
		explicit_bzero(x.password, q->password.n);
	wipe(q->password);
	log_info("pam", "service=%s name=%s what=%s", LOGQ(q->service), LOGQ(q->name),
		 !ok ? "failed" : r->right ? "right" : "wrong");
	return ok;
}

SUSPENDS static bool prepare(struct err *e)
{
	(void)e;
	ipc_serve(IPC_pam_account, serve_account);
	ipc_serve(IPC_pam_password, serve_password);
	return true;
}

const struct role_def role_pam = { .role = ROLE_PAM, .prepare = prepare };
