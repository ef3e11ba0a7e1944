/* secret.h — secret:PATH, the word that stands wherever a secret is wanted.
 *
 * The secret itself never stands in the configuration; its file must belong to
 * root or the server and be nobody else's to read. */
#pragma once

#include "base/err.h"

#include <sys/stat.h>

/* "secret:PATH" gives PATH; false for any other word. */
bool conf_secret_path(struct str word, struct str *ret);

/* May this file hold a secret of a server that runs as uid?  It must be regular,
 * mode 0600 or less, owned by root or that uid; else the sentence to refuse it with. */
bool conf_secret_check(const struct stat *st, uid_t server, struct err *e);
