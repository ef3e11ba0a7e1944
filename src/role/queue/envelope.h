/* envelope.h — is an envelope one that a client can have given? */
#pragma once

#include "base/err.h"
#include "ipc/message.h"

bool envelope_check(const struct queue_commit *q, struct err *e);
