/* mailbox.h — the process of one account. */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

/* Called in a child of the zygote: becomes uid:gid, opens `home` (and makes it, for an account
 * without a Linux account), then lives as role `mailbox`.  Never returns. */
NORETURN void mailbox_main(const char *account, uint32_t uid, uint32_t gid, bool is_linux, const char *home);
